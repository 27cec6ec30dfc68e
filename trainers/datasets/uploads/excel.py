"""Decode the first filled sheet of an Excel workbook. Formulas, macros and links are never run."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, BinaryIO

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import (
    MAX_ROWS,
    MAX_UNPACKED_XLSX,
    MB,
    BadUpload,
    sanitize_line,
)
from trainers.datasets.uploads.rows import (
    Row,
    Table,
    check_column_count,
    check_zip_bomb,
    damaged_error,
    format_cell,
)

SHEET_PREFIX = "xl/worksheets/"  # these are read row by row; all else is held in memory
MAX_TAGS = 4 * MAX_ROWS  # a shared text has four: 6 s and 150 MB for a million of them


def read_excel(member: Member, file: BinaryIO, until_read: ExitStack) -> Table:
    try:
        with zipfile.ZipFile(file) as parts:
            names = parts.namelist()
            size = sum(entry.file_size for entry in parts.infolist())
            held = sum(_count_tags(parts, name, size) for name in names if SHEET_PREFIX not in name)
        if size > MAX_UNPACKED_XLSX:
            raise BadUpload(
                f"{member.display_name} would unpack to {size / MB:,.0f} MB; a workbook may have "
                f"{MAX_UNPACKED_XLSX // MB} MB. Save the sheet as CSV."
            )
        check_zip_bomb(member, size)
        if held > MAX_TAGS:
            raise BadUpload(
                f"{member.display_name} holds too many texts to be read as a workbook. Save the "
                "sheet as CSV: that is read row by row."
            )
        if "xl/workbook.xml" not in names:
            raise BadUpload(f"{member.display_name} is no Excel workbook. Save it as .xlsx or CSV.")
        import openpyxl  # slow to import

        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        until_read.callback(book.close)
        sheets = book.worksheets
    except BadUpload:
        raise
    except Exception as error:  # openpyxl lets through whatever its parsers raise
        raise damaged_error(member, error) from None
    for sheet in sheets:
        sheet.reset_dimensions()  # the size that a file declares may be wrong
    filled = [s for s in sheets if next(_iter_sheet_rows(member, s), None)]
    if not filled:
        raise BadUpload(f"{member.display_name} has no cell with anything in it.")
    notices = []
    if len(filled) > 1:
        rest = ", ".join(sanitize_line(sheet.title) for sheet in filled[1:])
        notices = [
            f"{member.display_name}: only the sheet {sanitize_line(filled[0].title)} was read, "
            f"not {rest}."
        ]
    return Table(False, _iter_sheet_rows(member, filled[0]), notices)


def _count_tags(parts: zipfile.ZipFile, name: str, size: int) -> int:
    if size > MAX_UNPACKED_XLSX:
        return 0  # will be refused, so it need not be unpacked
    with parts.open(name) as file:
        return sum(part.count(b"<") for part in iter(partial(file.read, MB), b""))


def _iter_sheet_rows(member: Member, sheet: Any) -> Iterator[Row]:
    try:
        for values in sheet.iter_rows(values_only=True):
            cells = [format_cell(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                check_column_count(member, cells)
                yield Row(cells, 0.0)
    except BadUpload:
        raise
    except Exception as error:
        raise damaged_error(member, error) from None
