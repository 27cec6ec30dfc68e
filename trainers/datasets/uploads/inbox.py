"""What a browser brought, before it is read: files under names of our own, and their names.

A draft is one gathering of files: a folder `home()/inbox/<key>`, whose key nobody can guess, so
that whoever has it may add to it. No name that a visitor gave ever becomes a path; names.json has
them, as [file, [part, part, …]] each.
"""

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainers.datasets.uploads.limits import MAX_BYTES, MAX_FILES, MB, BadUpload
from trainers.system.atomic import write_text
from trainers.system.paths import data_dir

DRAFT_KEY = re.compile(r"[0-9a-f]{32}")
FILE_KEY = re.compile(r"[0-9a-f]{24}")
OWNER_FILE = "visitor.txt"
MAX_DRAFT_AGE_SECONDS = (
    24 * 3600
)  # the files stay for a while, so that other columns can be read from them
MIN_FREE_BYTES = 1024 * MB  # stay free on the disk, for runs and for the rest of the computer
MAX_NAME_PARTS, MAX_NAME_CHARS = 20, 255


def create_draft(visitor: str = "") -> str:
    """The key of a new draft, of `visitor`."""
    delete_expired_drafts()
    key = secrets.token_hex(16)
    place = data_dir() / "inbox" / key
    place.mkdir(parents=True, mode=0o700)
    if visitor:
        (place / OWNER_FILE).write_text(visitor, "utf-8")
    return key


def read_owner(place: Path) -> str:
    """Whose draft it is; "" where nobody was named."""
    file = place / OWNER_FILE
    return file.read_text("utf-8") if file.is_file() else ""


def find_draft(key: str) -> Path | None:
    """The folder of the draft called `key`; None where there is none."""
    place = data_dir() / "inbox" / key
    return place if DRAFT_KEY.fullmatch(key) and place.is_dir() else None


def reserve_file(place: Path, size: int) -> Path:
    """Where a file of `size` bytes may be written. Raises `BadUpload` where there is no room."""
    count, total = count_draft(place)
    if count >= MAX_FILES:
        raise BadUpload(
            f"There are more than {MAX_FILES:,} files. Keep at most that many: a few hundred of "
            "each class teach as much."
        )
    if total + size > MAX_BYTES:
        raise BadUpload(
            f"All files together have more than {MAX_BYTES // MB:,} MB. Bring fewer, or make the "
            "pictures smaller: Thaw looks at 256 pixels at most."
        )
    if shutil.disk_usage(place).free - size < MIN_FREE_BYTES:
        raise BadUpload(
            "The disk of the computer that Thaw runs on is nearly full. Bring less, or make room."
        )
    _draft_usage[place] = count + 1, total + size
    return place / secrets.token_hex(12)


_draft_usage: dict[Path, tuple[int, int]] = {}  # files and bytes: looking each time would take long


def count_draft(place: Path) -> tuple[int, int]:
    """How many files this process has let into a draft, and their bytes; those that it did not
    see come are counted once."""
    if place not in _draft_usage:
        sizes = [file.stat().st_size for file in place.iterdir() if FILE_KEY.fullmatch(file.name)]
        _draft_usage[place] = len(sizes), sum(sizes)
    return _draft_usage[place]


def write_listing(place: Path, files: Iterable[Any]) -> Path:
    """Say what the files of a draft are called: [file, [part, …]] each, folders first. What is
    not listed is deleted. Hands back the place, ready to be read. Raises `BadUpload`."""
    known = {file.name for file in place.iterdir() if FILE_KEY.fullmatch(file.name)}
    listed = []
    for entry in files:
        match entry:
            case [str(file), [*parts]] if file in known and parts:
                listed.append([file, [_clean_name_part(part) for part in parts[-MAX_NAME_PARTS:]]])
                known.remove(file)
    if not listed:
        raise BadUpload("No file has arrived. Choose a file, and wait until it is here.")
    for file in known:
        (place / file).unlink(missing_ok=True)
    write_text(place / "names.json", json.dumps(listed))  # the job that reads it may wait for long
    return place


def _clean_name_part(part: Any) -> str:
    """One part of a name, without what would make it two."""
    return str(part).replace("/", "-").replace("\\", "-")[:MAX_NAME_CHARS] or "?"


def read_listing(path: Path) -> list[tuple[Path, tuple[str, ...]]] | None:
    """The files of a draft and their names; None where `path` is none."""
    if path.parent != data_dir() / "inbox" or not (path / "names.json").is_file():
        return None
    entries = json.loads((path / "names.json").read_text("utf-8"))
    return [(path / file, tuple(parts)) for file, parts in entries]


def delete_draft(key: str) -> None:
    """Delete the draft called `key`, if it is there."""
    if place := find_draft(key):
        shutil.rmtree(place, ignore_errors=True)
        _draft_usage.pop(place, None)


def delete_expired_drafts() -> None:
    """Delete drafts that are a day old."""
    for place in (data_dir() / "inbox").glob("*"):
        if place.stat().st_mtime < time.time() - MAX_DRAFT_AGE_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
            _draft_usage.pop(place, None)
