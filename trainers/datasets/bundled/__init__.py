"""The loaders of the bundled samples: each hands back `Data` for (per_class, seed)."""

import csv
import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from trainers.datasets import EMPTY_SPLIT, DatasetSplits, Split
from trainers.datasets.bundled.generate import (
    blood_cells as cell_drawings,
    pydocs as documentation,
    vehicles as vehicle_drawings,
)
from trainers.datasets.thumbnails import render_example

DATA_DIR = Path(__file__).parent
TEST_EXAMPLES_PER_CLASS = {"messages": 45, "triage": 45, "digits": 60, "pydocs": 60, "finance": 45}


def sample_per_class(
    labels: np.ndarray, per_class: int | None, seed: int, left_out: np.ndarray | None = None
) -> np.ndarray:
    """Positions of up to `per_class` examples of each class, mixed; the same seed, the same ones.

    With more per class the smaller choice stays inside: learning curves compare like with like.
    Those marked in `left_out`, bool (N,), are replaced by the next; the others stay chosen.
    """
    mixed = np.random.default_rng(seed).permutation(len(labels))
    if left_out is not None:
        mixed = mixed[~left_out[mixed]]
    if per_class is None:
        return mixed
    kept = [mixed[labels[mixed] == label][:per_class] for label in np.unique(labels)]
    return np.random.default_rng(seed).permutation(np.concatenate(kept))


MAX_RENDERED_PER_CLASS = 500  # of each class, unless more are asked for: a run would wait for them


def vehicles(per_class: int | None, seed: int) -> DatasetSplits:
    return _load_rendered("vehicles", per_class, seed)


def cells(per_class: int | None, seed: int) -> DatasetSplits:
    return _load_rendered("cells", per_class, seed)


def _load_rendered(name: str, per_class: int | None, seed: int) -> DatasetSplits:
    count = MAX_RENDERED_PER_CLASS if per_class is None else per_class
    return DatasetSplits(
        "images",
        RENDERERS[name].CLASSES,
        _render_split(name, count, first=_first_train_index(seed)),
        _render_split(
            name, RENDERED_TEST_PER_CLASS, first=0
        ),  # numbers that no training picture has
    )


def _first_train_index(seed: int) -> int:
    """The number of the first training picture."""
    return 1_000_000 * (1 + seed)


def load_subset(
    name: str, items: Sequence[int], per_class: int | None, seed: int
) -> DatasetSplits | None:
    """The training pictures numbered `items` of a sample that is drawn, and no test; None for any
    other sample."""
    if name not in RENDERERS:
        return None
    module = RENDERERS[name]
    count = len(module.CLASSES) * (MAX_RENDERED_PER_CLASS if per_class is None else per_class)
    places = [divmod(item, len(module.CLASSES)) for item in items if 0 <= item < count]
    pictures = [
        module.draw(module.CLASSES[kind], _first_train_index(seed) + n) for n, kind in places
    ]
    empty = np.empty((0, 1, 1, 3), np.uint8)
    labels = np.array([kind for _, kind in places], dtype=np.int64)
    train = Split(np.stack(pictures) if pictures else empty, labels)
    return DatasetSplits("images", module.CLASSES, train, EMPTY_SPLIT)


RENDERERS = {"vehicles": vehicle_drawings, "cells": cell_drawings}
RENDERED_TEST_PER_CLASS = 100  # of each class


def preview(name: str) -> list[tuple[str, str]]:
    """An example of each class of the sample that `name` loads, ready to show."""
    if name in RENDERERS:  # the test split takes a second to draw
        return [
            (render_example(RENDERERS[name].draw(kind, 2)), kind)
            for kind in RENDERERS[name].CLASSES
        ]
    data = globals()[name](1, 0)
    pairs = zip(data.train.inputs, data.train.labels, strict=True)
    return [(render_example(example), data.classes[label]) for example, label in pairs]


@lru_cache(4)  # drawing takes longer than learning, and the test split is always the same
def _render_split(name: str, per_class: int, first: int) -> Split:
    module = RENDERERS[name]
    pictures = [
        module.draw(kind, first + number) for number in range(per_class) for kind in module.CLASSES
    ]
    return Split(np.stack(pictures), np.tile(np.arange(len(module.CLASSES)), per_class))


def digits(per_class: int | None, seed: int) -> DatasetSplits:
    images, labels = _read_digits()
    return _split_by_hash("digits", "images", tuple("0123456789"), images, labels, per_class, seed)


@cache
def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    # The file itself: importing scikit-learn takes longer than reading it, and pages read it too.
    package = Path(find_spec("sklearn").submodule_search_locations[0])
    table = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    grey = (table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), table[:, -1].astype(np.int64)


def messages(per_class: int | None, seed: int) -> DatasetSplits:
    return _load_csv("messages", MESSAGES, per_class, seed)


def finance(per_class: int | None, seed: int) -> DatasetSplits:
    return _load_csv("finance", FINANCE, per_class, seed)


def triage(per_class: int | None, seed: int) -> DatasetSplits:
    return _load_csv("triage", TRIAGE, per_class, seed)


# Each class as a zero-shot model may compare a text with it.
MESSAGES = {
    "refund": "I want my money back",
    "delivery": "Where is my parcel, when does it arrive",
    "account access": "I cannot log in to my account",
    "technical problem": "It does not work, there is an error",
    "cancellation": "I want to cancel my subscription or booking",
    "billing": "A question about a charge, an invoice or a payment",
    "change of order": "I want to change my order before it ships",
    "praise": "Thank you, I am very happy with it",
}
FINANCE = {
    "strongly positive": "very good news for the company",
    "mildly positive": "slightly good news for the company",
    "neutral": "a plain fact, neither good nor bad news",
    "mildly negative": "slightly bad news for the company",
    "strongly negative": "very bad news for the company",
    "mixed": "both good and bad news for the company",
}
TRIAGE = {
    "cardiology": "a heart problem",
    "neurology": "a problem of the brain or the nerves",
    "gastroenterology": "a problem of the stomach, bowel or liver",
    "orthopaedics": "a problem of bones, joints or muscles",
    "dermatology": "a problem of the skin",
    "respiratory": "a problem of the lungs or of breathing",
    "psychiatry": "a mental health problem",
}


def pydocs(per_class: int | None, seed: int) -> DatasetSplits:
    texts, topics = _read_pydocs()
    described = {topic: f"{topic} in Python" for topic in sorted(set(topics))}
    return _split_texts("pydocs", texts, topics, described, per_class, seed)


@cache
def _read_pydocs() -> tuple[list[str], list[str]]:
    return documentation.load_sentences()


def _load_csv(
    name: str, described: dict[str, str], per_class: int | None, seed: int
) -> DatasetSplits:
    texts, names = _read_csv(name)
    return _split_texts(name, texts, names, described, per_class, seed)


@cache
def _read_csv(name: str) -> tuple[list[str], list[str]]:
    with open(DATA_DIR / f"{name}.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def _split_texts(
    name: str,
    texts: Sequence[str],
    names: Sequence[str],
    described: dict[str, str],
    per_class: int | None,
    seed: int,
) -> DatasetSplits:
    classes = tuple(described)
    labels = np.array([classes.index(label) for label in names])
    return _split_by_hash(
        name, "text", classes, list(texts), labels, per_class, seed, tuple(described.values())
    )


def _split_by_hash(
    name: str,
    modality: str,
    classes: tuple[str, ...],
    inputs: Sequence,
    labels: np.ndarray,
    per_class: int | None,
    seed: int,
    described: tuple[str, ...] = (),
) -> DatasetSplits:
    """The first so many of each class, in the order of a hash of the example, are the test."""
    by_class = defaultdict(list)
    for item in sorted(range(len(labels)), key=lambda item: _hash_content(inputs[item])):
        by_class[labels[item]].append(item)
    count = TEST_EXAMPLES_PER_CLASS[name]
    test = np.array([item for items in by_class.values() for item in items[:count]])
    rest = np.array([item for items in by_class.values() for item in items[count:]])
    random.Random(0).shuffle(test)  # a subsample of the test must not be one class
    train = rest[sample_per_class(labels[rest], per_class, seed)]
    return DatasetSplits(
        modality,
        classes,
        Split(_select_rows(inputs, train), labels[train]),
        Split(_select_rows(inputs, test), labels[test]),
        described,
    )


def _select_rows(inputs: Sequence, items: np.ndarray) -> Sequence:
    return inputs[items] if isinstance(inputs, np.ndarray) else [inputs[item] for item in items]


def _hash_content(example: str | np.ndarray) -> bytes:
    raw = example.encode() if isinstance(example, str) else example.tobytes()
    return hashlib.sha256(raw).digest()
