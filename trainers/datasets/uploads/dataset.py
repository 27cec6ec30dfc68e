"""Uploads as they are kept: one blob of examples, an index, and a JSON that tells about them.

`home()/data/<id>` holds examples.bin (pictures as JPEG or PNG, texts as UTF-8, end to end),
index.npz, about.json and, once the data was looked over, check.json. The index has a row for each
example that a run can use: starts and ends int64 (N,), labels int64 (N,), test bool (N,); same and
near int64 (N,), which doubles and near-duplicates share; groups int64 (N,), where any were named;
of pictures also the widths and heights that they came with int32 (N,), kinds (places in
`images.FORMATS`) and marks (`Seen`) uint8 (N,).
"""

import hashlib
import io
import json
import re
import secrets
import shutil
import time
from array import array
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from trainers.datasets import Dataset, DatasetFacts, DatasetSplits, Split, compute_facts
from trainers.datasets.thumbnails import render_example
from trainers.datasets.uploads import near_duplicates
from trainers.datasets.uploads.limits import (
    MAX_CLASS_CHARS,
    MAX_CLASSES,
    MAX_GROUPS,
    MAX_USED_EXAMPLES,
    TEST_SHARE,
    BadUpload,
    format_names,
    sanitize_line,
)
from trainers.system import feature_cache, object_store
from trainers.system.atomic import fsync_dir, fsync_file, write_text
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey

UPLOAD_KEY = re.compile(r"own-([A-Za-z0-9_-]{8,64})")  # nothing that could lead out of the folder
CATALOG_KEY = re.compile(r"[a-z0-9_]{1,64}")  # of data sets that were downloaded; nor does this
MAX_IMPORT_SECONDS = 24 * 3600  # no reading takes so long
MAX_UNUSABLE_NAMES = 100  # files of an upload that could not be used
MAX_LEAKED_SHOWN = 12
PREVIEW_EXAMPLES, MAX_PREVIEW_EXAMPLES = (
    6,
    20,
)  # examples shown of a data set, more of one with more classes
UNGROUPED_LABEL = "not given"
LOCAL_VISITOR = "terminal"  # the visitor that is whoever sits at this computer
MAX_HASH, HASH_MULTIPLIER = (
    2**63 - 1,
    0x9E3779B97F4A7C15 - 2**64,
)  # every hash; a factor that mixes them
DELETED_MESSAGE = "This data was deleted, so nothing can be run on it any more. Bring it again."
METADATA_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)  # what about.json can do


def dataset_dir(key: str) -> Path:
    """Where the upload, or the downloaded data set, called `key` lies. Raises `UnknownKey`."""
    place = None
    if match := UPLOAD_KEY.fullmatch(key):
        place = data_dir() / "data" / match[1]
    elif CATALOG_KEY.fullmatch(key):
        place = data_dir() / "online" / key
    if place and (place / "about.json").is_file():
        return place
    if match and object_store.download(object_store.DATA, match[1]):
        return place
    raise UnknownKey(f"No data {sanitize_line(key)!r} is kept here. It may be on another computer.")


class ImageSource(NamedTuple):
    """What a picture's file was before it was made small."""

    fingerprint: bytes  # for near-duplicates
    width: int
    height: int
    format_index: int
    flags: int  # BLANK and CUT, added up


BLANK, TRUNCATED = 1, 2  # hardly anything in it; its lower part was lost and is grey


class DatasetWriter:
    """Takes examples one at a time; `finish` splits them and hands back the id.

    Whole or not at all: until then everything lies in a folder that no key names. Use as a
    context: what is not finished is removed.
    """

    def __init__(
        self, modality: str, visitor: str = LOCAL_VISITOR, place: Path | None = None
    ) -> None:  # `place`: of a download, which has one of its own
        self.modality, self.visitor = modality, visitor
        self.target_dir = place or data_dir() / "data" / secrets.token_urlsafe(12)
        self.id = self.target_dir.name
        self.temp_dir = self.target_dir.with_name(f"{self.id}.part")
        for left in self.temp_dir.parent.glob("*.part"):  # of a process that was killed
            if left.stat().st_mtime < time.time() - MAX_IMPORT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        self.temp_dir.mkdir(parents=True, mode=0o700)  # for nobody else on this computer
        self.file = open(self.temp_dir / "examples.bin", "wb")  # noqa: SIM115, closed in __exit__
        # Arrays: a million rows take 25 MB.
        self.offsets, self.labels, self.hashes = array("q", [0]), array("q"), array("q")
        self.is_test, self.fingerprints, self.image_sources = bytearray(), bytearray(), array("l")
        self.unusable: dict[str, tuple[int, list[str]]] = {}  # why -> how many, names of files
        self.classes: dict[str, int] = {}  # by the name that tells them apart
        self.names: list[str] = []
        self.groups: dict[str, int] = {}  # by the name that tells them apart
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
        same: bytes,
        test: bool = False,
        seen: ImageSource | None = None,  # of every picture
        group: str = "",  # among which scores are compared; "": none was named
    ) -> None:
        """`same` is what makes two examples the same one; `label` is not empty."""
        known = " ".join(label.split())
        if self.modality == "images":
            known = known.casefold()  # Windows and macOS take Cats and cats for the same folder
        if known not in self.classes:
            if len(self.classes) == MAX_CLASSES:
                raise BadUpload(
                    f"There are more than {MAX_CLASSES:,} different labels. Choose another column "
                    "for the labels, or put rare ones together."
                )
            self.classes[known] = len(self.names)
            self.names.append(label)
        self.file.write(example)
        self.offsets.append(self.offsets[-1] + len(example))
        self.labels.append(self.classes[known])
        self.is_test.append(test)
        digest = hashlib.blake2b(same, digest_size=8).digest()
        self.hashes.append(int.from_bytes(digest, "big") >> 1)
        if seen:
            self.fingerprints += seen.fingerprint
            self.image_sources.extend(seen[1:])
        self.group_indices.append(self._group_index(group))

    def _group_index(self, name: str) -> int:
        known = " ".join(name.split())
        if self.modality == "images":
            known = known.casefold()
        if known not in self.groups:
            if len(self.groups) == MAX_GROUPS:
                raise BadUpload(
                    f"There are more than {MAX_GROUPS} different groups, so each would have too "
                    "few examples to be compared. Choose a column whose values repeat more often, "
                    "or put rare ones together."
                )
            self.groups[known] = len(self.group_names)
            self.group_names.append(name or UNGROUPED_LABEL)
        return self.groups[known]

    def finish(self, title: str, notices: list[str]) -> str:
        """Splits and keeps what came. Raises `BadUpload` where a score would mean nothing."""
        self.file.close()
        what = "pictures" if self.modality == "images" else "texts"
        if len(self.names) < 2:
            only = f"only one class, {sanitize_line(self.names[0])!r}" if self.names else "no class"
            raise BadUpload(
                f"{sanitize_line(title)} has {len(self):,} usable {what} and {only}. To "
                "tell things apart "
                "a model needs at least two classes: add examples of another."
            )
        labels = np.array(self.labels)
        hashes = np.array(self.hashes)
        test = np.frombuffer(self.is_test, dtype=bool)
        kept = np.ones(len(labels), dtype=bool)
        own_test = bool(test.any() and not test.all())
        twins = np.array([], dtype=int)  # test examples that were also there to learn from
        if own_test:
            kept = test | ~np.isin(hashes, hashes[test])
            if twice := int((~kept).sum()):
                twins = np.flatnonzero(test & np.isin(hashes, hashes[~kept]))
                notices = [
                    *notices,
                    f"{twice:,} training examples are also in the test: they were left out of "
                    "training, so that the score stays honest.",
                ]
        else:
            test = split_by_hash(labels, hashes)
        rows = select_usable_rows(labels, hashes, test, kept, MAX_USED_EXAMPLES[self.modality])
        groups = self._near_duplicate_ids(hashes, rows)
        if not own_test and len(rows) == len(labels):
            test, alike = _split_by_group(labels, hashes, test, groups)
            if len(alike):
                alike = [self.names[label] for label in alike]
                notices = [
                    *notices,
                    f"Nearly all alike: the {what} of {format_names(alike)}. So some in the "
                    "test are "
                    "nearly the same as some in training, and the score will flatter. Bring more "
                    "varied ones.",
                ]
        else:
            learned = ~test[rows] & np.isin(groups, groups[test[rows]])
            if own_test and learned.any():
                kept[rows[learned]] = False
                notices = [
                    *notices,
                    f"{learned.sum():,} training examples are nearly the same as one in the test: "
                    "they were left out of training as well.",
                ]
                again = test[rows] & np.isin(groups, groups[learned])
                twins = np.union1d(twins, rows[again])
            rows, groups = rows[~learned], groups[~learned]
        order, names = _sort_classes(self.names)
        labels = order[labels]
        counts = {
            side: np.bincount(labels[rows], minlength=len(names)).tolist()
            for side, rows in (("train", kept & ~test), ("test", kept & test))
        }
        if not sum(counts["test"]):
            raise BadUpload(
                f"{sanitize_line(title)} has {len(self):,} usable {what} of "
                f"{len(names):,} classes: too "
                "few to keep any for a test. Bring at least 3 different ones of each class."
            )
        if sum(map(bool, counts["train"])) < 2:
            raise BadUpload(
                f"{sanitize_line(title)} leaves fewer than two classes to learn from. "
                "Put examples of "
                "each class in train, and others in test."
            )
        tested = int(test[rows].sum())
        notices = [*notices, *self._shortage_notices(counts, names, (len(rows) - tested, tested))]
        index = {"labels": labels[rows], "test": test[rows], "same": hashes[rows], "near": groups}
        offsets = np.array(self.offsets)
        index |= {"starts": offsets[:-1][rows], "ends": offsets[1:][rows]}
        if self.image_sources:
            seen = np.array(self.image_sources).reshape(-1, 4)[rows].T
            index |= {"widths": seen[0].astype(np.int32), "heights": seen[1].astype(np.int32)}
            index |= {"kinds": seen[2].astype(np.uint8), "marks": seen[3].astype(np.uint8)}
        if any(self.groups):  # one was named
            order, group_names = _sort_classes(self.group_names)
            index["groups"] = order[np.array(self.group_indices)[rows]]
            self.extra_metadata["groups"] = group_names
        np.savez(self.temp_dir / "index.npz", **index)
        about = {
            "modality": self.modality,
            "title": sanitize_line(title),
            "classes": names,
            "train": counts["train"],
            "test": counts["test"],
            "own_test": own_test,
            "twins": int((~kept).sum()),
            "twins_shown": np.flatnonzero(np.isin(rows, twins))[:MAX_LEAKED_SHOWN].tolist(),
            "unusable": {
                why: {
                    "count": count,
                    "names": [sanitize_line(file) for file in files[:MAX_UNUSABLE_NAMES]],
                }
                for why, (count, files) in self.unusable.items()
            },
            "notices": notices,
            **self.extra_metadata,
            "visitor": self.visitor,
            "created": time.time(),
            "bytes": sum(file.stat().st_size for file in self.temp_dir.iterdir()),
        }
        about["facts"] = asdict(self._compute_facts())
        (self.temp_dir / "about.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        for (
            file
        ) in self.temp_dir.iterdir():  # before it has its name: see trainers/system/atomic.py
            fsync_file(file)
        fsync_dir(self.temp_dir)
        if self.target_dir.exists():  # what is left of a download that was deleted
            shutil.rmtree(self.target_dir)
        self.temp_dir.rename(self.target_dir)
        fsync_dir(self.target_dir.parent)
        if self.target_dir.parent == data_dir() / "data":
            object_store.upload(object_store.DATA, self.id)
        return self.id

    def _compute_facts(self) -> DatasetFacts:
        """What a page and a run hold against a backbone."""
        with np.load(self.temp_dir / "index.npz", allow_pickle=False) as index:
            rows = np.flatnonzero(~index["test"])
            starts, ends, labels = (index[name][rows] for name in ("starts", "ends", "labels"))
        kept = Split(
            StoredExamples(self.modality, self.temp_dir / "examples.bin", starts, ends), labels
        )
        return compute_facts(DatasetSplits(self.modality, (), kept, kept))

    def _near_duplicate_ids(self, hashes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """For each of `rows` the number, int64, that it shares with its near-duplicates; of what
        has none its hash."""
        same, first, back = np.unique(hashes[rows], return_index=True, return_inverse=True)
        which = rows[first]
        if self.modality == "images":
            looks = np.frombuffer(self.fingerprints, dtype=np.uint8).reshape(
                -1, near_duplicates.FINGERPRINT_BYTES
            )
            group = near_duplicates.group_similar_images(looks[which])
        else:
            starts = np.array(self.offsets)
            group = near_duplicates.group_similar_texts(
                StoredExamples(
                    "text", self.temp_dir / "examples.bin", starts[which], starts[which + 1]
                )
            )
        shared = same[group]
        many = np.bincount(group, minlength=len(group))[group] > 1
        # The first of a group has its smallest hash, and small ones go into the test.
        shared[many] = (shared[many] * HASH_MULTIPLIER) & MAX_HASH
        return shared[back]

    def _shortage_notices(
        self, counts: dict[str, list[int]], names: list[str], used: tuple[int, int]
    ) -> list[str]:
        told = []
        for side, doing in (("train", "learn from"), ("test", "test on")):
            none = [n for n, count in zip(names, counts[side], strict=True) if not count]
            if none:
                told.append(f"No examples to {doing} of: {format_names(none)}.")
        for count, taken, doing in zip(
            (sum(counts["train"]), sum(counts["test"])),
            used,
            ("learn from", "test on"),
            strict=True,
        ):
            if count > taken:
                told.append(
                    f"Of {count:,} examples to {doing}, a fixed choice of {taken:,} is used."
                )
        return told


def _sort_classes(names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Where each class goes when they are sorted, and their names, short and still distinct."""
    places = sorted(range(len(names)), key=lambda place: names[place])
    order = np.empty(len(names), dtype=np.int64)
    order[places] = np.arange(len(names))
    told: list[str] = []
    taken = set()
    for place in places:
        name, number = sanitize_line(names[place]) or "?", 1
        while name in taken:
            number += 1
            end = f" ({number})"
            name = sanitize_line(names[place], MAX_CLASS_CHARS - len(end)) + end
        taken.add(name)
        told.append(name)
    return order, told


def split_by_hash(labels: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """True for the fifth of each class that is the test, at least one of each that has three.

    The order of a hash of the content (int64, 0 or more) decides, so the split is always the same
    and the same examples always fall on the same side.
    """
    test = np.zeros(len(labels), dtype=bool)
    order = np.lexsort((labels, hashes))
    again = np.diff(hashes[order]) == 0
    # The same example under two labels: its hash alone decides, or the classes would disagree.
    torn = hashes[order][1:][again & (np.diff(labels[order]) != 0)]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        groups, group, counts = np.unique(hashes[rows], return_inverse=True, return_counts=True)
        is_torn = np.isin(groups, torn)
        tested = is_torn & (groups < TEST_SHARE * 2**63)
        room = max(1, round(TEST_SHARE * len(rows))) if len(rows) >= 3 else 0
        room -= counts[tested].sum()
        fits = ~is_torn & (counts <= room)
        tested |= fits & (np.cumsum(counts * fits) <= room)
        test[rows] = tested[group]
    return test


def _split_by_group(
    labels: np.ndarray, hashes: np.ndarray, test: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The split with near-duplicates on one side, and the classes for which there is none such:
    they are so alike that nothing would be left to test, and keep the split `test` by hashes."""
    apart = split_by_hash(labels, groups)
    alike = np.setdiff1d(labels[test], labels[apart])
    return np.where(np.isin(labels, alike), test, apart), alike


def select_usable_rows(
    labels: np.ndarray, hashes: np.ndarray, test: np.ndarray, kept: np.ndarray, most: tuple
) -> np.ndarray:
    """The rows that runs can use, in order: of training and test at most so many, of each class
    its share and at least one, by the order of a hash of the content."""
    found = []
    for side, limit in zip((kept & ~test, kept & test), most, strict=True):
        rows = np.flatnonzero(side)
        if len(rows) > limit:
            rows = rows[np.lexsort((hashes[rows], labels[rows]))]
            counts = np.bincount(labels[rows])
            rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[labels[rows]]
            rows = rows[np.argsort(rank / counts[labels[rows]], kind="stable")[:limit]]
        found.append(rows)
    return np.sort(np.concatenate(found))


@dataclass(frozen=True, eq=False)
class StoredExamples(Sequence):
    """Pictures (uint8 H x W x 3, of differing sizes) or texts, read when they are asked for."""

    modality: str
    file: Path
    starts: np.ndarray
    ends: np.ndarray

    @cached_property
    def _buffer(self) -> np.ndarray:
        return np.memmap(self.file, mode="r")

    def __len__(self) -> int:
        return len(self.starts)

    def read_bytes(self, item: int) -> bytes:
        """What the file of an example holds."""
        return self._buffer[self.starts[item] : self.ends[item]].tobytes()

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice | np.ndarray | list):
            return StoredExamples(self.modality, self.file, self.starts[item], self.ends[item])
        raw = self.read_bytes(item)
        if self.modality == "text":
            return raw.decode("utf-8")
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class StoredDataset(Dataset):
    """What is kept as a sample, and what was said when it was read."""

    notices: tuple[str, ...]
    class_counts: tuple[tuple[str, int, int], ...]  # (class, to learn from, to test)
    created_at: float  # seconds since 1970
    size_bytes: int  # that it takes on the disk

    def load_splits(
        self, per_class: int | None = None, seed: int = 0, fixes: Collection[str] = ()
    ) -> DatasetSplits:
        _refresh(self.key)
        place = dataset_dir(self.key)
        about = _read_metadata(place)
        if about.get("deleted"):
            raise BadUpload(DELETED_MESSAGE)
        index = np.load(place / "index.npz", allow_pickle=False)
        labels = index["labels"].astype(np.int64)
        inputs = StoredExamples(
            self.modality, place / "examples.bin", index["starts"], index["ends"]
        )
        without = np.array(
            [row for rows in self.excluded_rows(fixes).values() for row in rows], dtype=int
        )
        train, test = _train_test_rows(index, without, per_class, seed)

        def taken(items: np.ndarray) -> Split:
            some = inputs[items]
            groups = index["groups"][items] if "groups" in index else None
            some = list(some) if self.modality == "text" else some
            return Split(some, labels[items], groups, tuple(about.get("groups", ())))

        classes = tuple(about["classes"])
        speaking = self.modality == "text" and all(re.search(r"[^\W\d_]{3}", c) for c in classes)
        return DatasetSplits(
            self.modality, classes, taken(train), taken(test), classes if speaking else ()
        )

    def split_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the index, int64, that `data()` has in training and in the test, in order."""
        with np.load(dataset_dir(self.key) / "index.npz", allow_pickle=False) as index:
            return _train_test_rows(index, np.array([], dtype=int), None, 0)

    def read_index(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What was noted when it was read: about.json, and the columns of the index."""
        place = dataset_dir(self.key)
        with np.load(place / "index.npz", allow_pickle=False) as index:
            return _read_metadata(place), dict(index)

    def excluded_rows(self, mends: Collection[str]) -> dict[str, tuple[int, ...]]:
        """The rows of the index that each of `mends` (keys of findings) leaves out. Raises
        `BadUpload` where what was found is not known any more."""
        found = (load_check(self.key) or {}).get("findings", []) if mends else []
        rows = {one["key"]: tuple(one["mend"]["rows"]) for one in found if one.get("mend")}
        if missing := [key for key in mends if key not in rows]:
            raise BadUpload(
                f"{self.title} was to be used with {format_names(missing)} mended, but "
                "no look at this "
                "data found that. Look the data over again, then choose the mends anew."
            )
        return {key: rows[key] for key in mends}

    def preview(self) -> list[tuple[str, str]]:
        data = self.load_splits(max(1, PREVIEW_EXAMPLES // max(1, self.classes)))
        pairs = list(zip(data.train.inputs, data.train.labels, strict=True))[:MAX_PREVIEW_EXAMPLES]
        return [(render_example(example), data.classes[label]) for example, label in pairs]


@dataclass(frozen=True, kw_only=True)
class UploadedDataset(StoredDataset):
    """An upload."""

    visitor: str  # whose it is: nobody else is shown it
    columns: tuple[str, ...]  # of the table that it came in; () for pictures
    text_label_columns: tuple[int, int]  # which of them were read
    group_column: int | None  # and which names the groups
    group_names: tuple[str, ...]  # () where none were named
    draft_key: str  # where its files may still lie in the inbox; "" where none are
    # of the files that it was read from: see `trainers.datasets.uploads.fingerprint_source`
    source_fingerprint: str


def _train_test_rows(
    index: Any, without: np.ndarray, per_class: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the index to train and to test on, mixed."""
    from trainers.datasets.bundled import sample_per_class  # it imports what draws the samples

    labels, test = index["labels"], index["test"]
    left = np.isin(np.arange(len(labels)), without)
    train = np.flatnonzero(~test)
    train = train[sample_per_class(labels[train], per_class, seed, left[train])]
    # Mixed, and always the same: a subsample of the test must not be one class.
    test = np.random.default_rng(0).permutation(np.flatnonzero(test))
    return train, test[~left[test]]


def save_check(key: str, found: dict[str, Any]) -> None:
    """Keeps what looking the upload over has found: {"findings": [`Finding.as_json()`, …], …}.
    Whole or not at all. Raises `UnknownKey`."""
    _refresh(key)
    place = dataset_dir(key)
    write_text(place / "check.json", json.dumps(found, ensure_ascii=False), apart=True)
    _publish(key)


def load_check(key: str) -> dict[str, Any] | None:
    """What `keep_check` kept; None where the upload was not looked over. Raises `UnknownKey`."""
    try:
        return json.loads((dataset_dir(key) / "check.json").read_text("utf-8"))
    except FileNotFoundError:
        return None


def get_upload(key: str) -> UploadedDataset:
    """The upload called `key` ("own-<id>"). Raises `UnknownKey`."""
    about, fields = read_stored(key)
    return UploadedDataset(
        **fields,
        visitor=about.get("visitor", LOCAL_VISITOR),
        columns=tuple(about.get("columns", ())),
        text_label_columns=tuple(about.get("text_and_label", (0, 1))),
        group_column=about.get("group_column"),
        group_names=tuple(about.get("groups", ())),
        draft_key=about.get("draft", ""),
        source_fingerprint=about.get("stamp", ""),
    )


def read_stored(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """about.json of the data called `key`, and the fields of its `Stored`. Raises `UnknownKey`
    where nothing is kept, or it is damaged."""
    place = dataset_dir(key)
    try:
        about = _read_metadata(place)
        return about, _dataset_fields(key, about)
    except METADATA_ERRORS:
        raise UnknownKey(
            f"What is kept of the data {key!r} is damaged. Delete it, and bring it again."
        ) from None


def _dataset_fields(key: str, about: dict[str, Any]) -> dict[str, Any]:
    modality = about["modality"]
    if about.get("deleted"):
        about |= {"title": "Deleted data", "own_test": False}
        about |= {"classes": [], "train": [], "test": [], "notices": []}
    what = "pictures" if modality == "images" else "texts"
    learn, test = sum(about["train"]), sum(about["test"])
    split_by = "your own split" if about["own_test"] else "a fifth of each class, held back"
    return {
        "key": key,
        "title": about["title"],
        "description": f"{learn + test:,} {what} of your own: {test:,} of them for the test "
        f"({split_by}).",
        "origin": "yours; it lies where the host of this Thaw keeps files and nowhere else"
        if object_store.storage_url()
        else "yours; it lies on the computer that Thaw runs on and nowhere else",
        "modality": modality,
        "classes": len(about["classes"]),
        "train_examples_per_class": min(filter(None, about["train"]), default=0),
        "test_examples": min(test, MAX_USED_EXAMPLES[modality][1]),
        "matching_answers": {},
        "loader": "",
        "notices": tuple(about["notices"]),
        "class_counts": tuple(zip(about["classes"], about["train"], about["test"], strict=True)),
        "created_at": about.get("created", 0.0),
        "size_bytes": about.get("bytes", 0),
        "facts": DatasetFacts(**about["facts"]) if "facts" in about else None,
    }


def list_uploads(visitor: str, also: Collection[str] = ()) -> list[UploadedDataset]:
    """Return the uploads of `visitor` that still exist, newest first, without damaged ones.

    `also`: keys that the database knows. Where several app servers share their files, uploads that
    came to another server are fetched.
    """
    keys = {f"own-{place.parent.name}" for place in (data_dir() / "data").glob("*/about.json")}
    if object_store.storage_url():
        keys |= set(also)
    found = []
    for key in keys:
        with suppress(UnknownKey):
            found.append(get_upload(key))
    mine = [own for own in found if own.visitor == visitor and own.classes]  # else: deleted
    return sorted(mine, key=lambda own: own.created_at, reverse=True)


def change_owner(key: str, visitor: str) -> None:
    """Makes the upload another visitor's. Whole or not at all. Raises `UnknownKey`."""
    _refresh(key)
    about, _ = read_stored(key)
    told = json.dumps(about | {"visitor": visitor}, ensure_ascii=False)
    write_text(dataset_dir(key) / "about.json", told, apart=True)
    _publish(key)


def delete(key: str) -> None:
    """Deletes the data. Of it stays only that it was pictures or texts: the runs on it, which are
    kept, can still be read. Raises `UnknownKey`."""
    place = dataset_dir(key)
    if match := UPLOAD_KEY.fullmatch(key):
        object_store.mark_pending(object_store.DATA, match[1])
    try:
        about, _ = read_stored(key)
    except UnknownKey:  # damaged: nobody can say what it was
        shutil.rmtree(place)
        _publish(key)
        feature_cache.delete(key)
        return
    stone = {"modality": about["modality"], "deleted": True}
    write_text(place / "about.json", json.dumps(stone), apart=True)
    for name in ("examples.bin", "index.npz", "check.json"):
        (place / name).unlink(missing_ok=True)
    _publish(key)
    feature_cache.delete(key)


def _refresh(key: str) -> None:
    """What changed on another computer changes here, before it is used."""
    if match := UPLOAD_KEY.fullmatch(key):
        object_store.refresh(object_store.DATA, match[1])


def _publish(key: str) -> None:
    """What changed here changes where other computers find it."""
    if match := UPLOAD_KEY.fullmatch(key):
        object_store.upload(object_store.DATA, match[1])


def write_tombstone(key: str, modality: str) -> None:
    """Of an upload that lies on another computer, what `forget` would leave of it: so runs on it,
    which came here as files, can be read. `key` must be like `KEY`."""
    place = data_dir() / "data" / UPLOAD_KEY.fullmatch(key)[1]
    if not (place / "about.json").exists():
        told = json.dumps({"modality": modality, "deleted": True})
        write_text(place / "about.json", told, apart=True)


def _read_metadata(place: Path) -> dict[str, Any]:
    return json.loads((place / "about.json").read_text("utf-8"))
