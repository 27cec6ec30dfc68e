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
from trainers.system.atomic import atomic_write
from trainers.system.feature_cache import import_file, is_deleted
from trainers.system.paths import data_dir, run_dir
from trainers.training.checkpoint_file import CHECKPOINT_FILE

MAX_OBJECT_STORE_BYTES = (
    2_000_000_000  # held for runs to come, here; what no node has read lies on the disk
)
# On a node, of what is everybody's; the longest unused goes, but nothing that a run may be just
# about to take. Both ours.
MAX_NODE_CACHE_BYTES, MIN_CACHE_AGE_SECONDS = 2_000_000_000, 600


class SourceFile(NamedTuple):
    """A file that a job needs."""

    path: Path
    root: str  # a key of PLACES
    name: str  # below that, with /
    private: bool  # a visitor's own, or made of it


class FileRef(NamedTuple):
    """The same on its way."""

    root: str
    name: str
    private: bool
    size: int
    digest: str  # of what it holds; "" of what is private
    object_ref: Any  # in the object store


ROOTS: dict[str, Callable[[], Path]] = {
    "home": data_dir,
    "torch": cache.torch_hub_path,
    "hub": cache.hf_hub_path,
}


# --- where the app is -----------------------------------------------------------------------------


def list_needed_files(
    job: Any, run: str = "", *, with_cached_features: bool = True
) -> Iterator[SourceFile]:
    """The files that `job` needs; with the id of a `run`, where that stands. `known`: with the
    features that earlier runs have left."""
    data = getattr(job, "data", "")
    if data and isinstance(datasets.get_dataset(data), dataset.StoredDataset):
        folder = dataset.dataset_dir(data)
        yield from _list_folder(
            folder, folder.relative_to(data_dir()).as_posix(), data.startswith("own-")
        )
    if data and with_cached_features:
        yield from _list_folder(
            data_dir() / "features" / data, f"features/{data}", data.startswith("own-")
        )
    if getattr(job, "backbone", ""):
        yield from _list_weights(backbones.pick(job.backbone))
    if run and (kept := run_dir(run) / CHECKPOINT_FILE).is_file():
        yield SourceFile(kept, "home", f"runs/{run}/{CHECKPOINT_FILE}", True)


def _list_folder(folder: Path, name: str, private: bool) -> Iterator[SourceFile]:
    for file in sorted(folder.glob("*")):
        if file.is_file() and file.suffix != ".part":
            yield SourceFile(file, "home", f"{name}/{file.name}", private)


def _list_weights(row: backbones.Backbone) -> Iterator[SourceFile]:
    if row.weights_file and cache.is_downloaded(row):
        yield SourceFile(
            cache.torch_hub_path() / row.weights_file, "torch", row.weights_file, False
        )
    if row.repo and (snapshot := cache.find_snapshot(row)):
        below = snapshot.relative_to(cache.hf_hub_path()).as_posix()
        for file in sorted(snapshot.rglob("*")):
            if file.is_file():
                name = file.relative_to(snapshot).as_posix()
                yield SourceFile(file, "hub", f"{below}/{name}", False)


class ObjectStoreCache:
    """What was put into the object store by `put`: each content once, the longest unused is let
    go. Not safe for several threads at once."""

    def __init__(self, put: Callable[[np.ndarray], Any]) -> None:
        self.put = put
        self._refs: OrderedDict[tuple, FileRef] = OrderedDict()

    def pack(self, files: Iterator[SourceFile]) -> list[FileRef]:
        """The files as parcels; one that was deleted in this moment is left out."""
        return [parcel for file in files if (parcel := self._file_ref(file))]

    def _file_ref(self, file: SourceFile) -> FileRef | None:
        try:
            about = file.path.stat()
            key = file.path, about.st_mtime_ns, about.st_size, about.st_ino
            if key not in self._refs:
                found = np.fromfile(file.path, np.uint8)
                digest = "" if file.private else hashlib.blake2b(found, digest_size=16).hexdigest()
                self._refs[key] = FileRef(*file[1:], len(found), digest, self.put(found))
        except OSError:
            return None
        self._refs.move_to_end(key)
        return self._refs[key]

    def evict(self) -> None:
        """Of what was deleted or changed, and of the longest unused beyond `MOST_BYTES`."""
        taken = 0
        for key in reversed(list(self._refs)):
            path, mtime, *_ = key
            taken += self._refs[key].size
            try:
                same = path.stat().st_mtime_ns == mtime
            except OSError:
                same = False
            if not same or taken > MAX_OBJECT_STORE_BYTES:
                del self._refs[key]


class Artifact(NamedTuple):
    """A file that a job left on a node."""

    name: str  # below the home of the run
    data: np.ndarray  # uint8


def save_artifact(left: Artifact, run: str) -> None:
    """Keeps what came back where a run here would have left it, whole or not at all. Raises
    `OSError`."""
    kind, _, rest = left.name.partition("/")
    below, _, name = rest.partition("/")
    if "/" in name or name in ("", ".", ".."):
        raise ValueError(f"A node sent a file called {left.name!r}.")
    if kind == "features" and not is_deleted(below):
        import_file(below, name, left.data)
    elif kind == "runs" and below == run:
        write(left.data, run_dir(run) / name)


def write(data: np.ndarray, file: Path) -> None:
    """Leaves `data` in `file`, whole or not at all. Raises `OSError`."""
    with atomic_write(file, apart=True) as draft:
        draft.write_bytes(data)


# --- on a node ------------------------------------------------------------------------------------


@contextmanager
def sandbox(parcels: list[FileRef], get: Callable[[Any], np.ndarray]) -> Iterator[Path]:
    """A home for one run, with all that it needs; gone after it. `THAW_HOME` says where."""
    before, base = os.environ.get("THAW_HOME"), data_dir()
    place = _create_sandbox(base / "nodes")
    try:
        for parcel in parcels:
            _materialize(parcel, get, place, base / "carried")
        _evict_node_cache(base / "carried")
        os.environ["THAW_HOME"] = str(place)
        yield place
    finally:
        os.environ.pop("THAW_HOME", None)
        if before is not None:
            os.environ["THAW_HOME"] = before
        shutil.rmtree(place, ignore_errors=True)


def _create_sandbox(folder: Path) -> Path:
    """A folder for nobody else."""
    _remove_stale_sandboxes(folder)
    place = folder / f"{_host_digest()}-{os.getpid()}-{secrets.token_hex(4)}"
    place.mkdir(parents=True, mode=0o700)
    return place


def _remove_stale_sandboxes(folder: Path) -> None:
    """Those of processes that were killed on this computer go."""
    for left in folder.glob(f"{_host_digest()}-*"):
        pid = int(left.name.split("-")[1])
        if pid != os.getpid() and not psutil.pid_exists(pid):
            shutil.rmtree(left, ignore_errors=True)


def _host_digest() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def clean_sandboxes(seconds: float) -> None:
    """What killed processes left here goes; for so long also that of one that is just ending."""
    until = time.monotonic() + seconds
    while True:
        _remove_stale_sandboxes(data_dir() / "nodes")
        if time.monotonic() > until:
            return
        time.sleep(1)


def _materialize(
    parcel: FileRef, get: Callable[[Any], np.ndarray], place: Path, carried: Path
) -> None:
    if parcel.root != "home":
        file = ROOTS[parcel.root]() / parcel.name
        if not file.is_file() or file.stat().st_size != parcel.size:
            write(get(parcel.object_ref), file)
        return
    file = place / parcel.name
    if parcel.private:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(get(parcel.object_ref))
        return
    kept = carried / parcel.digest
    if not kept.is_file():
        write(get(parcel.object_ref), kept)
    os.utime(kept)  # so that what is used stays
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(kept, file)
    except OSError:  # a disk that cannot
        shutil.copy2(kept, file)


def _evict_node_cache(carried: Path) -> None:
    """Runs have files of their own by now: links, or copies."""
    there, now, taken = [], time.time(), 0
    for file in carried.glob("*"):
        with suppress(OSError):  # another run on this node was quicker
            there.append((file.stat().st_mtime, file.stat().st_size, file))
    for used, size, file in sorted(there, reverse=True):
        taken += size
        if taken > MAX_NODE_CACHE_BYTES and now - used > MIN_CACHE_AGE_SECONDS:
            with suppress(OSError):
                file.unlink()


def list_artifacts(place: Path, parcels: list[FileRef]) -> Iterator[Artifact]:
    """What a run has left in its home, beside what it was given and where it stood."""
    given = {parcel.name for parcel in parcels}
    for kind in ("features", "runs"):
        for file in sorted((place / kind).glob("*/*")):
            name = file.relative_to(place).as_posix()
            if file.is_file() and name not in given and file.name != CHECKPOINT_FILE:
                yield Artifact(name, np.fromfile(file, np.uint8))
