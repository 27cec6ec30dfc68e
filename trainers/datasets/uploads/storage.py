"""Folders of imported data: where they are, their metadata, and copies elsewhere."""

import json
import re
from pathlib import Path
from typing import Any

from trainers.datasets.uploads.limits import sanitize_line
from trainers.system import object_store
from trainers.system.atomic import write_text
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey

UPLOAD_KEY = re.compile(r"own-([A-Za-z0-9_-]{8,64})")  # cannot name a path outside the folder
CATALOG_KEY = re.compile(r"[a-z0-9_]{1,64}")  # nor can this
LOCAL_VISITOR = "terminal"  # the visitor who uses the command line on this computer
METADATA_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError)  # of a damaged file


def dataset_dir(key: str) -> Path:
    """Return the folder of the uploaded or downloaded data `key`. Raises `UnknownKey`."""
    folder = None
    if match := UPLOAD_KEY.fullmatch(key):
        folder = data_dir() / "data" / match[1]
    elif CATALOG_KEY.fullmatch(key):
        folder = data_dir() / "online" / key
    if folder and (folder / "about.json").is_file():
        return folder
    if match and object_store.download(object_store.DATA, match[1]):
        return folder
    raise UnknownKey(f"No data {sanitize_line(key)!r} is kept here. It may be on another computer.")


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return about.json. Raises one of `METADATA_ERRORS`."""
    return json.loads((folder / "about.json").read_text("utf-8"))


def save_check(key: str, check: dict[str, Any]) -> None:
    """Store the result of a data check, {"findings": [`Finding.as_json()`, …], …}, atomically.

    Raises `UnknownKey`.
    """
    refresh(key)
    folder = dataset_dir(key)
    write_text(folder / "check.json", json.dumps(check, ensure_ascii=False), apart=True)
    publish(key)


def load_check(key: str) -> dict[str, Any] | None:
    """Return what `save_check` stored; None before the first check. Raises `UnknownKey`."""
    try:
        return json.loads((dataset_dir(key) / "check.json").read_text("utf-8"))
    except FileNotFoundError:
        return None


def write_tombstone(key: str, modality: str) -> None:
    """Leave what `dataset.delete` leaves, for an upload that is on another computer.

    Runs on it that were imported from files can then be shown. `key` must match `UPLOAD_KEY`.
    """
    folder = data_dir() / "data" / UPLOAD_KEY.fullmatch(key)[1]
    if not (folder / "about.json").exists():
        tombstone = {"modality": modality, "deleted": True}
        write_text(folder / "about.json", json.dumps(tombstone), apart=True)


def refresh(key: str) -> None:
    """Fetch what other computers changed, before the data is used."""
    if match := UPLOAD_KEY.fullmatch(key):
        object_store.refresh(object_store.DATA, match[1])


def publish(key: str) -> None:
    """Make a change available to other computers."""
    if match := UPLOAD_KEY.fullmatch(key):
        object_store.upload(object_store.DATA, match[1])
