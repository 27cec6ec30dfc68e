"""Ship the files that a job needs to the nodes of a cluster, and its artifacts back.

Files travel through Ray's object store: each once to a node, however many runs use it there. A
visitor's data is on a node's disk only while a run uses it, in that run's sandbox, so that deleted
data is gone there, too (files of a killed process are deleted by the next run on the node). Public
files stay: downloaded weights where torch and Hugging Face's libraries look for them; downloaded
data and its features by content in the node's data folder, as long as there is room.
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
from trainers.datasets.uploads import StoredDataset
from trainers.datasets.uploads.storage import dataset_dir
from trainers.system.atomic import atomic_write
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.feature_cache import import_file, is_deleted
from trainers.system.paths import data_dir, run_dir

MAX_OBJECT_STORE_BYTES = 2_000_000_000  # held here for later runs
MAX_NODE_CACHE_BYTES = 2_000_000_000  # of public files on a node; the least recently used go
MIN_CACHE_AGE_SECONDS = 600  # a file used more recently stays: a run may be about to read it


class SourceFile(NamedTuple):
    """A file that a job needs."""

    path: Path
    root: str  # a key of ROOTS
    name: str  # relative to the root, with /
    private: bool  # a visitor's data, or made of it


class FileRef(NamedTuple):
    """A `SourceFile` on its way, in Ray's object store."""

    root: str
    name: str
    private: bool
    size: int
    digest: str  # of the content; "" if private
    object_ref: Any


ROOTS: dict[str, Callable[[], Path]] = {
    "home": data_dir,
    "torch": cache.torch_hub_path,
    "hub": cache.hf_hub_path,
}


# --- beside the app -------------------------------------------------------------------------------


def list_needed_files(
    job: Any, run: str = "", *, with_cached_features: bool = True
) -> Iterator[SourceFile]:
    """Yield the files that `job` needs, and the checkpoint of `run`."""
    data = getattr(job, "data", "")
    if data and isinstance(datasets.get_dataset(data), StoredDataset):
        folder = dataset_dir(data)
        yield from _list_folder(
            folder, folder.relative_to(data_dir()).as_posix(), data.startswith("own-")
        )
    if data and with_cached_features:
        yield from _list_folder(
            data_dir() / "features" / data, f"features/{data}", data.startswith("own-")
        )
    if getattr(job, "backbone", ""):
        yield from _list_weights(backbones.pick(job.backbone))
    if run and (checkpoint := run_dir(run) / CHECKPOINT_FILE).is_file():
        yield SourceFile(checkpoint, "home", f"runs/{run}/{CHECKPOINT_FILE}", True)


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
    """The files in the object store, each once; `put` puts an array there. Not thread-safe."""

    def __init__(self, put: Callable[[np.ndarray], Any]) -> None:
        self.put = put
        self._refs: OrderedDict[tuple, FileRef] = OrderedDict()

    def pack(self, files: Iterator[SourceFile]) -> list[FileRef]:
        """Return references to the files, without those that were deleted meanwhile."""
        return [ref for file in files if (ref := self._file_ref(file))]

    def _file_ref(self, file: SourceFile) -> FileRef | None:
        try:
            stat = file.path.stat()
            key = file.path, stat.st_mtime_ns, stat.st_size, stat.st_ino
            if key not in self._refs:
                data = np.fromfile(file.path, np.uint8)
                digest = "" if file.private else hashlib.blake2b(data, digest_size=16).hexdigest()
                self._refs[key] = FileRef(*file[1:], len(data), digest, self.put(data))
        except OSError:
            return None
        self._refs.move_to_end(key)
        return self._refs[key]

    def evict(self) -> None:
        """Release changed and deleted files, and the least recently used beyond the limit."""
        total = 0
        for key in reversed(list(self._refs)):
            path, mtime, *_ = key
            total += self._refs[key].size
            try:
                is_same = path.stat().st_mtime_ns == mtime
            except OSError:
                is_same = False
            if not is_same or total > MAX_OBJECT_STORE_BYTES:
                del self._refs[key]


class Artifact(NamedTuple):
    """A file that a job wrote on a node."""

    name: str  # relative to the sandbox
    data: np.ndarray  # uint8


def save_artifact(artifact: Artifact, run: str) -> None:
    """Save the file where a run on this computer would have written it. Raises `OSError`."""
    kind, _, rest = artifact.name.partition("/")
    below, _, name = rest.partition("/")
    if "/" in name or name in ("", ".", ".."):
        raise ValueError(f"A node sent a file called {artifact.name!r}.")
    if kind == "features" and not is_deleted(below):
        import_file(below, name, artifact.data)
    elif kind == "runs" and below == run:
        write(artifact.data, run_dir(run) / name)


def write(data: np.ndarray, file: Path) -> None:
    """Write `data` to `file` atomically. Raises `OSError`."""
    with atomic_write(file, apart=True) as draft:
        draft.write_bytes(data)


# --- on a node ------------------------------------------------------------------------------------


@contextmanager
def sandbox(files: list[FileRef], get: Callable[[Any], np.ndarray]) -> Iterator[Path]:
    """Make `THAW_HOME` a data folder with the run's files; delete it afterwards."""
    previous, base = os.environ.get("THAW_HOME"), data_dir()
    place = _create_sandbox(base / "nodes")
    try:
        for file in files:
            _materialize(file, get, place, base / "carried")
        _evict_node_cache(base / "carried")
        os.environ["THAW_HOME"] = str(place)
        yield place
    finally:
        os.environ.pop("THAW_HOME", None)
        if previous is not None:
            os.environ["THAW_HOME"] = previous
        shutil.rmtree(place, ignore_errors=True)


def _create_sandbox(folder: Path) -> Path:
    """Create a folder that only this user can read."""
    _remove_stale_sandboxes(folder)
    place = folder / f"{_host_digest()}-{os.getpid()}-{secrets.token_hex(4)}"
    place.mkdir(parents=True, mode=0o700)
    return place


def _remove_stale_sandboxes(folder: Path) -> None:
    """Delete the sandboxes of processes that were killed on this computer."""
    for stale in folder.glob(f"{_host_digest()}-*"):
        pid = int(stale.name.split("-")[1])
        if pid != os.getpid() and not psutil.pid_exists(pid):
            shutil.rmtree(stale, ignore_errors=True)


def _host_digest() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def clean_sandboxes(seconds: float) -> None:
    """Delete sandboxes of killed processes, for `seconds`: one may be just ending."""
    until = time.monotonic() + seconds
    while True:
        _remove_stale_sandboxes(data_dir() / "nodes")
        if time.monotonic() > until:
            return
        time.sleep(1)


def _materialize(
    ref: FileRef, get: Callable[[Any], np.ndarray], place: Path, carried: Path
) -> None:
    if ref.root != "home":
        file = ROOTS[ref.root]() / ref.name
        if not file.is_file() or file.stat().st_size != ref.size:
            write(get(ref.object_ref), file)
        return
    file = place / ref.name
    if ref.private:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(get(ref.object_ref))
        return
    cached = carried / ref.digest
    if not cached.is_file():
        write(get(ref.object_ref), cached)
    os.utime(cached)  # used now, so it is evicted later
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(cached, file)
    except OSError:  # a file system without links
        shutil.copy2(cached, file)


def _evict_node_cache(carried: Path) -> None:
    """Delete the least recently used public files; runs have links or copies of theirs."""
    files, now, total = [], time.time(), 0
    for file in carried.glob("*"):
        with suppress(OSError):  # another run on this node deleted it
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    for used, size, file in sorted(files, reverse=True):
        total += size
        if total > MAX_NODE_CACHE_BYTES and now - used > MIN_CACHE_AGE_SECONDS:
            with suppress(OSError):
                file.unlink()


def list_artifacts(place: Path, files: list[FileRef]) -> Iterator[Artifact]:
    """Yield the files that a run wrote to its sandbox, without its checkpoint."""
    shipped = {file.name for file in files}
    for kind in ("features", "runs"):
        for file in sorted((place / kind).glob("*/*")):
            name = file.relative_to(place).as_posix()
            if file.is_file() and name not in shipped and file.name != CHECKPOINT_FILE:
                yield Artifact(name, np.fromfile(file, np.uint8))
