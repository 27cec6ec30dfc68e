"""What a job needs beside Thaw's own code, carried to the nodes of a cluster, and what it leaves,
carried back.

Files travel through Ray's object store: each once to a node, however many runs use it there. What
is a visitor's own lies on a node's disk only while a run uses it, in a folder of that run's own;
so what is deleted is gone there, too (what a killed process left, with the next run on its node).
What is everybody's stays: downloaded weights where torch and Hugging Face's libraries look for
them; downloaded data and features of it by their content under the node's home, as long as there is
room.
"""

import hashlib
import os
import secrets
import shutil
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from trainers import backbones, datasets
from trainers.backbones import cache
from trainers.datasets.uploads import dataset
from trainers.system.atomic import whole
from trainers.system.feature_cache import is_gone, take
from trainers.system.paths import home, run_folder
from trainers.training.checkpoint_file import CHECKPOINT

MOST_BYTES = 2_000_000_000  # held for runs to come, here; what no node has read lies on the disk
# On a node, of what is everybody's; the longest unused goes, but nothing that a run may be just
# about to take. Both ours.
MOST_CARRIED_BYTES, FRESH_SECONDS = 2_000_000_000, 600


class File(NamedTuple):
    """A file that a job needs."""

    path: Path
    under: str  # a key of PLACES
    name: str  # below that, with /
    private: bool  # a visitor's own, or made of it


class Parcel(NamedTuple):
    """The same on its way."""

    under: str
    name: str
    private: bool
    size: int
    digest: str  # of what it holds; "" of what is private
    bytes: Any  # in the object store


PLACES: dict[str, Callable[[], Path]] = {
    "home": home,
    "torch": cache.checkpoints,
    "hub": cache.hub_cache,
}


# --- where the app is -----------------------------------------------------------------------------


def needed(job: Any, run: str = "", *, known: bool = True) -> Iterator[File]:
    """The files that `job` needs; with the id of a `run`, where that stands. `known`: with the
    features that earlier runs have left."""
    data = getattr(job, "data", "")
    if data and isinstance(datasets.pick(data), dataset.Stored):
        folder = dataset.folder(data)
        yield from _in(folder, folder.relative_to(home()).as_posix(), data.startswith("own-"))
    if data and known:
        yield from _in(home() / "features" / data, f"features/{data}", data.startswith("own-"))
    if getattr(job, "backbone", ""):
        yield from _weights(backbones.pick(job.backbone))
    if run and (kept := run_folder(run) / CHECKPOINT).is_file():
        yield File(kept, "home", f"runs/{run}/{CHECKPOINT}", True)


def _in(folder: Path, name: str, private: bool) -> Iterator[File]:
    for file in sorted(folder.glob("*")):
        if file.is_file() and file.suffix != ".part":
            yield File(file, "home", f"{name}/{file.name}", private)


def _weights(row: backbones.Backbone) -> Iterator[File]:
    if row.file and cache.is_here(row):
        yield File(cache.checkpoints() / row.file, "torch", row.file, False)
    if row.repo and (snapshot := cache.snapshot(row)):
        below = snapshot.relative_to(cache.hub_cache()).as_posix()
        for file in sorted(snapshot.rglob("*")):
            if file.is_file():
                name = file.relative_to(snapshot).as_posix()
                yield File(file, "hub", f"{below}/{name}", False)


class Hold:
    """What was put into the object store by `put`: each content once, the longest unused is let
    go. Not safe for several threads at once."""

    def __init__(self, put: Callable[[np.ndarray], Any]) -> None:
        self.put = put
        self._held: OrderedDict[tuple, Parcel] = OrderedDict()

    def pack(self, files: Iterator[File]) -> list[Parcel]:
        """The files as parcels; one that was deleted in this moment is left out."""
        return [parcel for file in files if (parcel := self._parcel(file))]

    def _parcel(self, file: File) -> Parcel | None:
        try:
            about = file.path.stat()
            key = file.path, about.st_mtime_ns, about.st_size, about.st_ino
            if key not in self._held:
                found = np.fromfile(file.path, np.uint8)
                digest = "" if file.private else hashlib.blake2b(found, digest_size=16).hexdigest()
                self._held[key] = Parcel(*file[1:], len(found), digest, self.put(found))
        except OSError:
            return None
        self._held.move_to_end(key)
        return self._held[key]

    def let_go(self) -> None:
        """Of what was deleted or changed, and of the longest unused beyond `MOST_BYTES`."""
        taken = 0
        for key in reversed(list(self._held)):
            path, mtime, *_ = key
            taken += self._held[key].size
            try:
                same = path.stat().st_mtime_ns == mtime
            except OSError:
                same = False
            if not same or taken > MOST_BYTES:
                del self._held[key]


class Left(NamedTuple):
    """A file that a job left on a node."""

    name: str  # below the home of the run
    bytes: np.ndarray  # uint8


def bring_in(left: Left, run: str) -> None:
    """Keeps what came back where a run here would have left it, whole or not at all. Raises
    `OSError`."""
    kind, _, rest = left.name.partition("/")
    below, _, name = rest.partition("/")
    if "/" in name or name in ("", ".", ".."):
        raise ValueError(f"A node sent a file called {left.name!r}.")
    if kind == "features" and not is_gone(below):
        take(below, name, left.bytes)
    elif kind == "runs" and below == run:
        write(left.bytes, run_folder(run) / name)


def write(data: np.ndarray, file: Path) -> None:
    """Leaves `data` in `file`, whole or not at all. Raises `OSError`."""
    with whole(file, apart=True) as draft:
        draft.write_bytes(data)


# --- on a node ------------------------------------------------------------------------------------


@contextmanager
def unpacked(parcels: list[Parcel], get: Callable[[Any], np.ndarray]) -> Iterator[Path]:
    """A home for one run, with all that it needs; gone after it. `THAW_HOME` says where."""
    before, base = os.environ.get("THAW_HOME"), home()
    place = _own_place(base / "nodes")
    try:
        for parcel in parcels:
            _lay(parcel, get, place, base / "carried")
        _make_room(base / "carried")
        os.environ["THAW_HOME"] = str(place)
        yield place
    finally:
        os.environ.pop("THAW_HOME", None)
        if before is not None:
            os.environ["THAW_HOME"] = before
        shutil.rmtree(place, ignore_errors=True)


def _own_place(folder: Path) -> Path:
    """A folder for nobody else."""
    _sweep(folder)
    place = folder / f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    place.mkdir(parents=True, mode=0o700)
    return place


def _sweep(folder: Path) -> None:
    """Those of processes that were killed on this computer go."""
    for left in folder.glob(f"{_host()}-*"):
        pid = int(left.name.split("-")[1])
        if pid != os.getpid() and not psutil.pid_exists(pid):
            shutil.rmtree(left, ignore_errors=True)


def _host() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def swept(seconds: float) -> None:
    """What killed processes left here goes; for so long also that of one that is just ending."""
    until = time.monotonic() + seconds
    while True:
        _sweep(home() / "nodes")
        if time.monotonic() > until:
            return
        time.sleep(1)


def _lay(parcel: Parcel, get: Callable[[Any], np.ndarray], place: Path, carried: Path) -> None:
    if parcel.under != "home":
        file = PLACES[parcel.under]() / parcel.name
        if not file.is_file() or file.stat().st_size != parcel.size:
            write(get(parcel.bytes), file)
        return
    file = place / parcel.name
    if parcel.private:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(get(parcel.bytes))
        return
    kept = carried / parcel.digest
    if not kept.is_file():
        write(get(parcel.bytes), kept)
    os.utime(kept)  # so that what is used stays
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(kept, file)
    except OSError:  # a disk that cannot
        shutil.copy2(kept, file)


def _make_room(carried: Path) -> None:
    """Runs have files of their own by now: links, or copies."""
    there, now, taken = [], time.time(), 0
    for file in carried.glob("*"):
        with suppress(OSError):  # another run on this node was quicker
            there.append((file.stat().st_mtime, file.stat().st_size, file))
    for used, size, file in sorted(there, reverse=True):
        taken += size
        if taken > MOST_CARRIED_BYTES and now - used > FRESH_SECONDS:
            with suppress(OSError):
                file.unlink()


def left_in(place: Path, parcels: list[Parcel]) -> Iterator[Left]:
    """What a run has left in its home, beside what it was given and where it stood."""
    given = {parcel.name for parcel in parcels}
    for kind in ("features", "runs"):
        for file in sorted((place / kind).glob("*/*")):
            name = file.relative_to(place).as_posix()
            if file.is_file() and name not in given and file.name != CHECKPOINT:
                yield Left(name, np.fromfile(file, np.uint8))
