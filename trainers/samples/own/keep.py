"""Uploads as they are kept: one blob of examples, an index, and a JSON that tells about them.

`home()/data/<id>` holds examples.bin (pictures as JPEG or PNG, texts as UTF-8, end to end),
index.npz (starts and ends int64 (N,), labels int64 (N,), test bool (N,)) and about.json.
"""

import hashlib
import io
import json
import re
import secrets
import shutil
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from trainers.home import home
from trainers.registry import UnknownKey
from trainers.samples import Data, Sample, Split
from trainers.samples.own.limits import (
    CLASS_CHARS,
    MAX_CLASSES,
    TEST_SHARE,
    USED,
    BadUpload,
    plain,
    some,
)
from trainers.samples.show import shown

KEY = re.compile(r"own-([A-Za-z0-9_-]{8,64})")  # nothing that could lead out of the folder
LEFT_SECONDS = 24 * 3600  # no reading takes so long
GLIMPSED = 20  # classes; a page need not show a thousand
TERMINAL = "terminal"  # the visitor that is whoever sits at this computer
DELETED = "This data was deleted, so nothing can be run on it any more. Add it again."


def folder(key: str) -> Path:
    """Where the upload called `key` lies. Raises `UnknownKey`."""
    if match := KEY.fullmatch(key):
        place = home() / "data" / match[1]
        if (place / "about.json").is_file():
            return place
    raise UnknownKey(f"No data {plain(key)!r} is kept here. It may be on another computer.")


class Keeper:
    """Takes examples one at a time; `finish` splits them and hands back the id.

    Whole or not at all: until then everything lies in a folder that no key names. Use as a
    context: what is not finished is removed.
    """

    def __init__(
        self, modality: str, visitor: str = TERMINAL, place: Path | None = None
    ) -> None:  # `place`: of a download, which has one of its own
        self.modality, self.visitor = modality, visitor
        self.place = place or home() / "data" / secrets.token_urlsafe(12)
        self.id = self.place.name
        self.draft = self.place.with_name(f"{self.id}.part")
        for left in self.draft.parent.glob("*.part"):  # of a process that was killed
            if left.stat().st_mtime < time.time() - LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        self.draft.mkdir(parents=True, mode=0o700)  # for nobody else on this computer
        self.file = open(self.draft / "examples.bin", "wb")  # noqa: SIM115, closed in __exit__
        # Arrays: a million rows take 25 MB.
        self.offsets, self.labels, self.hashes = array("q", [0]), array("q"), array("q")
        self.tests = bytearray()
        self.classes: dict[str, int] = {}  # by the name that tells them apart
        self.names: list[str] = []

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        shutil.rmtree(self.draft, ignore_errors=True)

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, example: bytes, label: str, *, same: bytes, test: bool = False) -> None:
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
        self.tests.append(test)
        digest = hashlib.blake2b(same, digest_size=8).digest()
        self.hashes.append(int.from_bytes(digest, "big") >> 1)

    def finish(self, title: str, notices: list[str]) -> str:
        """Splits and keeps what came. Raises `BadUpload` where a score would mean nothing."""
        self.file.close()
        what = "pictures" if self.modality == "images" else "texts"
        if len(self.names) < 2:
            only = f"only one class, {plain(self.names[0])!r}" if self.names else "no class"
            raise BadUpload(
                f"{plain(title)} has {len(self):,} usable {what} and {only}. To tell things apart "
                "a model needs at least two classes: add examples of another."
            )
        labels = np.array(self.labels)
        hashes = np.array(self.hashes)
        test = np.frombuffer(self.tests, dtype=bool)
        kept = np.ones(len(labels), dtype=bool)
        own_test = bool(test.any() and not test.all())
        if own_test:
            kept = test | ~np.isin(hashes, hashes[test])
            if twice := int((~kept).sum()):
                notices = [
                    *notices,
                    f"{twice:,} training examples are also in the test: they were left out of "
                    "training, so that the score stays honest.",
                ]
        else:
            test = split(labels, hashes)
        order, names = _in_order(self.names)
        labels = order[labels]
        counts = {
            side: np.bincount(labels[rows], minlength=len(names)).tolist()
            for side, rows in (("train", kept & ~test), ("test", kept & test))
        }
        if not sum(counts["test"]):
            raise BadUpload(
                f"{plain(title)} has {len(self):,} usable {what} of {len(names):,} classes: too "
                "few to keep any for a test. Bring at least 3 different ones of each class."
            )
        if sum(map(bool, counts["train"])) < 2:
            raise BadUpload(
                f"{plain(title)} leaves fewer than two classes to learn from. Put examples of "
                "each class in train, and others in test."
            )
        notices = [*notices, *self._few(counts, names)]
        rows = np.flatnonzero(kept)
        starts = np.array(self.offsets)
        np.savez(
            self.draft / "index.npz",
            starts=starts[:-1][rows],
            ends=starts[1:][rows],
            labels=labels[rows],
            test=test[rows],
        )
        about = {
            "modality": self.modality,
            "title": plain(title),
            "classes": names,
            "train": counts["train"],
            "test": counts["test"],
            "own_test": own_test,
            "notices": notices,
            "visitor": self.visitor,
            "created": time.time(),
            "bytes": sum(file.stat().st_size for file in self.draft.iterdir()),
        }
        (self.draft / "about.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        if self.place.exists():  # what is left of a download that was deleted
            shutil.rmtree(self.place)
        self.draft.rename(self.place)
        return self.id

    def _few(self, counts: dict[str, list[int]], names: list[str]) -> list[str]:
        told = []
        for side, doing in (("train", "learn from"), ("test", "test on")):
            none = [n for n, count in zip(names, counts[side], strict=True) if not count]
            if none:
                told.append(f"No examples to {doing} of: {some(none)}.")
        for count, most, doing in zip(
            (sum(counts["train"]), sum(counts["test"])),
            USED[self.modality],
            ("learn from", "test on"),
            strict=True,
        ):
            if count > most:
                told.append(
                    f"Of {count:,} examples to {doing}, a fixed choice of {most:,} is used."
                )
        return told


def _in_order(names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Where each class goes when they are sorted, and their names, short and still distinct."""
    places = sorted(range(len(names)), key=lambda place: names[place])
    order = np.empty(len(names), dtype=np.int64)
    order[places] = np.arange(len(names))
    told: list[str] = []
    taken = set()
    for place in places:
        name, number = plain(names[place]) or "?", 1
        while name in taken:
            number += 1
            end = f" ({number})"
            name = plain(names[place], CLASS_CHARS - len(end)) + end
        taken.add(name)
        told.append(name)
    return order, told


def split(labels: np.ndarray, hashes: np.ndarray) -> np.ndarray:
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


@dataclass(frozen=True, eq=False)
class Kept(Sequence):
    """Pictures (uint8 H x W x 3, of differing sizes) or texts, read when they are asked for."""

    modality: str
    file: Path
    starts: np.ndarray
    ends: np.ndarray

    @cached_property
    def _bytes(self) -> np.ndarray:
        return np.memmap(self.file, mode="r")

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice | np.ndarray | list):
            return Kept(self.modality, self.file, self.starts[item], self.ends[item])
        raw = self._bytes[self.starts[item] : self.ends[item]].tobytes()
        if self.modality == "text":
            return raw.decode("utf-8")
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


@dataclass(frozen=True, kw_only=True)
class Own(Sample):
    """An upload as a sample, and what was said when it was read."""

    notices: tuple[str, ...]
    counts: tuple[tuple[str, int, int], ...]  # (class, to learn from, to test)
    visitor: str  # whose it is: nobody else is shown it
    created: float  # seconds since 1970
    bytes: int  # that it takes on the disk
    deleted: ClassVar[str] = DELETED

    def place(self) -> Path:
        return folder(self.key)

    def data(self, per_class: int | None = None, seed: int = 0) -> Data:
        from trainers.samples.bundled import chosen  # it imports what draws the samples

        place = self.place()
        about = _about(place)
        if about.get("deleted"):
            raise BadUpload(self.deleted)
        index = np.load(place / "index.npz")
        labels, test = index["labels"].astype(np.int64), index["test"]
        inputs = Kept(self.modality, place / "examples.bin", index["starts"], index["ends"])
        most_train, most_test = USED[self.modality]
        train = np.flatnonzero(~test)
        train = train[chosen(labels[train], per_class, seed)][:most_train]
        # Mixed, and always the same: a subsample of the test must not be one class.
        test = np.random.default_rng(0).permutation(np.flatnonzero(test))[:most_test]

        def taken(items: np.ndarray) -> Split:
            some = inputs[items]
            return Split(list(some) if self.modality == "text" else some, labels[items])

        classes = tuple(about["classes"])
        speaking = self.modality == "text" and all(re.search(r"[^\W\d_]{3}", c) for c in classes)
        return Data(self.modality, classes, taken(train), taken(test), classes if speaking else ())

    def glimpse(self) -> list[tuple[str, str]]:
        data = self.data(1)
        pairs = list(zip(data.train.inputs, data.train.labels, strict=True))[:GLIMPSED]
        return [(shown(example), data.classes[label]) for example, label in pairs]


def sample(key: str) -> Own:
    """The upload called `key` ("own-<id>"). Raises `UnknownKey`."""
    return lying(folder(key), key)


def lying(place: Path, key: str) -> Own:
    """What is kept in `place`. Raises `UnknownKey` where that is nothing, or damaged."""
    try:
        return _own(key, _about(place))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UnknownKey(
            f"What is kept of the data {key!r} is damaged. Delete it, and add it again."
        ) from None


def _own(key: str, about: dict[str, Any]) -> Own:
    modality = about["modality"]
    if about.get("deleted"):
        about |= {"title": "Deleted data", "own_test": False}
        about |= {"classes": [], "train": [], "test": [], "notices": []}
    what = "pictures" if modality == "images" else "texts"
    learn, test = sum(about["train"]), sum(about["test"])
    split_by = "your own split" if about["own_test"] else "a fifth of each class, held back"
    return Own(
        key=key,
        title=about["title"],
        about=f"{learn + test:,} {what} of your own: {test:,} of them for the test ({split_by}).",
        made="yours; it lies on the computer that Thaw runs on and nowhere else",
        modality=modality,
        classes=len(about["classes"]),
        train_per_class=min(filter(None, about["train"]), default=0),
        test=min(test, USED[modality][1]),
        resembles={},
        load="",
        notices=tuple(about["notices"]),
        counts=tuple(zip(about["classes"], about["train"], about["test"], strict=True)),
        visitor=about.get("visitor", TERMINAL),
        created=about.get("created", 0.0),
        bytes=about.get("bytes", 0),
    )


def of(visitor: str) -> list[Own]:
    """The uploads of `visitor` that are still kept, the newest first; none that is damaged."""
    found = []
    for place in (home() / "data").glob("*/about.json"):
        with suppress(UnknownKey):
            found.append(sample(f"own-{place.parent.name}"))
    mine = [own for own in found if own.visitor == visitor and own.classes]  # else: deleted
    return sorted(mine, key=lambda own: own.created, reverse=True)


def forget(key: str) -> None:
    """Deletes the upload. Of it stays only that it was pictures or texts: the runs on it, which
    are kept, can still be read. Raises `UnknownKey`."""
    place = folder(key)
    try:
        modality = sample(key).modality
    except UnknownKey:  # damaged: nobody can say what it was
        shutil.rmtree(place)
    else:
        emptied(place, modality)


def emptied(place: Path, modality: str) -> None:
    """Leaves nothing in `place` but that it was pictures or texts, and is gone."""
    stone = {"modality": modality, "deleted": True}
    (place / "about.json").write_text(json.dumps(stone), "utf-8")
    for name in ("examples.bin", "index.npz"):
        (place / name).unlink(missing_ok=True)


def _about(place: Path) -> dict[str, Any]:
    return json.loads((place / "about.json").read_text("utf-8"))
