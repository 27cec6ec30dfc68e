"""Choose the columns of a table: which is the text, which the label, which names the group."""

from statistics import mean, median
from typing import NamedTuple

from trainers.datasets.uploads import tables
from trainers.datasets.uploads.archive import Member
from trainers.datasets.uploads.limits import BadUpload, format_names, sanitize_line

SNIFF_ROWS = 1000  # header and columns are guessed from these
TEXT_COLUMN_NAMES = (
    "text", "texts", "message", "sentence", "content", "body", "review", "comment", "tweet",
    "post", "question", "query", "utterance", "document", "abstract", "description", "note",
    "title", "headline", "input", "sms", "email",
)  # fmt: skip
LABEL_COLUMN_NAMES = (
    "label", "labels", "class", "category", "target", "intent", "sentiment", "topic", "tag",
    "label_text", "class_name", "y", "output", "rating", "type", "kind",
)  # fmt: skip
MAX_COLUMN_NAME_CHARS = 40  # names of columns are shorter than texts


class Columns(NamedTuple):
    names: list[str]
    text: int
    label: int
    has_header: bool  # the first row is names
    group: int | None = None  # only if requested


def guess_columns(
    member: Member,
    rows: list[list[str]],
    has_header: bool,
    text_column: str | None,
    label_column: str | None,
    group_column: str | None = None,
) -> Columns:
    """Return the columns of a table, judged by its first `rows`; the requested ones are obeyed.

    `has_header` says that the first row is certainly names; otherwise this is guessed, too.
    Raises `BadUpload`.
    """
    first, width = _first_row(member, rows, has_header)
    folded = [cell.casefold() for cell in first]
    requested = (text_column, label_column, group_column)
    has_header = (
        has_header
        or any(
            name in first or name.casefold() in folded
            for name in requested
            if name and not name.isdecimal()
        )
        or is_header(first, [row for row in rows[1:] if len(row) >= width])
    )
    names = first if has_header else [str(number) for number in range(1, width + 1)]
    examples = [row for row in rows[has_header:] if len(row) >= width] or rows[has_header:]
    if not examples:
        raise BadUpload(
            f"{member.display_name} has the names of columns, but no rows below them. Add a row "
            "for each text, with its label, and try again."
        )
    text, label, group = (
        _find_column(member, names, column, role)
        for column, role in zip(requested, ("text", "label", "group"), strict=True)
    )
    values = [[row[at].strip() if at < len(row) else "" for row in examples] for at in range(width)]
    if group is not None:  # blanked, so that it is not guessed to be one of the others
        values[group], folded[group] = [""] * len(examples), ""
        if group in (text, label):
            raise BadUpload(
                f"{member.display_name}: the group is to be another column than the text and the "
                f"label. There are: {format_names(names)}."
            )
    if text is None:
        text = _guess_text_column(values, folded if has_header else [], label)
    if label is None:
        label = _guess_label_column(values, folded if has_header else [], text)
    if text is None or label is None or text == label:
        role = "text" if text is None else "label"
        raise BadUpload(
            f"{member.display_name}: none of its columns ({format_names(names)}) looks like the "
            f"{role}. Name it (in a terminal with --{role}-column). A label repeats from row to "
            "row; a text rarely does."
        )
    return Columns(names, text, label, has_header, group)


def _first_row(member: Member, rows: list[list[str]], has_header: bool) -> tuple[list[str], int]:
    """Return the first row's cells, padded, and the width of the table."""
    if not rows:
        raise BadUpload(f"{member.display_name} has no rows.")
    first = [cell.strip() for cell in rows[0]]
    median_width = sorted(len(row) for row in rows)[len(rows) // 2]
    width = len(first) if has_header else max(len(row) for row in rows)
    width = len(first) if len(first) >= median_width else min(width, median_width)
    if width < 2 and member.suffix not in tables.SUFFIXES:
        raise BadUpload(
            f"{member.display_name} is no table that Thaw can read. Bring texts as CSV, TSV, XLSX, "
            "JSON lines or Parquet, with a column of texts and one of labels; pictures as a zip."
        )
    if width < 2:
        raise BadUpload(
            f"{member.display_name} has a single column. Two are needed: one with the text and "
            "one with the label, with a comma, semicolon or tab between them."
        )
    return first + [""] * (width - len(first)), width


def is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Return whether the first row looks like names: short, distinct, not repeated below."""
    usual = sum(cell.casefold() in (*TEXT_COLUMN_NAMES, *LABEL_COLUMN_NAMES) for cell in first)
    if usual > 1 and len(set(first)) > 1:
        return True
    columns = [[row[at].strip() for row in rest] for at in range(len(first))]
    recurs = any(name in column for name, column in zip(first, columns, strict=True))
    if usual and len(set(first)) > 1 and not recurs:
        return True
    if any(not c or len(c) > MAX_COLUMN_NAME_CHARS or _is_number(c) for c in first):
        return False
    if len(set(first)) < len(first) or not rest or recurs:
        return False
    longest = max(columns, key=lambda column: median(map(len, column)))
    name = first[columns.index(longest)]
    has_number_column = any(all(map(_is_number, filter(None, column))) for column in columns)
    return has_number_column or (" " not in name and len(name) < median(map(len, longest)))


def column_label(columns: Columns, at: int) -> str:
    """Return the name of a column, quoted, or its number if it has none."""
    return repr(sanitize_line(columns.names[at])) if columns.has_header else f"{at + 1}"


def _find_column(member: Member, names: list[str], wanted: str | None, role: str) -> int | None:
    """Return the position of the column `wanted`: its name, or its number from 1 ("2" or "#2")."""
    if wanted is None:
        return None
    if wanted[:1] == "#" and wanted[1:].isdecimal() and 1 <= int(wanted[1:]) <= len(names):
        return int(wanted[1:]) - 1
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise BadUpload(
        f"{member.display_name} has no {role} column {sanitize_line(wanted)!r}. There are: "
        f"{format_names(names)}."
    )


def _guess_text_column(values: list[list[str]], names: list[str], label: int | None) -> int | None:
    for usual in TEXT_COLUMN_NAMES:
        if usual in names and names.index(usual) != label:
            return names.index(usual)
    lengths = {  # a text rarely repeats; of columns that do not, the longest
        at: (len(set(column)) > len(column) / 2, mean(map(len, column)))
        for at, column in enumerate(values)
        if at != label and not all(map(_is_number, column))
    }
    return max(lengths, key=lengths.get) if lengths else None


def _guess_label_column(values: list[list[str]], names: list[str], text: int | None) -> int | None:
    for usual in LABEL_COLUMN_NAMES:
        if usual in names and names.index(usual) != text:
            return names.index(usual)
    counts = {at: len(set(filter(None, column))) for at, column in enumerate(values) if at != text}
    # A label repeats; in a table sorted by label, the first rows may have a single one.
    repeating = {at: n for at, n in counts.items() if 2 <= n <= max(2, len(values[at]) / 2)}
    usable = repeating or {at: n for at, n in counts.items() if n == 1}
    return min(usable, key=usable.get) if usable else None


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
