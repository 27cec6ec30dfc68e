"""What an upload may be, and why; and the words for one that is not."""

from typing import NamedTuple

MB = 1024**2

MAX_BYTES = 4096 * MB  # of all files, unpacked: 5,000 photos of a telephone are about 20 a second
MAX_RATIO = 200  # unpacked to packed: pictures reach 1.1, tables 20, a zip bomb 1,000
MIN_BYTES_FOR_RATIO = 50 * MB  # ... and what unpacks to less harms nobody
MAX_FILES = 100_000  # their names are held in memory
MAX_IMAGE_BYTES = 64 * MB  # of one picture's file; the largest photos have 30
SHORT_SIDE_PX = 256  # kept of a picture: what the largest backbones look at
# Long side to short; the ends of longer pictures are cut: no backbone sees them.
MAX_ASPECT_RATIO = 4
MAX_TABLE_BYTES = 1024 * MB  # a table of 1,000,000 rows has about 200 MB
MAX_UNPACKED_XLSX = 300 * MB  # openpyxl holds the shared texts of a workbook in memory
MAX_LINE_CHARS = 4_000_000  # one line of a table; a longer one is no table
MAX_CELL_CHARS = 131_072  # csv's own limit: longer cells come of a quotation mark never closed
MAX_TEXT_CHARS = 10_000  # of one text; the backbones read 1,000 to 2,000
MAX_ROWS = 1_000_000
MAX_COLUMNS = 500  # texts and labels are two; measurements by the thousand are another matter
MAX_CLASSES = 1_000  # more are names or numbers rather than classes
MAX_GROUPS = 50  # among which scores are compared; of more none has enough examples. Ours
MAX_CLASS_CHARS = 80  # shown of a class's name
MAX_NAMES_SHOWN = 5  # files named in one notice

# Used of what is kept, at most: decoding and tokenising more would take minutes before a run.
MAX_USED_EXAMPLES = {"images": (20_000, 5_000), "text": (100_000, 10_000)}  # to train, to test

TEST_SHARE = 0.2  # where the data brings no test of its own


class BadUpload(ValueError):
    """Data that cannot be read; the text says what was asked, what is wrong, what to do next."""


class Progress(NamedTuple):
    """How far the reading is."""

    fraction: float  # 0..1 of the whole
    text: str  # "1,234 pictures"


def sanitize_line(text: str, most: int = MAX_CLASS_CHARS) -> str:
    """A visitor's text on one line: nothing in it that moves or hides what stands around it."""
    line = " ".join("".join(c if c.isprintable() or c in JOINERS else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


JOINERS = "\u200c\u200d"  # not printable, yet Persian words and many emoji are spelt with them


def format_names(names: list[str]) -> str:
    """A few names for a notice, and how many there are besides."""
    told = ", ".join(sanitize_line(name) for name in names[:MAX_NAMES_SHOWN])
    return told + (
        f" and {len(names) - MAX_NAMES_SHOWN:,} more" if len(names) > MAX_NAMES_SHOWN else ""
    )
