"""Texts of an upload: which of its tables to read, and their rows as examples."""

import unicodedata
from collections.abc import Generator
from itertools import chain, islice

from trainers.datasets.uploads import tables
from trainers.datasets.uploads.archive import Member, UploadFiles
from trainers.datasets.uploads.columns import SNIFF_ROWS, Columns, column_label, guess_columns
from trainers.datasets.uploads.limits import (
    MAX_ROWS,
    MAX_TEXT_CHARS,
    BadUpload,
    Progress,
    format_names,
    sanitize_line,
)
from trainers.datasets.uploads.rows import NESTED_MARKER
from trainers.datasets.uploads.writer import DatasetWriter

TRAIN_NAMES = ("train", "training", "val", "valid", "validation", "dev")
SPLIT_IS_TEST = dict.fromkeys(TRAIN_NAMES, False) | {"test": True, "testing": True}
PROGRESS_EVERY_ROWS = 2000


def read_texts(
    files: UploadFiles,
    writer: DatasetWriter,
    text_column: str | None,
    label_column: str | None,
    group_column: str | None = None,
) -> Generator[Progress, None, list[str]]:
    """Write the rows of the tables among `files`, one at a time; return notices for the visitor.

    Raises `BadUpload`.
    """
    selected = _select_tables(files)
    notices: list[str] = []
    for number, (member, test) in enumerate(selected):
        with tables.open_table(member) as table:
            first = list(islice(table.rows, SNIFF_ROWS))
            requested = text_column, label_column, group_column
            cells = [row.cells for row in first]
            columns = guess_columns(member, cells, table.has_header, *requested)
            notices += [*table.notices, _columns_notice(member, columns)]
            writer.extra_metadata |= _columns_metadata(columns)
            reader = _RowReader(member, columns)
            rows = chain(first[columns.has_header :], table.rows)
            for at, row in enumerate(rows):
                if len(writer) + reader.skipped >= MAX_ROWS:
                    raise BadUpload(
                        f"There are more than {MAX_ROWS:,} rows. Keep at most that many: a few "
                        "thousand of each class teach as much."
                    )
                if at % PROGRESS_EVERY_ROWS == 0:
                    fraction = (number + row.progress) / len(selected)
                    yield Progress(fraction, f"{len(writer):,} rows")
                if example := reader.parse_row(row.cells):
                    text, label, group = example
                    identity = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
                    writer.add(
                        text.encode(), label, identity=identity.encode(), test=test, group=group
                    )
            notices += reader.notices()
            for reason, count in (("no text", reader.no_text), ("no label", reader.no_label)):
                before, _ = writer.unusable.get(reason, (0, []))
                writer.unusable[reason] = before + count, []
    return notices


def _columns_notice(member: Member, columns: Columns) -> str:
    notice = (
        f"{member.display_name}: text from column {column_label(columns, columns.text)}, label "
        f"from column {column_label(columns, columns.label)}"
    )
    if columns.group is not None:
        notice += f", group from {column_label(columns, columns.group)}"
    return notice + ("." if columns.has_header else "; its first row was taken for an example.")


def _columns_metadata(columns: Columns) -> dict:
    names = columns.names if columns.has_header else [f"column {n}" for n in columns.names]
    return {
        "columns": [sanitize_line(name) for name in names],
        "text_and_label": [columns.text, columns.label],
        "group_column": columns.group,
    }


class _RowReader:
    """Parses the rows of a table and counts those that are unusable."""

    def __init__(self, member: Member, columns: Columns) -> None:
        self.member, self.columns = member, columns
        self.ragged = self.no_text = self.no_label = self.truncated = 0

    @property
    def skipped(self) -> int:
        return self.ragged + self.no_text + self.no_label

    def parse_row(self, cells: list[str]) -> tuple[str, str, str] | None:
        """Return the text, label and group of a row; None if it is unusable."""
        columns = self.columns
        has_extra_cells = any(map(str.strip, cells[len(columns.names) :]))
        if has_extra_cells or len(cells) <= min(columns.text, columns.label):
            self.ragged += 1
            return None
        positions = [columns.text, columns.label]
        if columns.group is not None:
            positions.append(columns.group)
        values = [cells[at].strip() if at < len(cells) else "" for at in positions]
        for at, value in zip(positions, values, strict=True):
            if value == NESTED_MARKER:
                raise BadUpload(
                    f"{self.member.display_name}: column {column_label(columns, at)} holds lists "
                    "or objects. Bring plain texts and labels, or choose another column."
                )
        # JSON can spell lone surrogates, which are not text.
        text, label, *group = (value.encode("utf-8", "replace").decode() for value in values)
        if not text:
            self.no_text += 1
        elif not sanitize_line(label):
            self.no_label += 1
        else:
            self.truncated += len(text) > MAX_TEXT_CHARS
            return text[:MAX_TEXT_CHARS], label, sanitize_line(group[0]) if group else ""
        return None

    def notices(self) -> list[str]:
        counts = (
            ("rows passed over, more or fewer cells than columns", self.ragged),
            ("rows passed over, text empty", self.no_text),
            ("rows passed over, label empty", self.no_label),
            (f"texts cut at {MAX_TEXT_CHARS:,} characters", self.truncated),
        )
        return [f"{self.member.display_name}: {what}: {n:,}." for what, n in counts if n]


def _select_tables(files: UploadFiles) -> list[tuple[Member, bool]]:
    """Return the tables to read, each with whether it is the test set. Raises `BadUpload`."""
    candidates = [m for m in files.files if m.suffix in tables.SUFFIXES] or files.files

    def file_name(member: Member) -> str:
        return member.parts[-1].lower().split(".")[0]  # test.csv

    def folder_name(member: Member) -> str:
        return member.parts[-2].lower() if len(member.parts) > 1 else ""  # test/part-1.csv

    selected: list[tuple[Member, bool]] = []
    for name_of in (file_name, folder_name):
        selected = selected or [
            (member, SPLIT_IS_TEST[name_of(member)])
            for member in candidates
            if name_of(member) in SPLIT_IS_TEST
        ]
    if not selected:
        single = [m for m in candidates if m.suffix != ".txt"] or candidates
        if len(single) > 1:
            raise BadUpload(
                f"There are {len(single)} tables: {format_names([m.name for m in single])}. Name "
                "them train, val and test, or bring a single one."
            )
        selected = [(member, False) for member in single]
    names = {member.name for member, _ in selected}
    for member in files.files:
        if member.name not in names:
            files.skip("files that are not the tables", member.name)
    return selected
