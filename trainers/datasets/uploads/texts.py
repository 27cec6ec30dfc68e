"""Texts of an upload: which of its tables, which column is the text and which the label."""

import unicodedata
from collections.abc import Iterator
from itertools import chain, islice
from statistics import mean, median
from typing import NamedTuple

from trainers.datasets.uploads import tables
from trainers.datasets.uploads.archive import Member, UploadFiles
from trainers.datasets.uploads.dataset import DatasetWriter
from trainers.datasets.uploads.limits import (
    MAX_ROWS,
    MAX_TEXT_CHARS,
    BadUpload,
    Progress,
    format_names,
    sanitize_line,
)

SNIFF_ROWS = 1000  # rows from which header and columns are guessed
SPLIT_IS_TEST = {
    "train": False,
    "training": False,
    "val": False,
    "valid": False,
    "validation": False,
    "dev": False,
    "test": True,
    "testing": True,
}
TEXT_COLUMN_NAMES = (
    "text",
    "texts",
    "message",
    "sentence",
    "content",
    "body",
    "review",
    "comment",
    "tweet",
    "post",
    "question",
    "query",
    "utterance",
    "document",
    "abstract",
    "description",
    "note",
    "title",
    "headline",
    "input",
    "sms",
    "email",
)
LABEL_COLUMN_NAMES = (
    "label",
    "labels",
    "class",
    "category",
    "target",
    "intent",
    "sentiment",
    "topic",
    "tag",
    "label_text",
    "class_name",
    "y",
    "output",
    "rating",
    "type",
    "kind",
)
MAX_COLUMN_NAME_CHARS = 40  # names of columns are shorter than texts


class Columns(NamedTuple):
    names: list[str]
    text: int
    label: int
    has_header: bool  # the first row is names
    group: int | None = None  # where one was asked for


def read_texts(
    found: UploadFiles,
    keeper: DatasetWriter,
    text_column: str | None,
    label_column: str | None,
    group_column: str | None = None,
) -> Iterator[Progress]:
    """Keeps the rows of the tables in `found`, one at a time. Ends with what was noticed."""
    chosen = _select_tables(found)
    notices: list[str] = []
    for number, (member, test) in enumerate(chosen):
        with tables.open_table(member) as table:
            notices += table.notices
            first = list(islice(table.rows, SNIFF_ROWS))
            asked = text_column, label_column, group_column
            columns = guess_columns(member, [row.cells for row in first], table.has_header, *asked)
            notices.append(
                f"{sanitize_line(member.name)}: text from column "
                f"{_column_label(columns, columns.text)}, label "
                f"from column {_column_label(columns, columns.label)}"
                + (
                    ""
                    if columns.group is None
                    else f", group from {_column_label(columns, columns.group)}"
                )
                + ("." if columns.has_header else "; its first row was taken for an example.")
            )
            names = columns.names if columns.has_header else [f"column {n}" for n in columns.names]
            keeper.extra_metadata["columns"] = [sanitize_line(name) for name in names]
            keeper.extra_metadata["text_and_label"] = [columns.text, columns.label]
            keeper.extra_metadata["group_column"] = columns.group
            rows = chain(first[columns.has_header :], table.rows)
            counted = _RowReader(member, columns)
            for at, row in enumerate(rows):
                if len(keeper) + counted.skipped >= MAX_ROWS:
                    raise BadUpload(
                        f"There are more than {MAX_ROWS:,} rows. Keep at most that many: a few "
                        "thousand of each class teach as much."
                    )
                if at % 2000 == 0:
                    yield Progress((number + row.progress) / len(chosen), f"{len(keeper):,} rows")
                if example := counted.parse_row(row.cells):
                    text, label, group = example
                    same = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
                    keeper.add(text.encode(), label, same=same.encode(), test=test, group=group)
            notices += counted.notices()
            for why, count in (("no text", counted.no_text), ("no label", counted.no_label)):
                before, _ = keeper.unusable.get(why, (0, []))
                keeper.unusable[why] = before + count, []
    return notices


class _RowReader:
    """Rows of one table, and how many were of no use."""

    def __init__(self, member: Member, columns: Columns) -> None:
        self.member, self.columns = member, columns
        self.ragged = self.no_text = self.no_label = self.truncated = 0

    @property
    def skipped(self) -> int:
        return self.ragged + self.no_text + self.no_label

    def parse_row(self, cells: list[str]) -> tuple[str, str, str] | None:
        """Text, label and group of a row."""
        _, text, label, _, group = self.columns
        if any(map(str.strip, cells[len(self.columns.names) :])) or len(cells) <= min(text, label):
            self.ragged += 1
            return None
        asked = (text, label) if group is None else (text, label, group)
        found = [cells[at].strip() if at < len(cells) else "" for at in asked]
        for at, value in zip(asked, found, strict=True):
            if value == tables.NESTED_MARKER:
                raise BadUpload(
                    f"{sanitize_line(self.member.name)}: column "
                    f"{_column_label(self.columns, at)} holds lists or "
                    "objects. Bring plain texts and labels, or choose another column."
                )
        # Halves of characters, which JSON can spell, are no text.
        words, name, *rest = (v.encode("utf-8", "replace").decode() for v in found)
        if not words:
            self.no_text += 1
        elif not sanitize_line(name):
            self.no_label += 1
        else:
            self.truncated += len(words) > MAX_TEXT_CHARS
            return words[:MAX_TEXT_CHARS], name, sanitize_line(rest[0]) if rest else ""
        return None

    def notices(self) -> list[str]:
        told = (
            (self.ragged, "rows passed over, more or fewer cells than columns"),
            (self.no_text, "rows passed over, text empty"),
            (self.no_label, "rows passed over, label empty"),
            (self.truncated, f"texts cut at {MAX_TEXT_CHARS:,} characters"),
        )
        return [
            f"{sanitize_line(self.member.name)}: {what}: {count:,}."
            for count, what in told
            if count
        ]


def _select_tables(found: UploadFiles) -> list[tuple[Member, bool]]:
    """The tables to read, and which of them are the test."""
    read = [member for member in found.files if member.suffix in tables.SUFFIXES] or found.files
    parted = [m for m in read if m.parts[-1].lower().split(".")[0] in SPLIT_IS_TEST]
    if not parted:  # train/part-1.csv
        parted = [m for m in read if len(m.parts) > 1 and m.parts[-2].lower() in SPLIT_IS_TEST]
        sides = {m.name: SPLIT_IS_TEST[m.parts[-2].lower()] for m in parted}
    else:
        sides = {m.name: SPLIT_IS_TEST[m.parts[-1].lower().split(".")[0]] for m in parted}
    if not parted:
        real = [m for m in read if m.suffix != ".txt"] or read
        if len(real) > 1:
            raise BadUpload(
                f"There are {len(real)} tables: {format_names([m.name for m in real])}. "
                "Name them train, "
                "val and test, or bring a single one."
            )
        parted = real
    taken = {member.name for member in parted}
    for member in found.files:
        if member.name not in taken:
            found.skip("files that are not the tables", member.name)
    return [(member, sides.get(member.name, False)) for member in parted]


def _column_label(columns: Columns, at: int) -> str:
    return repr(sanitize_line(columns.names[at])) if columns.has_header else f"{at + 1}"


def guess_columns(
    member: Member,
    rows: list[list[str]],
    named: bool,
    text_column: str | None,
    label_column: str | None,
    group_column: str | None = None,
) -> Columns:
    """The columns of a table by its first rows; `named` where the first are surely names."""
    if not rows:
        raise BadUpload(f"{sanitize_line(member.name)} has no rows.")
    width = max(len(row) for row in rows) if not named else len(rows[0])
    usual = sorted(len(row) for row in rows)[len(rows) // 2]
    first = [cell.strip() for cell in rows[0]]
    width = len(first) if len(first) >= usual else min(width, usual)
    if width < 2 and member.suffix not in tables.SUFFIXES:
        raise BadUpload(
            f"{sanitize_line(member.name)} is no table that Thaw can read. Bring "
            "texts as CSV, TSV, XLSX, "
            "JSON lines or Parquet, with a column of texts and one of labels; pictures as a zip."
        )
    if width < 2:
        raise BadUpload(
            f"{sanitize_line(member.name)} has a single column. Two are needed: one "
            "with the text and "
            "one with the label, with a comma, semicolon or tab between them."
        )
    first += [""] * (width - len(first))
    lower = [cell.casefold() for cell in first]
    asked = (text_column, label_column, group_column)
    wanted = [name for name in asked if name and not name.isdecimal()]
    header = (
        named
        or any(name in first or name.casefold() in lower for name in wanted)
        or _is_header(first, [row for row in rows[1:] if len(row) >= width])
    )
    names = first if header else [str(number) for number in range(1, width + 1)]
    examples = [row for row in rows[header:] if len(row) >= width] or rows[header:]
    if not examples:
        raise BadUpload(
            f"{sanitize_line(member.name)} has the names of columns, but no rows "
            "below them. Add a row for "
            "each text, with its label, and try again."
        )
    text = _find_column(member, names, text_column, "text")
    label = _find_column(member, names, label_column, "label")
    group = _find_column(member, names, group_column, "group")
    values = [[row[at].strip() if at < len(row) else "" for row in examples] for at in range(width)]
    if group is not None:  # then it is guessed to be neither of the others
        values[group], lower[group] = [""] * len(examples), ""
        if group in (text, label):
            raise BadUpload(
                f"{sanitize_line(member.name)}: the group is to be another column than "
                "the text and the "
                f"label. There are: {format_names(names)}."
            )
    if text is None:
        text = _guess_text_column(values, lower if header else [], label)
    if label is None:
        label = _guess_label_column(values, lower if header else [], text)
    if text is None or label is None or text == label:
        which = "text" if text is None else "label"
        raise BadUpload(
            f"{sanitize_line(member.name)}: none of its columns "
            f"({format_names(names)}) looks like the {which}. "
            f"Name it (in a terminal with --{which}-column). A label repeats from row to row; "
            "a text rarely does."
        )
    return Columns(names, text, label, header, group)


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first row looks like names: short, distinct words that never come again."""
    if (
        any(cell.casefold() in (*TEXT_COLUMN_NAMES, *LABEL_COLUMN_NAMES) for cell in first)
        and len(set(first)) > 1
    ):
        told = sum(cell.casefold() in (*TEXT_COLUMN_NAMES, *LABEL_COLUMN_NAMES) for cell in first)
        if told > 1 or not any(
            first[at] in {r[at].strip() for r in rest} for at in range(len(first))
        ):
            return True
    if any(not c or len(c) > MAX_COLUMN_NAME_CHARS or _is_number(c) for c in first):
        return False
    if len(set(first)) < len(first) or not rest:
        return False
    columns = [[row[at].strip() for row in rest] for at in range(len(first))]
    if any(name in column for name, column in zip(first, columns, strict=True)):
        return False
    longest = max(columns, key=lambda column: median(map(len, column)))
    name = first[columns.index(longest)]
    numbers = any(all(map(_is_number, filter(None, column))) for column in columns)
    return numbers or (" " not in name and len(name) < median(map(len, longest)))


def _find_column(member: Member, names: list[str], wanted: str | None, what: str) -> int | None:
    """The place of the column called `wanted`; its number, from 1, is understood as well, and as
    #1 where a column may be called so."""
    if wanted is None:
        return None
    if wanted[:1] == "#" and wanted[1:].isdecimal() and 1 <= int(wanted[1:]) <= len(names):
        return int(wanted[1:]) - 1
    for at, name in enumerate(names):
        if name == wanted:
            return at
    folded = [name.casefold() for name in names]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise BadUpload(
        f"{sanitize_line(member.name)} has no {what} column "
        f"{sanitize_line(wanted)!r}. There are: {format_names(names)}."
    )


def _guess_text_column(values: list[list[str]], names: list[str], label: int | None) -> int | None:
    for known in TEXT_COLUMN_NAMES:
        if known in names and names.index(known) != label:
            return names.index(known)
    lengths = {  # a text rarely repeats; of columns that do not, the longest
        at: (len(set(column)) > len(column) / 2, mean(map(len, column)))
        for at, column in enumerate(values)
        if at != label and not all(map(_is_number, column))
    }
    return max(lengths, key=lengths.get) if lengths else None


def _guess_label_column(values: list[list[str]], names: list[str], text: int | None) -> int | None:
    for known in LABEL_COLUMN_NAMES:
        if known in names and names.index(known) != text:
            return names.index(known)
    kinds = {at: len(set(filter(None, column))) for at, column in enumerate(values) if at != text}
    # A label repeats; where a table is sorted by it, its beginning may have a single one.
    repeating = {at: n for at, n in kinds.items() if 2 <= n <= max(2, len(values[at]) / 2)}
    usable = repeating or {at: n for at, n in kinds.items() if n == 1}
    return min(usable, key=usable.get) if usable else None


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
