"""Files that are there whole or not at all, whatever is cut: a process, the power, the disk's room.

What is to stay is written to a draft beside it, forced to the disk, and only then given its name;
then the name is forced to the disk, too.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".part"  # how a draft ends: what a killed process left is cleared away by that


@contextmanager
def atomic_write(file: Path, *, apart: bool = False) -> Iterator[Path]:
    """A draft to write; once the context ends it is `file`. Where it raises, `file` is as it was.

    `apart`: others may write the same file at the same time, so the draft has a name of its own.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}{unique_suffix() if apart else ''}{PARTIAL_SUFFIX}")
    try:
        yield draft
        fsync_file(draft)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    fsync_dir(file.parent)


def unique_suffix() -> str:
    """Of a draft's name: threads of one process, too, may write the same file at the same time."""
    return f".{secrets.token_hex(4)}"


def write_text(file: Path, text: str, *, apart: bool = False) -> None:
    """Leaves `text` in `file`, whole or not at all."""
    with atomic_write(file, apart=apart) as draft:
        draft.write_text(text, "utf-8")


def fsync_file(file: Path) -> None:
    """What was written to `file` is on the disk, not only in memory."""
    # Windows forces only what may be written; a download that is kept may be for reading alone.
    with open(file, "rb+" if os.name == "nt" else "rb") as written:
        os.fsync(written.fileno())


def fsync_dir(folder: Path) -> None:
    """The names in `folder` are on the disk: which file is called what."""
    if os.name == "nt":  # where a folder cannot be opened, and names are written with the files
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
