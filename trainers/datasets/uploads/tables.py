"""Tables as rows of plain strings, whatever wrote them: CSV and its kin, XLSX, JSON lines, Parquet.

Each reader is a generator of `Row`s. None holds more than a few rows at a time, but for XLSX,
whose library keeps the workbook's shared texts, and for a JSON list; both have limits.
"""

import codecs
import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    MAX_LINE_CHARS,
    MAX_RATIO,
    MAX_ROWS,
    MAX_TABLE_BYTES,
    MAX_TEXT_CHARS,
    MAX_UNPACKED_XLSX,
    MB,
    MIN_BYTES_FOR_RATIO,
    BadUpload,
    sanitize_line,
)

DELIMITED_SUFFIXES = {".csv", ".tsv", ".tab", ".txt", ".psv"}
JSON_SUFFIXES = {".jsonl", ".ndjson", ".json"}
EXCEL_SUFFIXES = {".xlsx", ".xlsm"}
PARQUET_SUFFIXES = {".parquet", ".pq"}
SUFFIXES = DELIMITED_SUFFIXES | JSON_SUFFIXES | EXCEL_SUFFIXES | PARQUET_SUFFIXES
SEPARATORS = ",;\t|"
SNIFF_BYTES = 1 << 16  # bytes from which kind and separator are guessed
MAX_CONTROL_SHARE = (
    0.05  # of control characters: programs and pictures have more, damaged tables less
)
END_MARKER = (
    "\0end"  # a last line of our own: if a cell swallows it, a quotation mark was never closed
)
BOMS = (  # UTF-32 first: it begins as UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Row(NamedTuple):
    cells: list[str]
    progress: float  # of the table that is read so far, 0..1


class Table(NamedTuple):
    has_header: bool  # whether the first row is certainly the names of the columns
    rows: Iterator[Row]
    notices: list[str]


@contextmanager
def open_table(member: Member) -> Iterator[Table]:
    """The table in a file. Raises `BadUpload`, here or while its rows are read."""
    with member.open() as file, ExitStack() as until_read:
        yield _read_table(member, file, until_read)


def _read_table(member: Member, file: BinaryIO, until_read: ExitStack) -> Table:
    if member.size > MAX_TABLE_BYTES:
        raise BadUpload(
            f"{sanitize_line(member.name)} has {member.size / MB:,.0f} MB; a table may have "
            f"{MAX_TABLE_BYTES // MB:,} MB. Keep only the columns with the text and the label."
        )
    start = file.read(SNIFF_BYTES)
    file.seek(0)
    if not start.strip():
        raise BadUpload(
            f"{sanitize_line(member.name)} is empty. Check that it was saved, and try again."
        )
    if start.startswith((b"PAR1", b"PK\x03\x04")) and isinstance(file, zipfile.ZipExtFile):
        if member.size > MAX_UNPACKED_XLSX:  # these are read back and forth, so from memory
            raise BadUpload(
                f"{sanitize_line(member.name)} is too large inside a zip. Bring it by itself."
            )
        file = io.BytesIO(file.read())
    if start.startswith(b"PAR1"):
        return _read_parquet(member, file)
    if start.startswith(b"PK\x03\x04"):
        return _read_excel(member, file, until_read)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadUpload(
            f"{sanitize_line(member.name)} is an old Excel file, or one with a "
            "password. Save it as .xlsx "
            "without a password, or as CSV."
        )
    if member.suffix in EXCEL_SUFFIXES | PARQUET_SUFFIXES:
        raise BadUpload(
            f"{sanitize_line(member.name)} is damaged, or something else under that "
            "name. Save the table "
            "again, as CSV if in doubt."
        )
    encoding, notices = _detect_encoding(member, file, start)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    until_read.enter_context(text)
    beginning = start.decode(encoding, "replace").lstrip("\ufeff \r\n\t")
    if member.suffix in JSON_SUFFIXES or beginning.startswith('{"'):
        rows = _iter_json(member, text, whole=beginning.startswith("["))
        return Table(True, rows, notices)
    lines = beginning.splitlines()
    separator = _detect_separator(lines[:-1] or lines, member.suffix)
    return Table(False, _iter_delimited(member, text, separator), notices)


def _detect_encoding(member: Member, file: BinaryIO, start: bytes) -> tuple[str, list[str]]:
    for bom, encoding in BOMS:
        if start.startswith(bom):
            return encoding, []
    # UTF-16 without a mark: every other byte of mostly Western text is 0, and no other is.
    for encoding, filled, zeros in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        if start[zeros::2].count(0) > 0.4 * len(start[zeros::2]) and not start[filled::2].count(0):
            return encoding, []
    odd = sum(start.count(byte) for byte in range(32) if byte not in b"\t\n\r\f\x1b")
    if odd > MAX_CONTROL_SHARE * len(start):
        raise BadUpload(
            f"{sanitize_line(member.name)} is not a table of text, whatever its name "
            "says. Bring CSV, "
            "TSV, XLSX, JSON lines or Parquet."
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while part := file.read(MB):
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252", [
            f"{sanitize_line(member.name)} is not UTF-8, so it was read as Western "
            "European (Latin-1). If "
            "letters look wrong, save it as UTF-8."
        ]
    return "utf-8", []


def _detect_separator(lines: list[str], suffix: str) -> str:
    """The one that cuts most rows into the same number of cells, more than one."""
    best, best_score = "\t" if suffix in (".tsv", ".tab") else ",", (0.0, 0)
    for separator in sorted(SEPARATORS, key=lambda s: s != best):  # of equals, the usual one
        try:
            widths = Counter(map(len, csv.reader(lines[:200], delimiter=separator)))
        except csv.Error:
            continue
        widths.pop(0, None)  # empty lines
        width, count = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        score = (round(count / (sum(widths.values()) or 1), 2), width)
        if width > 1 and score > best_score:
            best, best_score = separator, score
    return best


def _iter_lines(member: Member, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE_CHARS):
        if len(line) == MAX_LINE_CHARS:
            raise BadUpload(
                f"{sanitize_line(member.name)} has a line of more than "
                f"{MAX_LINE_CHARS:,} characters: "
                "that is no table. Put one example on a line."
            )
        yield line.replace("\0", "")


def _iter_delimited(member: Member, text: io.TextIOWrapper, separator: str) -> Iterator[Row]:
    ended = False
    reader = csv.reader(chain(_iter_lines(member, text), [END_MARKER]), delimiter=separator)
    began = following = 1  # lines: of the row that was read, of the one after it
    try:
        for cells in reader:
            if cells == [END_MARKER]:
                ended = True
                break
            began, following = following, reader.line_num + 1
            if cells:
                _check_column_count(member, cells)
                yield Row(cells, _read_fraction(text, member))
    except csv.Error as error:
        if "field larger" not in str(error):
            raise BadUpload(f"{sanitize_line(member.name)}, line {following:,}: {error}.") from None
        raise BadUpload(
            f"{sanitize_line(member.name)}: a cell that begins at line {following:,} has more than "
            f"{MAX_CELL_CHARS:,} characters. Probably a quotation mark is never closed; "
            "close it, or shorten that text."
        ) from None
    if not ended:
        raise BadUpload(
            f'{sanitize_line(member.name)}: a quotation mark (") opened at line {began:,} is never '
            "closed, so all that follows would be one cell. Close it, or take it away."
        )


def _read_fraction(text: io.TextIOWrapper, member: Member) -> float:
    return min(1.0, text.buffer.tell() / max(1, member.size))


def _check_column_count(member: Member, cells: list) -> None:
    if len(cells) > MAX_COLUMNS:
        raise BadUpload(
            f"{sanitize_line(member.name)} has {len(cells):,} columns; at most "
            f"{MAX_COLUMNS} are read. "
            "Keep only the columns with the text and the label."
        )


def _iter_json(member: Member, text: io.TextIOWrapper, *, whole: bool) -> Iterator[Row]:
    names: list[str] = []
    for number, item in enumerate(_iter_json_items(member, text, whole=whole), 1):
        if not isinstance(item, dict):
            raise BadUpload(
                f"{sanitize_line(member.name)}, example {number:,}: there should be an "
                "object such as "
                '{"text": "…", "label": "…"}, one a line.'
            )
        if not names:
            names = [str(name) for name in item]
            _check_column_count(member, names)
            yield Row(names, 0.0)
        yield Row([_format_cell(item.get(name)) for name in names], _read_fraction(text, member))


def _iter_json_items(member: Member, text: io.TextIOWrapper, *, whole: bool) -> Iterator[Any]:
    try:
        if whole:
            yield from _iter_json_list(text)
            return
        for number, line in enumerate(_iter_lines(member, text), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise BadUpload(
                        f"{sanitize_line(member.name)}, line {number:,} is not JSON "
                        f"({_json_error_text(error)}). Put "
                        "one object on each line."
                    ) from None
    except RecursionError:
        raise BadUpload(
            f"{sanitize_line(member.name)} is nested too deeply to be a table. Keep "
            "one flat object a line."
        ) from None
    except ValueError as error:
        if isinstance(error, BadUpload):
            raise
        raise BadUpload(
            f"{sanitize_line(member.name)} is not sound JSON ({_json_error_text(error)})."
        ) from None


def _json_error_text(error: ValueError) -> str:
    """What Python says of a number that it does not read is for programmers."""
    known = isinstance(error, (json.JSONDecodeError, UnicodeError))
    return str(error) if known else "a number in it is too long"


def _iter_json_list(text: io.TextIOWrapper) -> Iterator[Any]:
    """The items of one JSON list, without holding it: small as a file, it may be vast as objects.
    Raises `ValueError`."""
    decode = json.JSONDecoder().raw_decode
    ahead, at = text.read(MB).lstrip("\ufeff \r\n\t").removeprefix("["), 0
    while True:
        at = ITEM_SEPARATOR.match(ahead, at).end()
        try:
            if ahead.startswith("]", at):
                return
            item, at = decode(ahead, at)
        except ValueError:  # no JSON, or not all of it yet
            more = text.read(MB)
            if not more or len(ahead) - at > MAX_LINE_CHARS:
                raise
            ahead, at = ahead[at:] + more, 0
            continue
        yield item


ITEM_SEPARATOR = re.compile(r"[\s,]*")
NESTED_MARKER = "\0nested"  # stands for a cell that is no plain value; no text holds it


def _format_cell(value: Any) -> str:
    if value is None or value != value:  # NaN is how tables of numbers say "nothing"
        return ""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\0", "")
    return NESTED_MARKER if isinstance(value, dict | list | tuple) else str(value)


def _read_excel(member: Member, file: BinaryIO, until_read: ExitStack) -> Table:
    try:
        with zipfile.ZipFile(file) as parts:
            names = parts.namelist()
            size = sum(entry.file_size for entry in parts.infolist())
            held = sum(_count_tags(parts, name, size) for name in names if SHEET_PREFIX not in name)
        if size > MAX_UNPACKED_XLSX:
            raise BadUpload(
                f"{sanitize_line(member.name)} would unpack to {size / MB:,.0f} MB; a "
                "workbook may have "
                f"{MAX_UNPACKED_XLSX // MB} MB. Save the sheet as CSV."
            )
        _check_zip_bomb(member, size)
        if held > MAX_TAGS:
            raise BadUpload(
                f"{sanitize_line(member.name)} holds too many texts to be read as a "
                "workbook. Save the "
                "sheet as CSV: that is read row by row."
            )
        if "xl/workbook.xml" not in names:
            raise BadUpload(
                f"{sanitize_line(member.name)} is no Excel workbook. Save it as .xlsx or CSV."
            )
        import openpyxl  # a while, and only needed here

        # Values only: no formula, macro or link is ever followed.
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        until_read.callback(book.close)
        sheets = book.worksheets
    except BadUpload:
        raise
    except Exception as error:  # openpyxl lets through whatever its parsers raise
        raise _damaged_error(member, error) from None
    for sheet in sheets:
        sheet.reset_dimensions()  # what a file declares of its size need not be so
    filled = [s for s in sheets if next(_iter_sheet_rows(member, s), None)]
    if not filled:
        raise BadUpload(f"{sanitize_line(member.name)} has no cell with anything in it.")
    notices = []
    if len(filled) > 1:
        rest = ", ".join(sanitize_line(sheet.title) for sheet in filled[1:])
        notices = [
            f"{sanitize_line(member.name)}: only the sheet "
            f"{sanitize_line(filled[0].title)} was read, not {rest}."
        ]
    return Table(False, _iter_sheet_rows(member, filled[0]), notices)


SHEET_PREFIX = "xl/worksheets/"  # these are read row by row, all else is held in memory
MAX_TAGS = 4 * MAX_ROWS  # a shared text has four: 6 s and 150 MB for a million of them


def _count_tags(parts: zipfile.ZipFile, name: str, size: int) -> int:
    if size > MAX_UNPACKED_XLSX:
        return 0  # will be refused; why unpack it
    with parts.open(name) as file:
        return sum(part.count(b"<") for part in iter(partial(file.read, MB), b""))


def _check_zip_bomb(member: Member, size: int) -> None:
    if size > MIN_BYTES_FOR_RATIO and size > MAX_RATIO * member.size:
        raise BadUpload(
            f"{sanitize_line(member.name)} has {member.size:,} bytes and would unpack to "
            f"{size / MB:,.0f} MB: tables never shrink that far, so it was not opened. Save it as "
            "CSV."
        )


def _iter_sheet_rows(member: Member, sheet: Any) -> Iterator[Row]:
    try:
        for values in sheet.iter_rows(values_only=True):
            cells = [_format_cell(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                _check_column_count(member, cells)
                yield Row(cells, 0.0)
    except BadUpload:
        raise
    except Exception as error:
        raise _damaged_error(member, error) from None


def _damaged_error(member: Member, error: Exception) -> BadUpload:
    why = type(error).__name__
    return BadUpload(
        f"{sanitize_line(member.name)} is damaged and cannot be read ({why}). "
        "Open it in the program that "
        "made it and save it again, as CSV if in doubt."
    )


def _read_parquet(member: Member, file: BinaryIO) -> Table:
    from pyarrow import ArrowException, compute, parquet, types

    def short(column: Any) -> Any:
        """The column with its long cells cut: a cell may be vast, and many the same one."""
        if not types.is_dictionary(column.type):
            return column
        said = column.dictionary
        cut = compute.utf8_slice_codeunits if types.is_string(said.type) else compute.binary_slice
        return type(column).from_arrays(column.indices, cut(said, 0, 2 * MAX_TEXT_CHARS))

    def rows() -> Iterator[Row]:
        yield Row(names, 0.0)
        done = 0
        try:
            for batch in table.iter_batches(batch_size=256, columns=names):
                done += len(batch)
                columns = [short(column).to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield Row(
                        [_format_cell(value) for value in values], done / table.metadata.num_rows
                    )
        except (ArrowException, OSError, ValueError) as error:
            raise _damaged_error(member, error) from None

    try:
        told = parquet.read_metadata(file)
        groups = [told.row_group(n) for n in range(told.num_row_groups)]
        _check_zip_bomb(member, sum(group.total_byte_size for group in groups))
        columns = map(told.schema.column, range(told.num_columns))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        file.seek(0)
        table = parquet.ParquetFile(file, read_dictionary=texts)
        schema = table.schema_arrow
    except BadUpload:
        raise
    except (ArrowException, OSError, ValueError) as error:
        raise _damaged_error(member, error) from None
    _check_column_count(member, schema.names)
    names = [field.name for field in schema if not types.is_nested(field.type)]
    nested = [sanitize_line(name) for name in schema.names if name not in names]
    if not names:
        raise BadUpload(
            f"{sanitize_line(member.name)} has nested columns only: "
            f"{', '.join(nested)}. Bring columns of "
            "plain texts and labels."
        )
    told = f"{sanitize_line(member.name)}: nested columns were passed over: {', '.join(nested)}."
    return Table(True, rows(), [told] if nested else [])
