"""What several computers share beside the database: models of runs, and visitors' own data.

`THAW_ARTIFACTS` is any address that fsspec knows (s3://bucket/prefix with `pip install "thaw[s3]"`,
gs://…, abfs://…, file:///…). The data folder stays where work is done, and holds copies of what
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
import os
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

from trainers.system.atomic import DRAFT, own_part, write_text
from trainers.system.paths import home, run_folder, zip_of

RUNS, DATA, STANDING = "runs", "data", "standing"  # the last: see trainers/store/resume.py
MANIFEST = "manifest.json"
MARK = "shared-by-thaw"
LEFT_OUT = ("take-away.zip",)  # packed where it is handed out
LAST = ("model.safetensors", "about.json")  # what says that a folder is whole
# Object stores have no folders; what s3fs would make of one is a bucket, of whatever name.
BUCKETS = {"s3", "gs", "abfs"}
MISSING_SECONDS = 10  # that a look for what is not there holds. Ours
LOOK_SECONDS = 10  # that a look at a copy holds. Ours
LOCKS = 64
LOCK_SECONDS = 5  # for who puts or removes the same. Ours
AWAY_SECONDS = 60  # that nothing is asked of a place that failed. Ours
# Left to themselves s3fs and botocore ask a server that says nothing for more than 6 minutes.
S3 = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 1}}
S3_TRIES = 2
_missing: dict[tuple[str, str], float] = {}
_looked: dict[tuple[str, str], float] = {}  # only of what lies here, so not too many
_failed: dict[str, float] = {}  # address -> when
_bringing: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
_one = threading.Lock()  # for who changes one of these


class Damaged(OSError):
    """What came is not what was put."""


class Away(OSError):
    """This is not the place that was there."""


def address() -> str:
    """Where things are shared; "": nowhere."""
    return os.environ.get("THAW_ARTIFACTS", "").strip()


# --- to there -------------------------------------------------------------------------------------


def put(kind: str, key: str) -> None:
    """Puts the folder there as it is now, or notes that this is to be done."""
    if address():
        _try(_noted("put", kind, key), _put, kind, key)


def announce(kind: str, key: str) -> None:
    """Notes beforehand that it is to be put: what changes here is not renewed meanwhile."""
    if address():
        _noted("put", kind, key)


def remove(kind: str, key: str) -> None:
    """Removes it there, or notes that this is to be done."""
    if address():
        _note("put", kind, key).unlink(missing_ok=True)
        _try(_noted("remove", kind, key), _remove, kind, key)


def drop(run: str) -> None:
    """Removes what the run left, here and there."""
    for kind in (RUNS, STANDING):
        shutil.rmtree(home() / kind / run, ignore_errors=True)
        remove(kind, run)


def waits(kind: str, key: str) -> bool:
    """Whether it could not be put there yet."""
    return bool(address()) and _note("put", kind, key).exists()


def again(over: Callable[[], bool] = lambda: False) -> None:
    """Does what was noted, until it is `over`."""
    if not address():
        return
    _failed.clear()
    for what, do in (("put", _put), ("remove", _remove)):
        for note in sorted((home() / "artifacts").glob(f"{what}.*.*")):
            if over():
                return
            _, kind, key = note.name.split(".")
            _try(note, do, kind, key)


def _try(note: Path, what: Any, kind: str, key: str) -> None:
    """One at a time: what is put last is what was there last, and nothing outlives its removal."""
    if _is_away():
        return
    lock = zlib.crc32(f"{kind}.{key}".encode()) % LOCKS  # a file for each would never go
    try:
        with FileLock(note.with_name(f"lock.{lock}"), timeout=LOCK_SECONDS):
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


def _put(kind: str, key: str) -> None:
    folder, (files, there) = home() / kind / key, _there(kind, key)
    if not folder.exists() or _is_deleted(kind, key):
        return _remove(kind, key)
    _enter()
    names = [one for one in folder.iterdir() if one.is_file() and one.suffix != DRAFT]
    manifest = {}
    for file in names:
        if file.name not in LEFT_OUT:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            manifest[file.name] = {"bytes": file.stat().st_size, "sha256": digest}
    if kind == DATA and _is_stale(_manifest(files, there), _known(kind, key), manifest):
        return _follow(kind, key)
    if not BUCKETS & {*_protocols(files)}:
        files.makedirs(there, exist_ok=True)
    old = _listed(files, there)
    for name, facts in manifest.items():
        if facts["sha256"] not in old:
            files.put_file(str(folder / name), f"{there}/{facts['sha256']}")
    _write(files, there, manifest)
    _know(kind, key, manifest)
    for one in old - {facts["sha256"] for facts in manifest.values()} - {MANIFEST}:
        files.rm_file(f"{there}/{one}")
    if _is_deleted(kind, key):  # while it travelled
        _remove(kind, key)
    return None


def _is_stale(there: dict[str, Any] | None, known: Path, here: dict[str, Any]) -> bool:
    """Whether own data was changed elsewhere since it came here: what is here is no newer. But
    what was deleted, here or there, stays deleted."""
    at, seen = _knows(known)
    if at != _at():
        seen = None
    if there is None:
        return seen is not None
    return _is_stone(there) or not (_is_stone(here) or there in (seen, here))


def _is_deleted(kind: str, key: str) -> bool:
    """Whether the run is no more: another app server may have ended it."""
    if kind == DATA:
        return False
    from trainers.store import runs, store  # here: it imports this module

    with store().engine.connect() as sql:
        return sql.scalar(select(runs.c.id).where(runs.c.id == key)) is None


def _write(files: Any, there: str, manifest: dict[str, Any]) -> None:
    """An object store changes an object at once or not at all; in a folder that is a renaming."""
    said = json.dumps(manifest).encode()
    if "file" in _protocols(files):
        files.pipe_file(f"{there}/{MANIFEST}.part", said)
        files.mv(f"{there}/{MANIFEST}.part", f"{there}/{MANIFEST}")
    else:
        files.pipe_file(f"{there}/{MANIFEST}", said)


def _remove(kind: str, key: str) -> None:
    files, there = _there(kind, key)
    _enter()
    if files.exists(f"{there}/{MANIFEST}"):
        files.rm_file(f"{there}/{MANIFEST}")  # first: what is half removed is not there
    if files.exists(there):
        files.rm(there, recursive=True)
    _known(kind, key).unlink(missing_ok=True)


# --- from there -----------------------------------------------------------------------------------


def get(kind: str, key: str) -> bool:
    """Brings the folder here, as it is there; False where it is not there, or nothing can be
    reached."""
    if not address():
        return False
    with _alone(kind, key):
        lately = time.monotonic() - _missing.get((kind, key), -1e9) < MISSING_SECONDS
        if lately or _is_away() or _note("remove", kind, key).exists():
            return False
        try:
            if _get(kind, key):
                return True
        except Exception as error:  # each kind of address has errors of its own
            _warn(f"{kind} {key} could not be brought here", error)
        with _one:
            _missing[kind, key] = time.monotonic()
            if len(_missing) > 1000:
                _missing.pop(next(iter(_missing)))
        return False


def _alone(kind: str, key: str) -> threading.Lock:
    """Held while it is brought: a thread that wants the same waits, and finds it here."""
    with _one:
        return _bringing.setdefault((kind, key), threading.Lock())


def of_run(run: str) -> Path:
    """The run's folder, with its model wherever there is one."""
    folder = run_folder(run)
    if not (folder / "model.safetensors").is_file():
        get(RUNS, run)
    return folder


def renew(over: Callable[[], bool] = lambda: False) -> None:
    """Brings copies up to what is there, and ends those of what was deleted there, until it is
    `over`."""
    for known in (home() / "artifacts").glob("*.json") if address() else ():
        if over():
            return
        _renew(known)


def look(kind: str, key: str) -> None:
    """`renew` of one copy, which is to be used or changed now."""
    lately = time.monotonic() - _looked.get((kind, key), -1e9) < LOOK_SECONDS
    if address() and not lately:
        _renew(_known(kind, key))
        _looked[kind, key] = time.monotonic()


def _renew(known: Path) -> None:
    kind, key, _ = known.name.split(".")
    if waits(kind, key) or _is_away():
        return
    if not (home() / kind / key).exists():  # it made room
        known.unlink(missing_ok=True)
        return
    if _knows(known)[0] != _at():  # it came from another place: this one cannot tell
        return
    try:
        _follow(kind, key)
    except Exception as error:  # nothing can be said of it now
        _warn(f"{kind} {key} could not be looked up", error)


def _follow(kind: str, key: str) -> None:
    """Makes the copy what is there, and ends it where nothing is."""
    with _alone(kind, key):
        if _get(kind, key):
            return
        _enter()  # else it cannot be told
        folder = home() / kind / key
        draft = _draft(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if kind == DATA:
            _forget(key, draft)
        _known(kind, key).unlink(missing_ok=True)


def _is_stone(manifest: dict[str, Any]) -> bool:
    """Whether this is what stays of own data that was deleted."""
    return "examples.bin" not in manifest


def _draft(folder: Path) -> str:
    """Where the files of own data may still lie in the inbox."""
    with suppress(OSError, ValueError):
        return json.loads((folder / "about.json").read_text("utf-8")).get("draft", "")
    return ""


def _forget(key: str, draft: str) -> None:
    """What else is kept here of own data that was deleted elsewhere: see privacy/erase.py."""
    from trainers.datasets.uploads import inbox
    from trainers.store import runs, store
    from trainers.system import feature_cache  # here: these import this module

    inbox.forget(draft)
    feature_cache.forget(f"own-{key}")
    with store().engine.connect() as sql:
        on_it = sql.scalars(select(runs.c.id).where(runs.c.subject == f"own-{key}")).all()
    for run in on_it:
        zip_of(run).unlink(missing_ok=True)  # it holds a few examples


def _get(kind: str, key: str) -> bool:
    files, there = _there(kind, key)
    manifest = _manifest(files, there)
    if manifest is None:
        return False
    folder = home() / kind / key
    known = _known(kind, key)
    whole = all((folder / Path(name).name).is_file() for name in manifest)
    if whole and _knows(known) == (_at(), manifest):
        return True
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    upload = _draft(folder)
    for name in sorted(manifest, key=lambda name: (name in LAST, name)):
        if Path(name).name != name:
            raise Damaged(f"{name!r} is no name of a file.")
        draft = folder / f"{name}{own_part()}{DRAFT}"
        try:
            files.get_file(f"{there}/{manifest[name]['sha256']}", str(draft))
            with draft.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != manifest[name]["sha256"]:
                    raise Damaged(f"{name} of {kind} {key} is damaged.")
            draft.replace(folder / name)
        finally:
            draft.unlink(missing_ok=True)
    for name in _knows(known)[1].keys() - manifest.keys():  # what was there is gone there
        (folder / Path(name).name).unlink(missing_ok=True)
    if kind == DATA and _is_stone(manifest):
        _forget(key, upload)
    _know(kind, key, manifest)
    return True


# --- away -----------------------------------------------------------------------------------------


def _is_away() -> bool:
    return time.monotonic() - _failed.get(address(), -1e9) < AWAY_SECONDS


def _warn(what: str, error: Exception) -> None:
    if not isinstance(error, (FileNotFoundError, Damaged)):  # else it did answer
        _failed[address()] = time.monotonic()
    told = str(error).strip().splitlines() or [""]
    logging.warning("THAW_ARTIFACTS: %s (%s: %s).", what, type(error).__name__, told[0])


def _enter() -> None:
    """Raises `Away` where the mark was seen and is not there. Makes it where it never was."""
    files, root = _system(address())
    seen = home() / "artifacts" / f"seen.{_at()}"
    if not files.exists(f"{root}/{MARK}"):
        if seen.exists():
            raise Away(f"no file {MARK!r} there any more; if it is the right place, make one")
        if not BUCKETS & {*_protocols(files)}:
            files.makedirs(root, exist_ok=True)
        files.pipe_file(f"{root}/{MARK}", b"What Thaw's app servers share. Leave this file here.")
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.touch()


# --- where ----------------------------------------------------------------------------------------


def _at() -> str:
    """Tells this address from others; it may hold a password, so it is not written down."""
    return hashlib.sha256(address().rstrip("/").encode()).hexdigest()[:16]


@cache
def _system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # here: pages without an address need not wait for it

    options = {"config_kwargs": S3} if url.startswith("s3:") else {}
    files, root = url_to_fs(url, use_listings_cache=False, **options)
    if options:
        files.retries = S3_TRIES
    return files, root.rstrip("/")


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _there(kind: str, key: str) -> tuple[Any, str]:
    files, root = _system(address())
    return files, f"{root}/{kind}/{key}"


def _manifest(files: Any, there: str) -> dict[str, Any] | None:
    try:
        return json.loads(files.cat_file(f"{there}/{MANIFEST}"))
    except FileNotFoundError:
        return None


def _listed(files: Any, there: str) -> set[str]:
    try:
        names = files.ls(there, detail=False)
    except FileNotFoundError:  # an object store has no folders, so none that is empty
        return set()
    return {name.rstrip("/").rpartition("/")[2] for name in names}


def _note(what: str, kind: str, key: str) -> Path:
    return _known(kind, key).with_name(f"{what}.{kind}.{key}")


def _noted(what: str, kind: str, key: str) -> Path:
    """The note, written anew."""
    note = _note(what, kind, key)
    note.write_text(secrets.token_hex(4))
    return note


def _know(kind: str, key: str, manifest: dict[str, Any]) -> None:
    told = json.dumps({"at": _at(), "files": manifest})
    write_text(_known(kind, key), told, apart=True)


def _knows(known: Path) -> tuple[str, dict[str, Any]]:
    """(which place, manifest) of a copy; ("", {}) of what is no copy."""
    try:
        told = json.loads(known.read_text())
        return told["at"], told["files"]
    except (OSError, ValueError, LookupError):
        return "", {}


def _known(kind: str, key: str) -> Path:
    """The manifest of what lies here and there, and where that is."""
    place = home() / "artifacts" / f"{kind}.{key}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
