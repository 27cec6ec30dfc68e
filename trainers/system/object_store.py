"""What several computers share beside the database: models of runs, and visitors' own data.

`THAW_ARTIFACT_URL` is any address that fsspec knows (s3://bucket/prefix with the extra `s3`, gs://…,
 abfs://…, file:///…). The data folder stays where work is done, and holds copies of what
comes from elsewhere. At the address lies, for each folder `runs/<id>` and `data/<id>` (and, while
a run lasts or can go on, `standing/<id>`), every file by its checksum, and `manifest.json`, written
last, which names them: so what is read is whole, always. Without the variable nothing here does
anything.

At its root lies a mark, which the first use makes. A place where it was seen and is no more, such
as a share that is not mounted, is away: what it lacks was not deleted, and nothing is put there.

What cannot be put or removed now is noted in the data folder, and tried again every minute. A
place that did not answer is not asked again for as long: no page waits for it twice.
"""

import hashlib
import json
import logging
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout
from sqlalchemy import select

from trainers.system.atomic import PARTIAL_SUFFIX, unique_suffix, write_text
from trainers.system.paths import bundle_path, data_dir, run_dir
from trainers.system.settings import get_settings

RUNS, DATA, CHECKPOINTS = "runs", "data", "standing"  # the last: see trainers/store/resume.py
MANIFEST = "manifest.json"
MARKER = "shared-by-thaw"
EXCLUDED_FILES = ("take-away.zip",)  # packed where it is handed out
COMPLETION_FILES = ("model.safetensors", "about.json")  # what says that a folder is whole
# Object stores have no folders; what s3fs would make of one is a bucket, of whatever name.
OBJECT_STORE_PROTOCOLS = {"s3", "gs", "abfs"}
MISSING_CACHE_SECONDS = 10  # that a look for what is not there holds. Ours
REFRESH_INTERVAL_SECONDS = 10  # that a look at a copy holds. Ours
LOCK_COUNT = 64
LOCK_TIMEOUT_SECONDS = 5  # for who puts or removes the same. Ours
OUTAGE_CACHE_SECONDS = 60  # that nothing is asked of a place that failed. Ours
# Left to themselves s3fs and botocore ask a server that says nothing for more than 6 minutes.
S3_CONFIG = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 1}}
S3_ATTEMPTS = 2
_missing_since: dict[tuple[str, str], float] = {}
_refreshed_at: dict[tuple[str, str], float] = {}  # only of what lies here, so not too many
_failed_at: dict[str, float] = {}  # address -> when
_download_locks: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
_cache_lock = threading.Lock()  # for who changes one of these


class CorruptObject(OSError):
    """What came is not what was put."""


class StorageMissing(OSError):
    """This is not the place that was there."""


def storage_url() -> str:
    """Where things are shared; "": nowhere."""
    return get_settings().artifact_url


# --- to there -------------------------------------------------------------------------------------


def upload(kind: str, key: str) -> None:
    """Puts the folder there as it is now, or notes that this is to be done."""
    if storage_url():
        _run_pending(_write_pending("put", kind, key), _upload, kind, key)


def mark_pending(kind: str, key: str) -> None:
    """Notes beforehand that it is to be put: what changes here is not renewed meanwhile."""
    if storage_url():
        _write_pending("put", kind, key)


def delete(kind: str, key: str) -> None:
    """Removes it there, or notes that this is to be done."""
    if storage_url():
        _pending_path("put", kind, key).unlink(missing_ok=True)
        _run_pending(_write_pending("remove", kind, key), _delete, kind, key)


def delete_run(run: str) -> None:
    """Removes what the run left, here and there."""
    for kind in (RUNS, CHECKPOINTS):
        shutil.rmtree(data_dir() / kind / run, ignore_errors=True)
        delete(kind, run)


def is_pending(kind: str, key: str) -> bool:
    """Whether it could not be put there yet."""
    return bool(storage_url()) and _pending_path("put", kind, key).exists()


def retry_pending(over: Callable[[], bool] = lambda: False) -> None:
    """Does what was noted, until it is `over`."""
    if not storage_url():
        return
    _failed_at.clear()
    for what, do in (("put", _upload), ("remove", _delete)):
        for note in sorted((data_dir() / "artifacts").glob(f"{what}.*.*")):
            if over():
                return
            _, kind, key = note.name.split(".")
            _run_pending(note, do, kind, key)


def _run_pending(note: Path, what: Any, kind: str, key: str) -> None:
    """One at a time: what is put last is what was there last, and nothing outlives its removal."""
    if _is_unavailable():
        return
    lock = zlib.crc32(f"{kind}.{key}".encode()) % LOCK_COUNT  # a file for each would never go
    try:
        with FileLock(note.with_name(f"lock.{lock}"), timeout=LOCK_TIMEOUT_SECONDS):
            if note.exists():  # else it was done, or undone, meanwhile
                said = note.read_text()
                what(kind, key)
                with suppress(FileNotFoundError):
                    if note.read_text() == said:  # else it changed meanwhile, and is to go again
                        note.unlink()
    except Timeout:  # somebody is at it, and it is tried again in a minute
        pass
    except Exception as error:  # each kind of address has errors of its own
        _warn(f"{kind} {key} waits to be put or removed, and is tried again", error)


def _upload(kind: str, key: str) -> None:
    folder, (files, there) = data_dir() / kind / key, _remote_path(kind, key)
    if not folder.exists() or _is_deleted(kind, key):
        return _delete(kind, key)
    _check_marker()
    names = [one for one in folder.iterdir() if one.is_file() and one.suffix != PARTIAL_SUFFIX]
    manifest = {}
    for file in names:
        if file.name not in EXCLUDED_FILES:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            manifest[file.name] = {"bytes": file.stat().st_size, "sha256": digest}
    if kind == DATA and _is_stale(
        _read_manifest(files, there), _copy_manifest_path(kind, key), manifest
    ):
        return _sync_copy(kind, key)
    if not OBJECT_STORE_PROTOCOLS & {*_protocols(files)}:
        files.makedirs(there, exist_ok=True)
    old = _list_remote(files, there)
    for name, facts in manifest.items():
        if facts["sha256"] not in old:
            files.put_file(str(folder / name), f"{there}/{facts['sha256']}")
    _write_manifest(files, there, manifest)
    _save_copy_manifest(kind, key, manifest)
    for one in old - {facts["sha256"] for facts in manifest.values()} - {MANIFEST}:
        files.rm_file(f"{there}/{one}")
    if _is_deleted(kind, key):  # while it travelled
        _delete(kind, key)
    return None


def _is_stale(there: dict[str, Any] | None, known: Path, here: dict[str, Any]) -> bool:
    """Whether own data was changed elsewhere since it came here: what is here is no newer. But
    what was deleted, here or there, stays deleted."""
    at, seen = _load_copy_manifest(known)
    if at != _storage_id():
        seen = None
    if there is None:
        return seen is not None
    return _is_tombstone(there) or not (_is_tombstone(here) or there in (seen, here))


def _is_deleted(kind: str, key: str) -> bool:
    """Whether the run is no more: another app server may have ended it."""
    if kind == DATA:
        return False
    from trainers.store import get_store, runs  # here: it imports this module

    with get_store().engine.connect() as sql:
        return sql.scalar(select(runs.c.id).where(runs.c.id == key)) is None


def _write_manifest(files: Any, there: str, manifest: dict[str, Any]) -> None:
    """An object store changes an object at once or not at all; in a folder that is a renaming."""
    said = json.dumps(manifest).encode()
    if "file" in _protocols(files):
        files.pipe_file(f"{there}/{MANIFEST}.part", said)
        files.mv(f"{there}/{MANIFEST}.part", f"{there}/{MANIFEST}")
    else:
        files.pipe_file(f"{there}/{MANIFEST}", said)


def _delete(kind: str, key: str) -> None:
    files, there = _remote_path(kind, key)
    _check_marker()
    if files.exists(f"{there}/{MANIFEST}"):
        files.rm_file(f"{there}/{MANIFEST}")  # first: what is half removed is not there
    if files.exists(there):
        files.rm(there, recursive=True)
    _copy_manifest_path(kind, key).unlink(missing_ok=True)


# --- from there -----------------------------------------------------------------------------------


def download(kind: str, key: str) -> bool:
    """Brings the folder here, as it is there; False where it is not there, or nothing can be
    reached."""
    if not storage_url():
        return False
    with _download_lock(kind, key):
        lately = time.monotonic() - _missing_since.get((kind, key), -1e9) < MISSING_CACHE_SECONDS
        if lately or _is_unavailable() or _pending_path("remove", kind, key).exists():
            return False
        try:
            if _download(kind, key):
                return True
        except Exception as error:  # each kind of address has errors of its own
            _warn(f"{kind} {key} could not be brought here", error)
        with _cache_lock:
            _missing_since[kind, key] = time.monotonic()
            if len(_missing_since) > 1000:
                _missing_since.pop(next(iter(_missing_since)))
        return False


def _download_lock(kind: str, key: str) -> threading.Lock:
    """Held while it is brought: a thread that wants the same waits, and finds it here."""
    with _cache_lock:
        return _download_locks.setdefault((kind, key), threading.Lock())


def fetch_run_dir(run: str) -> Path:
    """The run's folder, with its model wherever there is one."""
    folder = run_dir(run)
    if not (folder / "model.safetensors").is_file():
        download(RUNS, run)
    return folder


def refresh_all(over: Callable[[], bool] = lambda: False) -> None:
    """Brings copies up to what is there, and ends those of what was deleted there, until it is
    `over`."""
    for known in (data_dir() / "artifacts").glob("*.json") if storage_url() else ():
        if over():
            return
        _refresh(known)


def refresh(kind: str, key: str) -> None:
    """`renew` of one copy, which is to be used or changed now."""
    lately = time.monotonic() - _refreshed_at.get((kind, key), -1e9) < REFRESH_INTERVAL_SECONDS
    if storage_url() and not lately:
        _refresh(_copy_manifest_path(kind, key))
        _refreshed_at[kind, key] = time.monotonic()


def _refresh(known: Path) -> None:
    kind, key, _ = known.name.split(".")
    if is_pending(kind, key) or _is_unavailable():
        return
    if not (data_dir() / kind / key).exists():  # it made room
        known.unlink(missing_ok=True)
        return
    if (
        _load_copy_manifest(known)[0] != _storage_id()
    ):  # it came from another place: this one cannot tell
        return
    try:
        _sync_copy(kind, key)
    except Exception as error:  # nothing can be said of it now
        _warn(f"{kind} {key} could not be looked up", error)


def _sync_copy(kind: str, key: str) -> None:
    """Makes the copy what is there, and ends it where nothing is."""
    with _download_lock(kind, key):
        if _download(kind, key):
            return
        _check_marker()  # else it cannot be told
        folder = data_dir() / kind / key
        draft = _inbox_draft(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if kind == DATA:
            _delete_derived(key, draft)
        _copy_manifest_path(kind, key).unlink(missing_ok=True)


def _is_tombstone(manifest: dict[str, Any]) -> bool:
    """Whether this is what stays of own data that was deleted."""
    return "examples.bin" not in manifest


def _inbox_draft(folder: Path) -> str:
    """Where the files of own data may still lie in the inbox."""
    with suppress(OSError, ValueError):
        return json.loads((folder / "about.json").read_text("utf-8")).get("draft", "")
    return ""


def _delete_derived(key: str, draft: str) -> None:
    """What else is kept here of own data that was deleted elsewhere: see privacy/erase.py."""
    from trainers.datasets.uploads import inbox
    from trainers.store import get_store, runs
    from trainers.system import feature_cache  # here: these import this module

    inbox.delete_draft(draft)
    feature_cache.delete(f"own-{key}")
    with get_store().engine.connect() as sql:
        on_it = sql.scalars(select(runs.c.id).where(runs.c.subject == f"own-{key}")).all()
    for run in on_it:
        bundle_path(run).unlink(missing_ok=True)  # it holds a few examples


def _download(kind: str, key: str) -> bool:
    files, there = _remote_path(kind, key)
    manifest = _read_manifest(files, there)
    if manifest is None:
        return False
    folder = data_dir() / kind / key
    known = _copy_manifest_path(kind, key)
    whole = all((folder / Path(name).name).is_file() for name in manifest)
    if whole and _load_copy_manifest(known) == (_storage_id(), manifest):
        return True
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    upload = _inbox_draft(folder)
    for name in sorted(manifest, key=lambda name: (name in COMPLETION_FILES, name)):
        if Path(name).name != name:
            raise CorruptObject(f"{name!r} is no name of a file.")
        draft = folder / f"{name}{unique_suffix()}{PARTIAL_SUFFIX}"
        try:
            files.get_file(f"{there}/{manifest[name]['sha256']}", str(draft))
            with draft.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != manifest[name]["sha256"]:
                    raise CorruptObject(f"{name} of {kind} {key} is damaged.")
            draft.replace(folder / name)
        finally:
            draft.unlink(missing_ok=True)
    for name in (
        _load_copy_manifest(known)[1].keys() - manifest.keys()
    ):  # what was there is gone there
        (folder / Path(name).name).unlink(missing_ok=True)
    if kind == DATA and _is_tombstone(manifest):
        _delete_derived(key, upload)
    _save_copy_manifest(kind, key, manifest)
    return True


# --- away -----------------------------------------------------------------------------------------


def _is_unavailable() -> bool:
    return time.monotonic() - _failed_at.get(storage_url(), -1e9) < OUTAGE_CACHE_SECONDS


def _warn(what: str, error: Exception) -> None:
    if not isinstance(error, (FileNotFoundError, CorruptObject)):  # else it did answer
        _failed_at[storage_url()] = time.monotonic()
    told = str(error).strip().splitlines() or [""]
    logging.warning("THAW_ARTIFACT_URL: %s (%s: %s).", what, type(error).__name__, told[0])


def _check_marker() -> None:
    """Raises `Away` where the mark was seen and is not there. Makes it where it never was."""
    files, root = _open_filesystem(storage_url())
    seen = data_dir() / "artifacts" / f"seen.{_storage_id()}"
    if not files.exists(f"{root}/{MARKER}"):
        if seen.exists():
            raise StorageMissing(
                f"no file {MARKER!r} there any more; if it is the right place, make one"
            )
        if not OBJECT_STORE_PROTOCOLS & {*_protocols(files)}:
            files.makedirs(root, exist_ok=True)
        files.pipe_file(f"{root}/{MARKER}", b"What Thaw's app servers share. Leave this file here.")
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.touch()


# --- where ----------------------------------------------------------------------------------------


def _storage_id() -> str:
    """Tells this address from others; it may hold a password, so it is not written down."""
    return hashlib.sha256(storage_url().rstrip("/").encode()).hexdigest()[:16]


@cache
def _open_filesystem(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # here: pages without an address need not wait for it

    options = {"config_kwargs": S3_CONFIG} if url.startswith("s3:") else {}
    files, root = url_to_fs(url, use_listings_cache=False, **options)
    if options:
        files.retries = S3_ATTEMPTS
    return files, root.rstrip("/")


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _remote_path(kind: str, key: str) -> tuple[Any, str]:
    files, root = _open_filesystem(storage_url())
    return files, f"{root}/{kind}/{key}"


def _read_manifest(files: Any, there: str) -> dict[str, Any] | None:
    try:
        return json.loads(files.cat_file(f"{there}/{MANIFEST}"))
    except FileNotFoundError:
        return None


def _list_remote(files: Any, there: str) -> set[str]:
    try:
        names = files.ls(there, detail=False)
    except FileNotFoundError:  # an object store has no folders, so none that is empty
        return set()
    return {name.rstrip("/").rpartition("/")[2] for name in names}


def _pending_path(what: str, kind: str, key: str) -> Path:
    return _copy_manifest_path(kind, key).with_name(f"{what}.{kind}.{key}")


def _write_pending(what: str, kind: str, key: str) -> Path:
    """The note, written anew."""
    note = _pending_path(what, kind, key)
    note.write_text(secrets.token_hex(4))
    return note


def _save_copy_manifest(kind: str, key: str, manifest: dict[str, Any]) -> None:
    told = json.dumps({"at": _storage_id(), "files": manifest})
    write_text(_copy_manifest_path(kind, key), told, apart=True)


def _load_copy_manifest(known: Path) -> tuple[str, dict[str, Any]]:
    """(which place, manifest) of a copy; ("", {}) of what is no copy."""
    try:
        told = json.loads(known.read_text())
        return told["at"], told["files"]
    except (OSError, ValueError, LookupError):
        return "", {}


def _copy_manifest_path(kind: str, key: str) -> Path:
    """The manifest of what lies here and there, and where that is."""
    place = data_dir() / "artifacts" / f"{kind}.{key}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
