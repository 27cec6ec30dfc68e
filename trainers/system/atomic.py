"""Atomic, durable file writes: they survive crashes, power cuts and a full disk.

A draft beside the file is written and forced to the disk, then renamed; then the directory entry is
forced to the disk.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".part"  # of drafts: those of killed processes are found by it and deleted


@contextmanager
def atomic_write(file: Path, *, apart: bool = False) -> Iterator[Path]:
    """Give a draft to write, which becomes `file` at the end; on an error `file` stays as it was.

    apart: give the draft a name of its own, because others may write the file at the same time
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
    """Return a suffix for a draft, so that concurrent writers of one file do not collide."""
    return f".{secrets.token_hex(4)}"


def write_text(file: Path, text: str, *, apart: bool = False) -> None:
    """Write `text` to `file` atomically."""
    with atomic_write(file, apart=apart) as draft:
        draft.write_text(text, "utf-8")


def fsync_file(file: Path) -> None:
    """Force the file's content to the disk."""
    # Windows needs write access for it; on other systems the file may be read-only.
    with open(file, "rb+" if os.name == "nt" else "rb") as opened:
        os.fsync(opened.fileno())


def fsync_dir(folder: Path) -> None:
    """Force the folder's entries, the names of its files, to the disk."""
    if os.name == "nt":  # it cannot open folders, and writes names together with files
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
