"""Rows of a table as plain strings, whatever file format they came from."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import (
    MAX_COLUMNS,
    MAX_RATIO,
    MB,
    MIN_BYTES_FOR_RATIO,
    BadUpload,
)

NESTED_MARKER = "\0nested"  # in place of a cell that is not a plain value; no text contains it


class Row(NamedTuple):
    cells: list[str]
    progress: float  # share of the table read so far, 0..1


class Table(NamedTuple):
    has_header: bool  # the first row is certainly the names of the columns
    rows: Iterator[Row]
    notices: list[str]


def format_cell(value: Any) -> str:
    """Return a value of a typed format (Excel, JSON, Parquet) as CSV would have it."""
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


def check_column_count(member: Member, cells: list) -> None:
    """Raise `BadUpload` if there are too many columns."""
    if len(cells) > MAX_COLUMNS:
        raise BadUpload(
            f"{member.display_name} has {len(cells):,} columns; at most {MAX_COLUMNS} are read. "
            "Keep only the columns with the text and the label."
        )


def check_zip_bomb(member: Member, size: int) -> None:
    """Raise `BadUpload` if `size` bytes in all are implausible for this file."""
    if size > MIN_BYTES_FOR_RATIO and size > MAX_RATIO * member.size:
        raise BadUpload(
            f"{member.display_name} has {member.size:,} bytes and would unpack to "
            f"{size / MB:,.0f} MB: tables never shrink that far, so it was not opened. Save it as "
            "CSV."
        )


def damaged_error(member: Member, error: Exception) -> BadUpload:
    """Return the error for a file that a library could not read."""
    why = type(error).__name__
    return BadUpload(
        f"{member.display_name} is damaged and cannot be read ({why}). Open it in the program that "
        "made it and save it again, as CSV if in doubt."
    )
