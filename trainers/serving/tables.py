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
from trainers.datasets.uploads.limits import BadUpload, plain
from trainers.datasets.uploads.tables import NESTED, opened
from trainers.datasets.uploads.texts import SAMPLED, TEXTS, _is_header

MOST_ROWS = 2000  # a busy computer answers some 20 to 50 texts a second. Ours
# A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Read(NamedTuple):
    names: list[str]  # of the columns
    rows: list[list[str]]  # each as long as `names`
    guessed: int  # the column that is probably the text
    notices: list[str]


def read(name: str, content: bytes) -> Read:
    """The table in a file. Raises `BadUpload`."""
    member = Member((PurePath(name).name or "table",), len(content), partial(io.BytesIO, content))
    with opened(member) as table:
        first = [row.cells for row in islice(table.rows, SAMPLED)]
        width = max(map(len, first), default=0)
        if not width:
            raise BadUpload(f"{plain(member.name)} has no rows. Choose a table with texts in it.")
        head = [cell.strip() for cell in first[0]]
        header = table.named or _is_header(head, first[1:]) or head[0].casefold() in TEXTS
        names = head if header else []
        names += [f"column {number}" for number in range(len(names) + 1, width + 1)]
        cells = chain(first[header:], (row.cells for row in table.rows))
        rows = [_fitted(row, width) for row in islice(cells, MOST_ROWS + 1)]
        notices = list(table.notices)
    if not rows:
        raise BadUpload(f"{plain(member.name)} has the names of columns, but no rows below them.")
    if len(rows) > MOST_ROWS:
        rows = rows[:MOST_ROWS]
        notices.append(f"It has more than {MOST_ROWS:,} rows: the first {MOST_ROWS:,} are read.")
    return Read(_apart(names), rows, _text(names, rows), notices)


def _fitted(row: Sequence[str], width: int) -> list[str]:
    cells = ["" if cell == NESTED else cell for cell in row[:width]]
    return [*cells, *[""] * (width - len(cells))]


def _apart(names: list[str]) -> list[str]:
    """The names, none of them twice or empty."""
    told: list[str] = []
    for number, name in enumerate(names, 1):
        name = plain(name) or f"column {number}"
        told.append(name if name not in told else f"{name} ({number})")
    return told


def _text(names: list[str], rows: list[list[str]]) -> int:
    lower = [name.casefold() for name in names]
    for known in TEXTS:
        if known in lower:
            return lower.index(known)
    lengths = [fmean(len(row[at]) for row in rows) for at in range(len(names))]
    return lengths.index(max(lengths))


def written(names: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """CSV that no spreadsheet takes for formulas."""
    out = io.StringIO()
    table = csv.writer(out)
    for row in chain([names], rows):
        table.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def harmless(cell: str) -> str:
    """The cell, as text where it would be a formula; a plain number stays one."""
    if not cell.lstrip(" ").startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def lines(text: str) -> Iterator[str]:
    """The lines of a pasted text that hold something."""
    return (line.strip() for line in text.splitlines() if line.strip())
