"""Loaders of the bundled data sets: each returns `DatasetSplits` for (examples_per_class, seed)."""

import csv
import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from trainers.datasets.bundled import drawn
from trainers.datasets.bundled.drawn import load_subset  # noqa: F401, called by `Dataset`
from trainers.datasets.thumbnails import render_example
from trainers.datasets.types import DatasetSplits, Split, sample_per_class

DATA_DIR = Path(__file__).parent
TEST_EXAMPLES_PER_CLASS = {"messages": 45, "triage": 45, "digits": 60, "pydocs": 60, "finance": 45}
# Each class in words, for zero-shot models to compare a text with.
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


def vehicles(examples_per_class: int | None, seed: int) -> DatasetSplits:
    return drawn.load_splits("vehicles", examples_per_class, seed)


def cells(examples_per_class: int | None, seed: int) -> DatasetSplits:
    return drawn.load_splits("cells", examples_per_class, seed)


def digits(examples_per_class: int | None, seed: int) -> DatasetSplits:
    images, labels = _read_digits()
    classes = dict.fromkeys("0123456789", "")
    return _split("digits", classes, images, labels, examples_per_class, seed)


@cache
def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    # The file itself: importing scikit-learn takes longer than reading it, and pages read it too.
    package = Path(find_spec("sklearn").submodule_search_locations[0])
    table = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    grey = (table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), table[:, -1].astype(np.int64)


def messages(examples_per_class: int | None, seed: int) -> DatasetSplits:
    return _load_texts("messages", *_read_csv("messages"), MESSAGES, examples_per_class, seed)


def finance(examples_per_class: int | None, seed: int) -> DatasetSplits:
    return _load_texts("finance", *_read_csv("finance"), FINANCE, examples_per_class, seed)


def triage(examples_per_class: int | None, seed: int) -> DatasetSplits:
    return _load_texts("triage", *_read_csv("triage"), TRIAGE, examples_per_class, seed)


def pydocs(examples_per_class: int | None, seed: int) -> DatasetSplits:
    texts, topics = _read_pydocs()
    descriptions = {topic: f"{topic} in Python" for topic in sorted(set(topics))}
    return _load_texts("pydocs", texts, topics, descriptions, examples_per_class, seed)


@cache
def _read_pydocs() -> tuple[list[str], list[str]]:
    from trainers.datasets.bundled.generate import pydocs

    return pydocs.load_sentences()


@cache
def _read_csv(name: str) -> tuple[list[str], list[str]]:
    with open(DATA_DIR / f"{name}.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def preview(name: str) -> list[tuple[str, str]]:
    """Return an example of each class of the data set that `name` loads, ready to show."""
    if name in drawn.GENERATORS:
        return drawn.preview(name)
    data = globals()[name](1, 0)
    pairs = zip(data.train.inputs, data.train.labels, strict=True)
    return [(render_example(example), data.classes[label]) for example, label in pairs]


def _load_texts(
    name: str,
    texts: list[str],
    class_names: list[str],
    descriptions: dict[str, str],
    examples_per_class: int | None,
    seed: int,
) -> DatasetSplits:
    classes = tuple(descriptions)
    labels = np.array([classes.index(class_name) for class_name in class_names])
    return _split(name, descriptions, texts, labels, examples_per_class, seed)


def _split(
    name: str,
    descriptions: dict[str, str],
    inputs: Sequence,
    labels: np.ndarray,
    examples_per_class: int | None,
    seed: int,
) -> DatasetSplits:
    """Split by a hash of each example: the first ones of each class are the test set."""
    by_class = defaultdict(list)
    for row in sorted(range(len(labels)), key=lambda row: _hash_content(inputs[row])):
        by_class[labels[row]].append(row)
    count = TEST_EXAMPLES_PER_CLASS[name]
    test = np.array([row for rows in by_class.values() for row in rows[:count]])
    rest = np.array([row for rows in by_class.values() for row in rows[count:]])
    random.Random(0).shuffle(test)  # so that a prefix of the test set has all classes
    train = rest[sample_per_class(labels[rest], examples_per_class, seed)]
    return DatasetSplits(
        "images" if isinstance(inputs, np.ndarray) else "text",
        tuple(descriptions),
        Split(_select_rows(inputs, train), labels[train]),
        Split(_select_rows(inputs, test), labels[test]),
        tuple(filter(None, descriptions.values())),
    )


def _select_rows(inputs: Sequence, rows: np.ndarray) -> Sequence:
    return inputs[rows] if isinstance(inputs, np.ndarray) else [inputs[row] for row in rows]


def _hash_content(example: str | np.ndarray) -> bytes:
    raw = example.encode() if isinstance(example, str) else example.tobytes()
    return hashlib.sha256(raw).digest()
