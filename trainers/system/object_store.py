"""Share models of runs and uploaded data between several computers, through `THAW_ARTIFACT_URL`.

Work is done in the data folder, which has copies of what other computers uploaded
(trainers/system/remote_folder.py says how they are stored). Without the variable nothing here does
anything. What was deleted is the database's word: `connect` takes the functions that know.

An upload or deletion that fails leaves a note in the data folder, and `retry_pending` repeats it.
An address that failed is not asked again for a minute, so that no page waits for it twice.
"""

import json
import logging
import secrets
import shutil
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from cachetools import TTLCache
from filelock import FileLock, Timeout

from trainers.system.atomic import write_text
from trainers.system.paths import data_dir, run_dir
from trainers.system.remote_folder import (
    CorruptObject,
    Manifest,
    RemoteFolder,
    build_manifest,
    check_marker,
    is_tombstone,
    state_dir,
    storage_url,
    url_id,
)

RUNS, DATA, CHECKPOINTS = "runs", "data", "standing"  # folder names; see trainers/store/resume.py
LOCK_COUNT = 64  # lock files, in place of one for every folder, which nobody would delete
LOCK_TIMEOUT_SECONDS = 5

_missing: TTLCache = TTLCache(1000, ttl=10)  # folders that were not at the address just now
_refreshed: TTLCache = TTLCache(1000, ttl=10)  # copies that were up to date just now
_unavailable: TTLCache = TTLCache(10, ttl=60)  # addresses that failed just now
_download_locks: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
_cache_lock = threading.Lock()  # for the four above
_is_run_deleted: Callable[[str], bool] = lambda run: False  # noqa: E731
_delete_derived: Callable[[str, str], None] = lambda key, draft: None  # noqa: E731


def connect(
    *, is_run_deleted: Callable[[str], bool], delete_derived: Callable[[str, str], None]
) -> None:
    """Set what the database knows.

    is_run_deleted(run): whether the run no longer exists; another app server may have deleted it
    delete_derived(key, draft): delete everything here that was made of the deleted upload `key`,
        whose files may still be in the inbox as `draft`
    """
    global _is_run_deleted, _delete_derived
    _is_run_deleted, _delete_derived = is_run_deleted, delete_derived


def reset() -> None:
    """Forget what was missing, up to date or unavailable a moment ago."""
    for recent in (_missing, _refreshed, _unavailable):
        recent.clear()


class _Folder(NamedTuple):
    """One folder, here and at the address."""

    kind: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def path(self) -> Path:
        return data_dir() / self.kind / self.key

    @property
    def remote(self) -> RemoteFolder:
        return RemoteFolder(self.kind, self.key)

    @property
    def copy_manifest(self) -> Path:
        """The file that holds the manifest of what is the same here and at the address."""
        return state_dir() / f"{self.kind}.{self.key}.json"

    def note(self, action: str) -> Path:
        """The file that says that "put" or "remove" is still to be done."""
        return state_dir() / f"{action}.{self.kind}.{self.key}"

    def write_note(self, action: str) -> Path:
        note = self.note(action)
        note.write_text(secrets.token_hex(4))
        return note


# --- uploads and deletions ------------------------------------------------------------------------


def upload(kind: str, key: str) -> None:
    """Upload the folder as it is now, or leave a note to do so."""
    if storage_url():
        folder = _Folder(kind, key)
        _run_pending(folder.write_note("put"), _upload, folder)


def mark_pending(kind: str, key: str) -> None:
    """Note that the folder is about to change and be uploaded: until then it is not refreshed."""
    if storage_url():
        _Folder(kind, key).write_note("put")


def delete(kind: str, key: str) -> None:
    """Delete the folder at the address, or leave a note to do so."""
    if storage_url():
        folder = _Folder(kind, key)
        folder.note("put").unlink(missing_ok=True)
        _run_pending(folder.write_note("remove"), _delete, folder)


def delete_run(run: str) -> None:
    """Delete the run's files, here and at the address."""
    for kind in (RUNS, CHECKPOINTS):
        shutil.rmtree(data_dir() / kind / run, ignore_errors=True)
        delete(kind, run)


def is_pending(kind: str, key: str) -> bool:
    """Return whether the folder has not been uploaded yet."""
    return bool(storage_url()) and _Folder(kind, key).note("put").exists()


def retry_pending(should_stop: Callable[[], bool] = lambda: False) -> None:
    """Do what the notes say."""
    if not storage_url():
        return
    _unavailable.clear()
    for action, function in (("put", _upload), ("remove", _delete)):
        for note in sorted(state_dir().glob(f"{action}.*.*")):
            if should_stop():
                return
            _run_pending(note, function, _Folder(*note.name.split(".")[1:]))


def _run_pending(note: Path, function: Callable[[_Folder], None], folder: _Folder) -> None:
    """Do it and delete the note; one process at a time, so that the last change wins."""
    if _is_unavailable():
        return
    lock = zlib.crc32(f"{folder.kind}.{folder.key}".encode()) % LOCK_COUNT
    try:
        with FileLock(note.with_name(f"lock.{lock}"), timeout=LOCK_TIMEOUT_SECONDS):
            if note.exists():  # otherwise it was done, or cancelled, meanwhile
                token = note.read_text()
                function(folder)
                with suppress(FileNotFoundError):
                    if note.read_text() == token:  # otherwise the folder has changed again
                        note.unlink()
    except Timeout:  # another process is doing it
        pass
    except Exception as error:  # each file system raises its own kinds
        _warn(f"{folder} waits to be uploaded or deleted, and is tried again", error)


def _upload(folder: _Folder) -> None:
    if not folder.path.exists() or _is_deleted(folder):
        return _delete(folder)
    check_marker()
    remote, manifest = folder.remote, build_manifest(folder.path)
    if folder.kind == DATA and _is_stale(remote.read_manifest(), folder, manifest):
        return _sync_copy(folder)
    remote.upload(folder.path, manifest)
    _save_copy_manifest(folder, manifest)
    if _is_deleted(folder):  # during the upload
        _delete(folder)
    return None


def _is_stale(remote: Manifest | None, folder: _Folder, local: Manifest) -> bool:
    """Return whether the data was changed elsewhere since it was copied here.

    Deletion wins: a tombstone at the address makes everything here stale, and one here is never.
    """
    copied_from, copied = _load_copy_manifest(folder)
    if copied_from != url_id():
        copied = None
    if remote is None:
        return copied is not None
    return is_tombstone(remote) or not (is_tombstone(local) or remote in (copied, local))


def _is_deleted(folder: _Folder) -> bool:
    return folder.kind != DATA and _is_run_deleted(folder.key)


def _delete(folder: _Folder) -> None:
    check_marker()
    folder.remote.delete()
    folder.copy_manifest.unlink(missing_ok=True)


# --- downloads ------------------------------------------------------------------------------------


def download(kind: str, key: str) -> bool:
    """Copy the folder here as it is at the address; False if it is not there or out of reach."""
    if not storage_url():
        return False
    folder = _Folder(kind, key)
    with _download_lock(folder):
        if folder in _missing or _is_unavailable() or folder.note("remove").exists():
            return False
        try:
            if _download(folder):
                return True
        except Exception as error:  # each file system raises its own kinds
            _warn(f"{folder} could not be downloaded", error)
        with _cache_lock:
            _missing[folder] = True
        return False


def _download_lock(folder: _Folder) -> threading.Lock:
    """Held during a download: another thread that wants the folder waits, and then has it."""
    with _cache_lock:
        return _download_locks.setdefault(folder, threading.Lock())


def fetch_run_dir(run: str) -> Path:
    """Return the run's folder, with its model if there is one anywhere."""
    folder = run_dir(run)
    if not (folder / "model.safetensors").is_file():
        download(RUNS, run)
    return folder


def refresh_all(should_stop: Callable[[], bool] = lambda: False) -> None:
    """Update all copies, and delete those whose original was deleted."""
    for file in state_dir().glob("*.json") if storage_url() else ():
        if should_stop():
            return
        _refresh(_Folder(*file.name.split(".")[:2]))


def refresh(kind: str, key: str) -> None:
    """Update one copy, which is about to be used or changed."""
    folder = _Folder(kind, key)
    if storage_url() and folder not in _refreshed:
        _refresh(folder)
        with _cache_lock:
            _refreshed[folder] = True


def _refresh(folder: _Folder) -> None:
    if folder.note("put").exists() or _is_unavailable():
        return
    if not folder.path.exists():  # deleted here to free space
        folder.copy_manifest.unlink(missing_ok=True)
    elif _load_copy_manifest(folder)[0] == url_id():  # copied from this address
        try:
            _sync_copy(folder)
        except Exception as error:  # it stays as it is
            _warn(f"{folder} could not be refreshed", error)


def _sync_copy(folder: _Folder) -> None:
    """Make the copy what is at the address, and delete it if nothing is there."""
    with _download_lock(folder):
        if _download(folder):
            return
        check_marker()  # without it nobody can tell
        draft = _read_draft(folder.path)
        shutil.rmtree(folder.path, ignore_errors=True)
        if folder.kind == DATA:
            _delete_derived(folder.key, draft)
        folder.copy_manifest.unlink(missing_ok=True)


def _read_draft(folder: Path) -> str:
    """Return the name under which files of an upload may still be in the inbox, or ""."""
    with suppress(OSError, ValueError):
        return json.loads((folder / "about.json").read_text("utf-8")).get("draft", "")
    return ""


def _download(folder: _Folder) -> bool:
    remote = folder.remote
    manifest = remote.read_manifest()
    if manifest is None:
        return False
    copied_from, copied = _load_copy_manifest(folder)
    is_complete = all((folder.path / name).is_file() for name in manifest)
    if is_complete and (copied_from, copied) == (url_id(), manifest):
        return True
    draft = _read_draft(folder.path)
    remote.download(folder.path, manifest)
    for name in copied.keys() - manifest.keys():
        (folder.path / name).unlink(missing_ok=True)
    if folder.kind == DATA and is_tombstone(manifest):
        _delete_derived(folder.key, draft)
    _save_copy_manifest(folder, manifest)
    return True


# --- failures and copies -------------------------------------------------------------------------


def _is_unavailable() -> bool:
    return storage_url() in _unavailable


def _warn(text: str, error: Exception) -> None:
    """Log the error's first line; unless the address has answered, do not ask it for a minute."""
    if not isinstance(error, FileNotFoundError | CorruptObject):
        with _cache_lock:
            _unavailable[storage_url()] = True
    first = (str(error).strip().splitlines() or [""])[0]
    logging.warning("THAW_ARTIFACT_URL: %s (%s: %s).", text, type(error).__name__, first)


def _save_copy_manifest(folder: _Folder, manifest: Manifest) -> None:
    content = json.dumps({"at": url_id(), "files": manifest})
    write_text(folder.copy_manifest, content, apart=True)


def _load_copy_manifest(folder: _Folder) -> tuple[str, Manifest]:
    """Return the id of the address and the manifest; ("", {}) if the folder is no copy."""
    try:
        content = json.loads(folder.copy_manifest.read_text())
        return content["at"], content["files"]
    except (OSError, ValueError, LookupError):
        return "", {}
