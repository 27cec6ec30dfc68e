"""Frozen features kept on disk, so that a second run on the same data starts at its last layer.

Kept by content: what the examples are, byte for byte, and the weights that looked at them. A piece
is what one pass computed together, so that what is found is, bit for bit, what would be computed.
`home()/features/<data>/` goes when the data goes. Nothing here needs torch.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from trainers.system.atomic import PARTIAL_SUFFIX, atomic_write, unique_suffix
from trainers.system.paths import data_dir

MAX_BYTES = 500_000_000  # ours: of all data together; the longest unused goes first
FORMAT_VERSION = 1  # of what is kept, and of how it is computed: a newer one is computed anew


def to_bytes(example: Any) -> bytes:
    """What an example is: a text, or a picture uint8 H x W x 3."""
    if isinstance(example, str):
        return b"text" + example.encode("utf-8", "surrogatepass")
    return repr(example.shape).encode() + np.ascontiguousarray(example).tobytes()


def content_digests(inputs: Any, items: Iterable[int]) -> list[bytes]:
    """A digest of each of the examples numbered `items`; nothing is decoded that lies in a file."""
    bytes_of = getattr(inputs, "read_bytes", None) or (lambda item: to_bytes(inputs[item]))
    return [hashlib.blake2b(bytes_of(item), digest_size=16).digest() for item in items]


class FeatureCache:
    """The features of one data set as one network sees it, told apart by `network`."""

    def __init__(self, data: str, network: str) -> None:
        self.data, self.network = data, network
        self.folder = data_dir() / "features" / data

    def _path(self, examples: Iterable[bytes], mirrored: bool) -> Path:
        told = hashlib.blake2b(
            repr((FORMAT_VERSION, self.network, mirrored)).encode(), digest_size=20
        )
        for example in examples:
            told.update(example)
        return self.folder / f"{told.hexdigest()}.npy"

    def get(self, examples: list[bytes], *, mirrored: bool) -> np.ndarray | None:
        """Features, float32 (n, F), of just these, in this order; None where they are not kept."""
        file = self._path(examples, mirrored)
        try:
            found = np.load(file, allow_pickle=False)
            os.utime(file)  # so that what is used stays
        except (OSError, ValueError, EOFError):
            return None
        return found if found.ndim == 2 and len(found) == len(examples) else None

    def put(self, examples: list[bytes], features: np.ndarray, *, mirrored: bool) -> None:
        """Whole or not at all; nothing of data that was deleted meanwhile. A disk that is full
        costs a second run some time, and nothing else."""
        file = self._path(examples, mirrored)
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with atomic_write(file, apart=True) as draft, open(draft, "wb") as out:
                np.save(out, features, allow_pickle=False)
            _evict()
        if is_deleted(self.data):
            delete(self.data)


def import_file(data: str, name: str, features: np.ndarray) -> None:
    """Keeps a file of features, as bytes, that a run on another computer has computed."""
    file = data_dir() / "features" / data / name
    draft = file.with_suffix(f"{unique_suffix()}{PARTIAL_SUFFIX}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_bytes(features)
        draft.replace(file)
        _evict()
    except OSError:  # it costs a second run some time, and nothing else
        draft.unlink(missing_ok=True)
    if is_deleted(data):
        delete(data)


def is_deleted(data: str) -> bool:
    """Whether `data` is an upload whose examples were deleted."""
    prefix, _, upload = data.partition("own-")
    return not prefix and not (data_dir() / "data" / upload / "examples.bin").exists()


def delete(data: str) -> None:
    """Deletes what is kept of `data`."""
    shutil.rmtree(data_dir() / "features" / data, ignore_errors=True)


def _evict() -> None:
    files = []
    for file in (data_dir() / "features").glob("*/*.npy"):
        try:
            about = file.stat()
        except FileNotFoundError:  # deleted meanwhile
            continue
        files.append((about.st_mtime, about.st_size, file))
    files.sort(reverse=True)
    taken = 0
    for _, size, file in files:
        taken += size
        if taken > MAX_BYTES:
            file.unlink(missing_ok=True)
