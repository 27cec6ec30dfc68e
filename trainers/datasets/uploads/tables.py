"""Recognise a table by its first bytes and open it, whatever wrote it and whatever it is called.

Rows are read lazily. Only a few are in memory at a time, except in a workbook, whose library keeps
the shared texts, and in a JSON list; both have limits.
"""

import codecs
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.delimited import detect_separator, iter_delimited, iter_json
from trainers.datasets.uploads.excel import read_excel
from trainers.datasets.uploads.limits import (
    MAX_TABLE_BYTES,
    MAX_UNPACKED_XLSX,
    MB,
    BadUpload,
)
from trainers.datasets.uploads.parquet import read_parquet
from trainers.datasets.uploads.rows import Table

DELIMITED_SUFFIXES = {".csv", ".tsv", ".tab", ".txt", ".psv"}
JSON_SUFFIXES = {".jsonl", ".ndjson", ".json"}
EXCEL_SUFFIXES = {".xlsx", ".xlsm"}
PARQUET_SUFFIXES = {".parquet", ".pq"}
SUFFIXES = DELIMITED_SUFFIXES | JSON_SUFFIXES | EXCEL_SUFFIXES | PARQUET_SUFFIXES
SNIFF_BYTES = 1 << 16  # format and separator are guessed from these
MAX_CONTROL_SHARE = 0.05  # control characters: programs and pictures have more, damaged tables less
BOMS = (  # UTF-32 first: it begins as UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def open_table(member: Member) -> Iterator[Table]:
    """Open the table in a file. Raises `BadUpload`, here or while its rows are read."""
    with member.open() as file, ExitStack() as until_read:
        yield _read_table(member, file, until_read)


def _read_table(member: Member, file: BinaryIO, until_read: ExitStack) -> Table:
    if member.size > MAX_TABLE_BYTES:
        raise BadUpload(
            f"{member.display_name} has {member.size / MB:,.0f} MB; a table may have "
            f"{MAX_TABLE_BYTES // MB:,} MB. Keep only the columns with the text and the label."
        )
    start = file.read(SNIFF_BYTES)
    file.seek(0)
    if not start.strip():
        raise BadUpload(f"{member.display_name} is empty. Check that it was saved, and try again.")
    if start.startswith((b"PAR1", b"PK\x03\x04")) and isinstance(file, zipfile.ZipExtFile):
        if member.size > MAX_UNPACKED_XLSX:  # these are read back and forth, so from memory
            raise BadUpload(f"{member.display_name} is too large inside a zip. Bring it by itself.")
        file = io.BytesIO(file.read())
    if start.startswith(b"PAR1"):
        return read_parquet(member, file)
    if start.startswith(b"PK\x03\x04"):
        return read_excel(member, file, until_read)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadUpload(
            f"{member.display_name} is an old Excel file, or one with a password. Save it as .xlsx "
            "without a password, or as CSV."
        )
    if member.suffix in EXCEL_SUFFIXES | PARQUET_SUFFIXES:
        raise BadUpload(
            f"{member.display_name} is damaged, or something else under that name. Save the table "
            "again, as CSV if in doubt."
        )
    encoding, notices = _detect_encoding(member, file, start)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    until_read.enter_context(text)
    beginning = start.decode(encoding, "replace").lstrip("\ufeff \r\n\t")
    if member.suffix in JSON_SUFFIXES or beginning.startswith('{"'):
        rows = iter_json(member, text, is_list=beginning.startswith("["))
        return Table(True, rows, notices)
    lines = beginning.splitlines()
    separator = detect_separator(lines[:-1] or lines, member.suffix)
    return Table(False, iter_delimited(member, text, separator), notices)


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
            f"{member.display_name} is not a table of text, whatever its name says. Bring CSV, "
            "TSV, XLSX, JSON lines or Parquet."
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while part := file.read(MB):
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252", [
            f"{member.display_name} is not UTF-8, so it was read as Western European (Latin-1). If "
            "letters look wrong, save it as UTF-8."
        ]
    return "utf-8", []
