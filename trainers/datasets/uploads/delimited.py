"""Decode delimited text (CSV and its kin) and JSON, row by row: neither is ever held in memory."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import (
    MAX_CELL_CHARS,
    MAX_LINE_CHARS,
    MB,
    BadUpload,
)
from trainers.datasets.uploads.rows import Row, check_column_count, format_cell

SEPARATORS = ",;\t|"
END_MARKER = "\0end"  # appended as a last line: if a cell swallows it, a quote was never closed
ITEM_SEPARATOR = re.compile(r"[\s,]*")


def detect_separator(lines: list[str], suffix: str) -> str:
    """Return the separator that cuts most lines into the same number of cells, more than one."""
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


def iter_delimited(member: Member, text: io.TextIOWrapper, separator: str) -> Iterator[Row]:
    ended = False
    reader = csv.reader(chain(_iter_lines(member, text), [END_MARKER]), delimiter=separator)
    began = following = 1  # line numbers of the current row and of the next
    try:
        for cells in reader:
            if cells == [END_MARKER]:
                ended = True
                break
            began, following = following, reader.line_num + 1
            if cells:
                check_column_count(member, cells)
                yield Row(cells, _read_fraction(text, member))
    except csv.Error as error:
        if "field larger" not in str(error):
            raise BadUpload(f"{member.display_name}, line {following:,}: {error}.") from None
        raise BadUpload(
            f"{member.display_name}: a cell that begins at line {following:,} has more than "
            f"{MAX_CELL_CHARS:,} characters. Probably a quotation mark is never closed; "
            "close it, or shorten that text."
        ) from None
    if not ended:
        raise BadUpload(
            f'{member.display_name}: a quotation mark (") opened at line {began:,} is never '
            "closed, so all that follows would be one cell. Close it, or take it away."
        )


def iter_json(member: Member, text: io.TextIOWrapper, *, is_list: bool) -> Iterator[Row]:
    names: list[str] = []
    for number, item in enumerate(_iter_json_items(member, text, is_list=is_list), 1):
        if not isinstance(item, dict):
            raise BadUpload(
                f"{member.display_name}, example {number:,}: there should be an object such as "
                '{"text": "…", "label": "…"}, one a line.'
            )
        if not names:
            names = [str(name) for name in item]
            check_column_count(member, names)
            yield Row(names, 0.0)
        yield Row([format_cell(item.get(name)) for name in names], _read_fraction(text, member))


def _iter_json_items(member: Member, text: io.TextIOWrapper, *, is_list: bool) -> Iterator[Any]:
    try:
        if is_list:
            yield from _iter_json_list(text)
            return
        for number, line in enumerate(_iter_lines(member, text), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise BadUpload(
                        f"{member.display_name}, line {number:,} is not JSON "
                        f"({_json_error_text(error)}). Put one object on each line."
                    ) from None
    except RecursionError:
        raise BadUpload(
            f"{member.display_name} is nested too deeply to be a table. Keep one flat object a "
            "line."
        ) from None
    except ValueError as error:
        if isinstance(error, BadUpload):
            raise
        raise BadUpload(
            f"{member.display_name} is not sound JSON ({_json_error_text(error)})."
        ) from None


def _json_error_text(error: ValueError) -> str:
    """Return the reason; Python's own words about overlong numbers are for programmers."""
    known = isinstance(error, (json.JSONDecodeError, UnicodeError))
    return str(error) if known else "a number in it is too long"


def _iter_json_list(text: io.TextIOWrapper) -> Iterator[Any]:
    """Yield the items of a JSON list, which may be vast as objects. Raises `ValueError`."""
    decode = json.JSONDecoder().raw_decode
    buffer, at = text.read(MB).lstrip("\ufeff \r\n\t").removeprefix("["), 0
    while True:
        at = ITEM_SEPARATOR.match(buffer, at).end()
        try:
            if buffer.startswith("]", at):
                return
            item, at = decode(buffer, at)
        except ValueError:  # not JSON, or an item that is not read to its end
            more = text.read(MB)
            if not more or len(buffer) - at > MAX_LINE_CHARS:
                raise
            buffer, at = buffer[at:] + more, 0
            continue
        yield item


def _iter_lines(member: Member, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE_CHARS):
        if len(line) == MAX_LINE_CHARS:
            raise BadUpload(
                f"{member.display_name} has a line of more than {MAX_LINE_CHARS:,} characters: "
                "that is no table. Put one example on a line."
            )
        yield line.replace("\0", "")


def _read_fraction(text: io.TextIOWrapper, member: Member) -> float:
    return min(1.0, text.buffer.tell() / max(1, member.size))
