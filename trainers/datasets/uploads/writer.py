"""Write imported examples into the files that `dataset` describes: all of them or none."""

import hashlib
import json
import secrets
import shutil
import time
from array import array
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainers.datasets.facts import compute_facts
from trainers.datasets.types import DatasetFacts, DatasetSplits, Split
from trainers.datasets.uploads import near_duplicates
from trainers.datasets.uploads.dataset import StoredExamples
from trainers.datasets.uploads.limits import (
    MAX_CLASS_CHARS,
    MAX_CLASSES,
    MAX_GROUPS,
    MAX_USED_EXAMPLES,
    BadUpload,
    format_names,
    sanitize_line,
)
from trainers.datasets.uploads.split import select_usable_rows, split_by_group, split_by_hash
from trainers.datasets.uploads.storage import LOCAL_VISITOR
from trainers.system import object_store
from trainers.system.atomic import fsync_dir, fsync_file
from trainers.system.paths import data_dir

MAX_IMPORT_SECONDS = 24 * 3600  # no import takes so long: what is older was abandoned
MAX_UNUSABLE_NAMES = 100  # names kept of files that could not be used
MAX_LEAKED_SHOWN = 12
UNGROUPED_LABEL = "not given"
MAX_HASH = 2**63 - 1
HASH_MULTIPLIER = 0x9E3779B97F4A7C15 - 2**64  # Fibonacci hashing: spreads small hashes evenly
BLANK, TRUNCATED = 1, 2  # flags: hardly anything in it; its lower part was lost and is grey


class ImageSource(NamedTuple):
    """Properties of a picture's file before it was made smaller."""

    fingerprint: bytes  # for near-duplicates
    width: int
    height: int
    format_index: int
    flags: int  # BLANK | TRUNCATED


class SplitRows(NamedTuple):
    """Which examples are used, on which side, and what a visitor should know about it."""

    test: np.ndarray  # bool (N,), of all examples
    kept: np.ndarray  # bool (N,): not excluded because it leaks
    rows: np.ndarray  # the usable rows, sorted
    near: np.ndarray  # for each of `rows` an id that near-duplicates share
    leaked: np.ndarray  # test rows that were in training, too, or nearly so
    has_own_test: bool  # the upload came with a split
    notices: list[str]


class DatasetWriter:
    """Takes examples one at a time; `finish` splits them and returns the id of the data set.

    Use it as a context manager: until `finish`, the files are in a temporary folder that is
    removed on exit. `folder` is the destination of a catalog download; uploads get a new one.
    """

    def __init__(
        self, modality: str, visitor: str = LOCAL_VISITOR, folder: Path | None = None
    ) -> None:
        self.modality, self.visitor = modality, visitor
        self.noun = "pictures" if modality == "images" else "texts"
        self.target_dir = folder or data_dir() / "data" / secrets.token_urlsafe(12)
        self.id = self.target_dir.name
        self.temp_dir = self.target_dir.with_name(f"{self.id}.part")
        for abandoned in self.temp_dir.parent.glob("*.part"):  # by a process that was killed
            if abandoned.stat().st_mtime < time.time() - MAX_IMPORT_SECONDS:
                shutil.rmtree(abandoned, ignore_errors=True)
        self.temp_dir.mkdir(parents=True, mode=0o700)  # for nobody else on this computer
        self.file = open(self.temp_dir / "examples.bin", "wb")  # noqa: SIM115, closed in __exit__
        # Arrays: a million rows take 25 MB.
        self.offsets, self.labels, self.hashes = array("q", [0]), array("q"), array("q")
        self.is_test, self.fingerprints, self.image_sources = bytearray(), bytearray(), array("l")
        self.unusable: dict[str, tuple[int, list[str]]] = {}  # reason -> (count, names of files)
        self.classes: dict[str, int] = {}  # normalized name -> label
        self.names: list[str] = []  # by label, as written
        self.groups: dict[str, int] = {}  # normalized name -> index
        self.group_indices, self.group_names = array("q"), []
        self.extra_metadata: dict[str, Any] = {}  # more for about.json

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        shutil.rmtree(self.temp_dir, ignore_errors=True)

    def __len__(self) -> int:
        return len(self.labels)

    def add(
        self,
        example: bytes,
        label: str,
        *,
        identity: bytes,
        test: bool = False,
        source: ImageSource | None = None,  # required for pictures
        group: str = "",
    ) -> None:
        """Add an example. Two with the same `identity` are duplicates; `label` is not empty.

        Scores are compared among groups; "" if none was named.
        """
        self.file.write(example)
        self.offsets.append(self.offsets[-1] + len(example))
        self.labels.append(self._label_index(label))
        self.is_test.append(test)
        digest = hashlib.blake2b(identity, digest_size=8).digest()
        self.hashes.append(int.from_bytes(digest, "big") >> 1)
        if source:
            self.fingerprints += source.fingerprint
            self.image_sources.extend(source[1:])
        self.group_indices.append(self._group_index(group))

    def _label_index(self, label: str) -> int:
        name = self._normalize(label)
        if name not in self.classes:
            if len(self.classes) == MAX_CLASSES:
                raise BadUpload(
                    f"There are more than {MAX_CLASSES:,} different labels. Choose another column "
                    "for the labels, or put rare ones together."
                )
            self.classes[name] = len(self.names)
            self.names.append(label)
        return self.classes[name]

    def _group_index(self, group: str) -> int:
        name = self._normalize(group)
        if name not in self.groups:
            if len(self.groups) == MAX_GROUPS:
                raise BadUpload(
                    f"There are more than {MAX_GROUPS} different groups, so each would have too "
                    "few examples to be compared. Choose a column whose values repeat more often, "
                    "or put rare ones together."
                )
            self.groups[name] = len(self.group_names)
            self.group_names.append(group or UNGROUPED_LABEL)
        return self.groups[name]

    def _normalize(self, name: str) -> str:
        name = " ".join(name.split())
        # Folders' names: Windows and macOS take Cats and cats for the same folder.
        return name.casefold() if self.modality == "images" else name

    def finish(self, title: str, notices: list[str]) -> str:
        """Split and store the examples; return the id of the data set.

        Raises `BadUpload` if a test score on them would mean nothing.
        """
        self.file.close()
        title = sanitize_line(title)
        if len(self.names) < 2:
            only = f"only one class, {sanitize_line(self.names[0])!r}" if self.names else "no class"
            raise BadUpload(
                f"{title} has {len(self):,} usable {self.noun} and {only}. To tell things apart "
                "a model needs at least two classes: add examples of another."
            )
        split = self._split()
        order, names = _sort_names(self.names)
        labels = order[np.array(self.labels)]
        train_counts, test_counts = (
            np.bincount(labels[mask], minlength=len(names)).tolist()
            for mask in (split.kept & ~split.test, split.kept & split.test)
        )
        if not sum(test_counts):
            raise BadUpload(
                f"{title} has {len(self):,} usable {self.noun} of {len(names):,} classes: too "
                "few to keep any for a test. Bring at least 3 different ones of each class."
            )
        if sum(map(bool, train_counts)) < 2:
            raise BadUpload(
                f"{title} leaves fewer than two classes to learn from. Put examples of "
                "each class in train, and others in test."
            )
        used_for_test = int(split.test[split.rows].sum())
        sides = (
            ("learn from", train_counts, len(split.rows) - used_for_test),
            ("test on", test_counts, used_for_test),
        )
        self._write_index(labels, split)
        about = {
            "modality": self.modality,
            "title": title,
            "classes": names,
            "train": train_counts,
            "test": test_counts,
            "own_test": split.has_own_test,
            "twins": int((~split.kept).sum()),
            "twins_shown": np.flatnonzero(np.isin(split.rows, split.leaked))[
                :MAX_LEAKED_SHOWN
            ].tolist(),
            "unusable": {
                reason: {
                    "count": count,
                    "names": [sanitize_line(file) for file in files[:MAX_UNUSABLE_NAMES]],
                }
                for reason, (count, files) in self.unusable.items()
            },
            "notices": [*notices, *split.notices, *_shortage_notices(sides, names)],
            **self.extra_metadata,
            "visitor": self.visitor,
            "created": time.time(),
            "bytes": sum(file.stat().st_size for file in self.temp_dir.iterdir()),
        }
        about["facts"] = asdict(self._compute_facts())
        (self.temp_dir / "about.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        self._move_into_place()
        return self.id

    def _split(self) -> SplitRows:
        """Split by content, or check that the upload's own split does not leak."""
        labels, hashes = np.array(self.labels), np.array(self.hashes)
        test = np.frombuffer(self.is_test, dtype=bool)
        kept = np.ones(len(labels), dtype=bool)
        leaked = np.array([], dtype=int)
        notices: list[str] = []
        has_own_test = bool(test.any() and not test.all())
        if has_own_test:
            kept = test | ~np.isin(hashes, hashes[test])
            if duplicates := int((~kept).sum()):
                leaked = np.flatnonzero(test & np.isin(hashes, hashes[~kept]))
                notices.append(
                    f"{duplicates:,} training examples are also in the test: they were left out of "
                    "training, so that the score stays honest."
                )
        else:
            test = split_by_hash(labels, hashes)
        rows = select_usable_rows(labels, hashes, test, kept, MAX_USED_EXAMPLES[self.modality])
        near = self._near_duplicate_ids(hashes, rows)
        if not has_own_test and len(rows) == len(labels):
            test, exceptions = split_by_group(labels, hashes, test, near)
            if len(exceptions):
                names = format_names([self.names[label] for label in exceptions])
                notices.append(
                    f"Nearly all alike: the {self.noun} of {names}. So some in the test are "
                    "nearly the same as some in training, and the score will flatter. Bring more "
                    "varied ones."
                )
        else:
            leaking = ~test[rows] & np.isin(near, near[test[rows]])
            if has_own_test and leaking.any():
                kept[rows[leaking]] = False
                notices.append(
                    f"{leaking.sum():,} training examples are nearly the same as one in the test: "
                    "they were left out of training as well."
                )
                leaked = np.union1d(leaked, rows[test[rows] & np.isin(near, near[leaking])])
            rows, near = rows[~leaking], near[~leaking]
        return SplitRows(test, kept, rows, near, leaked, has_own_test, notices)

    def _near_duplicate_ids(self, hashes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return an id, int64, for each of `rows` that near-duplicates share; the hash if none."""
        unique, first, inverse = np.unique(hashes[rows], return_index=True, return_inverse=True)
        first_rows = rows[first]
        if self.modality == "images":
            fingerprints = np.frombuffer(self.fingerprints, dtype=np.uint8)
            fingerprints = fingerprints.reshape(-1, near_duplicates.FINGERPRINT_BYTES)
            group = near_duplicates.group_similar_images(fingerprints[first_rows])
        else:
            offsets = np.array(self.offsets)
            texts = self._examples(offsets[first_rows], offsets[first_rows + 1])
            group = near_duplicates.group_similar_texts(texts)
        ids = unique[group]
        has_others = np.bincount(group, minlength=len(group))[group] > 1
        # Mixed: the id would be the smallest hash of the group, and small ones go into the test.
        ids[has_others] = (ids[has_others] * HASH_MULTIPLIER) & MAX_HASH
        return ids[inverse]

    def _examples(self, starts: np.ndarray, ends: np.ndarray) -> StoredExamples:
        return StoredExamples(self.modality, self.temp_dir / "examples.bin", starts, ends)

    def _write_index(self, labels: np.ndarray, split: SplitRows) -> None:
        rows, offsets = split.rows, np.array(self.offsets)
        index = {
            "labels": labels[rows],
            "test": split.test[rows],
            "same": np.array(self.hashes)[rows],
            "near": split.near,
            "starts": offsets[:-1][rows],
            "ends": offsets[1:][rows],
        }
        if self.image_sources:
            widths, heights, formats, flags = np.array(self.image_sources).reshape(-1, 4)[rows].T
            index |= {"widths": widths.astype(np.int32), "heights": heights.astype(np.int32)}
            index |= {"kinds": formats.astype(np.uint8), "marks": flags.astype(np.uint8)}
        if any(self.groups):  # at least one was named
            order, group_names = _sort_names(self.group_names)
            index["groups"] = order[np.array(self.group_indices)[rows]]
            self.extra_metadata["groups"] = group_names
        np.savez(self.temp_dir / "index.npz", **index)

    def _compute_facts(self) -> DatasetFacts:
        with np.load(self.temp_dir / "index.npz", allow_pickle=False) as index:
            rows = np.flatnonzero(~index["test"])
            starts, ends, labels = (index[name][rows] for name in ("starts", "ends", "labels"))
        split = Split(self._examples(starts, ends), labels)
        return compute_facts(DatasetSplits(self.modality, (), split, split))

    def _move_into_place(self) -> None:
        for file in self.temp_dir.iterdir():  # durable before it has its name: see system/atomic.py
            fsync_file(file)
        fsync_dir(self.temp_dir)
        if self.target_dir.exists():  # the tombstone of a download that was deleted
            shutil.rmtree(self.target_dir)
        self.temp_dir.rename(self.target_dir)
        fsync_dir(self.target_dir.parent)
        if self.target_dir.parent == data_dir() / "data":
            object_store.upload(object_store.DATA, self.id)


def _shortage_notices(sides: tuple[tuple[str, list[int], int], ...], names: list[str]) -> list[str]:
    """Return notices about missing classes and limits; `sides` are (purpose, counts, used)."""
    notices = []
    for purpose, counts, _ in sides:
        missing = [name for name, count in zip(names, counts, strict=True) if not count]
        if missing:
            notices.append(f"No examples to {purpose} of: {format_names(missing)}.")
    for purpose, counts, used in sides:
        if sum(counts) > used:
            notices.append(
                f"Of {sum(counts):,} examples to {purpose}, a fixed choice of {used:,} is used."
            )
    return notices


def _sort_names(names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return each name's rank, int64 (N,), and the sorted names, shortened but still distinct."""
    sorted_indices = sorted(range(len(names)), key=lambda index: names[index])
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted_indices] = np.arange(len(names))
    distinct: dict[str, None] = {}
    for index in sorted_indices:
        name, number = sanitize_line(names[index]) or "?", 1
        while name in distinct:
            number += 1
            suffix = f" ({number})"
            name = sanitize_line(names[index], MAX_CLASS_CHARS - len(suffix)) + suffix
        distinct[name] = None
    return ranks, list(distinct)
