"""What is known of each example, wherever the data comes from: the input of every check."""

import hashlib
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from trainers.data_checks.findings import MAX_EXAMPLES, FindingExample, Fix
from trainers.datasets import Dataset, DatasetSplits
from trainers.datasets.thumbnails import render_example
from trainers.datasets.uploads import images, near_duplicates
from trainers.datasets.uploads.dataset import StoredDataset, UploadedDataset

MAX_TEXT_CHARS = 300  # shown of a text


# Field of `CheckContext` -> its name in the stored index of an upload: never rename those.
INDEX_NAMES = {
    "duplicate_ids": "same",
    "near_duplicate_ids": "near",
    "flags": "marks",
    "widths": "widths",
    "heights": "heights",
    "format_indices": "kinds",
}


@dataclass(frozen=True, kw_only=True)
class CheckContext:
    """Each array has a value for every example, training first, then test, in `data`'s order."""

    data: DatasetSplits
    labels: np.ndarray  # int64
    is_test: np.ndarray  # bool
    duplicate_ids: np.ndarray  # int64, that copies share
    near_duplicate_ids: np.ndarray  # int64, that near-copies share
    flags: np.ndarray  # of pictures: BLANK and CUT, added up; of texts empty, as all below
    widths: np.ndarray  # of pictures as they came
    heights: np.ndarray
    format_indices: np.ndarray  # of their files; empty where there are none
    features: np.ndarray | None  # of the first training examples
    index_rows: np.ndarray | None  # places in the index of what is kept; None: it is not
    is_upload: bool  # a visitor's data, which can be mended
    metadata: dict[str, Any]  # what was noted when own data was read

    @property
    def noun(self) -> str:
        return "picture" if self.data.modality == "images" else "text"

    def format_count(self, count: int, what: str = "") -> str:
        """ "1 picture", "12 pictures"."""
        return f"{count:,} {what or self.noun}{'' if count == 1 else 's'}"

    def count_classes(self, *, test: bool = False) -> np.ndarray:
        """Examples of each class, to learn from or to test on."""
        return np.bincount(self.labels[self.is_test == test], minlength=len(self.data.classes))

    def class_name(self, place: int) -> str:
        return self.data.classes[self.labels[place]]

    def get_example(self, place: int) -> str | np.ndarray:
        learned = len(self.data.train.labels)
        if place < learned:
            return self.data.train.inputs[place]
        return self.data.test.inputs[place - learned]

    def all_texts(self) -> Sequence[str]:
        return [*self.data.train.inputs, *self.data.test.inputs]

    def make_examples(
        self, places: Iterable[int], notes: Sequence[str] = ()
    ) -> tuple[FindingExample, ...]:
        """The first few of `places`, ready for a page."""
        few = [int(place) for _, place in zip(range(MAX_EXAMPLES), places, strict=False)]
        notes = [*notes, *[""] * len(few)]
        return tuple(
            FindingExample(
                example=render_preview(self.get_example(place)),
                label=self.class_name(place),
                note=note,
            )
            for place, note in zip(few, notes, strict=False)
        )

    def make_fix(self, title: str, places: np.ndarray) -> Fix | None:
        if not self.is_upload or not len(places):
            return None
        return Fix(title=title, rows=tuple(np.sort(self.index_rows[places]).tolist()))


def render_preview(example: str | np.ndarray) -> str:
    if isinstance(example, str):
        return example if len(example) <= MAX_TEXT_CHARS else example[: MAX_TEXT_CHARS - 1] + "…"
    return render_example(example)


def build_context(
    sample: Dataset, data: DatasetSplits, features: np.ndarray | None, seconds: float
) -> CheckContext:
    """Return what was noted when an upload was imported; for other data, compute it now."""
    labels = np.concatenate([data.train.labels, data.test.labels]).astype(np.int64)
    test = np.arange(len(labels)) >= len(data.train.labels)
    rows, about, noted = None, {}, {}
    if isinstance(sample, StoredDataset):
        rows = np.concatenate(sample.split_rows())
        about, index = sample.read_index()
        noted = {name: values[rows] for name, values in index.items()}
    if "near" not in noted:  # not kept, or read by an earlier version
        noted = _inspect_examples(data, seconds)
    none = np.array([], dtype=np.int64)
    return CheckContext(
        data=data,
        labels=labels,
        is_test=test,
        features=features,
        index_rows=rows,
        is_upload=isinstance(sample, UploadedDataset),
        metadata=about,
        **{field: noted.get(name, none) for field, name in INDEX_NAMES.items()},
    )


def _inspect_examples(data: DatasetSplits, seconds: float) -> dict[str, np.ndarray]:
    inputs = (example for split in (data.train, data.test) for example in split.inputs)
    if data.modality == "text":
        texts = list(inputs)
        folded = (" ".join(unicodedata.normalize("NFKC", t).casefold().split()) for t in texts)
        same = _assign_ids(text.encode() for text in folded)
        _, first, back = np.unique(same, return_index=True, return_inverse=True)
        return {
            "same": same,
            "near": near_duplicates.group_similar_texts([texts[at] for at in first])[back],
        }
    began = time.monotonic()
    hashes, sizes, marks, looks = [], [], [], []
    for picture in inputs:
        picture = np.asarray(picture)
        sizes.append(picture.shape[:2])
        hashes.append(picture.tobytes() + bytes(str(picture.shape), "ascii"))
        hashes[-1] = hashlib.blake2b(hashes[-1], digest_size=8).digest()
        if time.monotonic() - began < seconds:
            marks.append(images.detect_flags(picture))
            looks.append(near_duplicates.fingerprint_image(Image.fromarray(picture)))
    same = _assign_ids(hashes)
    seen = np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(
        -1, near_duplicates.FINGERPRINT_BYTES
    )
    close = same.copy()
    _, first, back = np.unique(same[: len(seen)], return_index=True, return_inverse=True)
    close[: len(seen)] = same[first[near_duplicates.group_similar_images(seen[first])]][back]
    heights, widths = np.array(sizes).T
    marks = np.array(marks + [0] * (len(same) - len(marks)), dtype=np.uint8)
    return {
        "same": same,
        "near": close,
        "marks": marks,
        "widths": widths,
        "heights": heights,
    }


def _assign_ids(keys: Iterable[bytes]) -> np.ndarray:
    """A number for each different one of `keys`."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
