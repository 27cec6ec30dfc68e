"""A visitor's table of texts to answer, and the table with the answers. Light."""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import PurePath
from statistics import fmean
from typing import NamedTuple

from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.columns import SNIFF_ROWS, TEXT_COLUMN_NAMES, is_header
from trainers.datasets.uploads.limits import BadUpload, sanitize_line
from trainers.datasets.uploads.rows import NESTED_MARKER
from trainers.datasets.uploads.tables import open_table

MAX_ROWS = 2000  # a busy computer answers some 20 to 50 texts a second. Ours
# A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class TextTable(NamedTuple):
    names: list[str]  # of the columns
    rows: list[list[str]]  # each as long as `names`
    text_column: int  # the column that is probably the text
    notices: list[str]


def read_table(name: str, content: bytes) -> TextTable:
    """The table in a file. Raises `BadUpload`."""
    member = Member((PurePath(name).name or "table",), len(content), partial(io.BytesIO, content))
    with open_table(member) as table:
        first = [row.cells for row in islice(table.rows, SNIFF_ROWS)]
        width = max(map(len, first), default=0)
        if not width:
            raise BadUpload(
                f"{sanitize_line(member.name)} has no rows. Choose a table with texts in it."
            )
        head = [cell.strip() for cell in first[0]]
        header = (
            table.has_header
            or is_header(head, first[1:])
            or head[0].casefold() in TEXT_COLUMN_NAMES
        )
        names = head if header else []
        names += [f"column {number}" for number in range(len(names) + 1, width + 1)]
        cells = chain(first[header:], (row.cells for row in table.rows))
        rows = [_fit_row(row, width) for row in islice(cells, MAX_ROWS + 1)]
        notices = list(table.notices)
    if not rows:
        raise BadUpload(
            f"{sanitize_line(member.name)} has the names of columns, but no rows below them."
        )
    if len(rows) > MAX_ROWS:
        rows = rows[:MAX_ROWS]
        notices.append(f"It has more than {MAX_ROWS:,} rows: the first {MAX_ROWS:,} are read.")
    return TextTable(_make_unique(names), rows, _guess_text_column(names, rows), notices)


def _fit_row(row: Sequence[str], width: int) -> list[str]:
    cells = ["" if cell == NESTED_MARKER else cell for cell in row[:width]]
    return [*cells, *[""] * (width - len(cells))]


def _make_unique(names: list[str]) -> list[str]:
    """The names, none of them twice or empty."""
    told: list[str] = []
    for number, name in enumerate(names, 1):
        name = sanitize_line(name) or f"column {number}"
        told.append(name if name not in told else f"{name} ({number})")
    return told


def _guess_text_column(names: list[str], rows: list[list[str]]) -> int:
    lower = [name.casefold() for name in names]
    for known in TEXT_COLUMN_NAMES:
        if known in lower:
            return lower.index(known)
    lengths = [fmean(len(row[at]) for row in rows) for at in range(len(names))]
    return lengths.index(max(lengths))


def write_csv(names: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """CSV that no spreadsheet takes for formulas."""
    out = io.StringIO()
    table = csv.writer(out)
    for row in chain([names], rows):
        table.writerow([escape_formula(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def escape_formula(cell: str) -> str:
    """The cell, as text where it would be a formula; a plain number stays one."""
    if not cell.lstrip(" ").startswith(FORMULA_PREFIXES):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def split_lines(text: str) -> Iterator[str]:
    """The lines of a pasted text that hold something."""
    return (line.strip() for line in text.splitlines() if line.strip())
