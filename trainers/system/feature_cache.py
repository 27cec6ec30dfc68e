"""Features of frozen backbones on disk, so that a second run on the same data skips the backbone.

Content-addressed: keyed by a hash of the raw examples and of the backbone's weights. One file holds
what one pass computed, so that a hit equals bit for bit what would be computed. The folder
`features/<data>/` is deleted together with the data. Nothing here needs torch.
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

MAX_BYTES = 500_000_000  # of all data sets together; the least recently used are deleted
FORMAT_VERSION = 1  # of the files, and of how features are computed


def to_bytes(example: Any) -> bytes:
    """Return the bytes to hash of an example: a text, or an image uint8 (H, W, 3)."""
    if isinstance(example, str):
        return b"text" + example.encode("utf-8", "surrogatepass")
    return repr(example.shape).encode() + np.ascontiguousarray(example).tobytes()


def content_digests(inputs: Any, items: Iterable[int]) -> list[bytes]:
    """Return a digest of each example with an index in `items`; encoded files are not decoded."""
    bytes_of = getattr(inputs, "read_bytes", None) or (lambda item: to_bytes(inputs[item]))
    return [hashlib.blake2b(bytes_of(item), digest_size=16).digest() for item in items]


class FeatureCache:
    """The cached features of one data set by one backbone, identified by `network`."""

    def __init__(self, data: str, network: str) -> None:
        self.data, self.network = data, network
        self.folder = data_dir() / "features" / data

    def _path(self, examples: Iterable[bytes], mirrored: bool) -> Path:
        digest = hashlib.blake2b(
            repr((FORMAT_VERSION, self.network, mirrored)).encode(), digest_size=20
        )
        for example in examples:
            digest.update(example)
        return self.folder / f"{digest.hexdigest()}.npy"

    def get(self, examples: list[bytes], *, mirrored: bool) -> np.ndarray | None:
        """Return the features, float32 (n, F), of exactly these examples in this order, or None."""
        file = self._path(examples, mirrored)
        try:
            features = np.load(file, allow_pickle=False)
            os.utime(file)  # used now, so it is evicted later
        except (OSError, ValueError, EOFError):
            return None
        return features if features.ndim == 2 and len(features) == len(examples) else None

    def put(self, examples: list[bytes], features: np.ndarray, *, mirrored: bool) -> None:
        """Save features atomically, unless the data was deleted meanwhile.

        On a full disk nothing is saved and nothing raised: a second run computes them again.
        """
        file = self._path(examples, mirrored)
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with atomic_write(file, apart=True) as draft, open(draft, "wb") as out:
                np.save(out, features, allow_pickle=False)
            _evict()
        if is_deleted(self.data):
            delete(self.data)


def import_file(data: str, name: str, features: np.ndarray) -> None:
    """Save a file of features, as bytes, that a run on another computer has computed."""
    file = data_dir() / "features" / data / name
    draft = file.with_suffix(f"{unique_suffix()}{PARTIAL_SUFFIX}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_bytes(features)
        draft.replace(file)
        _evict()
    except OSError:  # a second run computes them again
        draft.unlink(missing_ok=True)
    if is_deleted(data):
        delete(data)


def is_deleted(data: str) -> bool:
    """Return whether `data` is an upload whose examples were deleted."""
    prefix, _, upload = data.partition("own-")
    return not prefix and not (data_dir() / "data" / upload / "examples.bin").exists()


def delete(data: str) -> None:
    """Delete the cached features of `data`."""
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
    total = 0
    for _, size, file in files:
        total += size
        if total > MAX_BYTES:
            file.unlink(missing_ok=True)
