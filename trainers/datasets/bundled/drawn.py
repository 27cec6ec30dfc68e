"""Data sets of pictures drawn by code: a picture is a pure function of its class and number.

The generators are not packed into files: a seed has 500 training pictures of each class of its
own, and 3,000 pictures (one seed and the test set) take 22 MB as lossless WebP, most of it camera
noise. One is drawn in 3 ms. A generator is imported only when a picture of it is needed.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from types import ModuleType

import numpy as np

from trainers.datasets.thumbnails import render_example
from trainers.datasets.types import EMPTY_SPLIT, DatasetSplits, Split

GENERATORS = {  # modules with CLASSES and draw(class_name, number)
    "vehicles": "trainers.datasets.bundled.generate.vehicles",
    "cells": "trainers.datasets.bundled.generate.blood_cells",
}
MAX_TRAIN_PER_CLASS = 500  # unless more are asked for: a run would wait for them
TEST_PER_CLASS = 100
FIRST_TEST_NUMBER = 0  # training pictures have larger numbers
NUMBERS_PER_SEED = 1_000_000
PREVIEW_NUMBER = 2
NO_PICTURES = np.empty((0, 1, 1, 3), np.uint8)


def load_splits(name: str, examples_per_class: int | None, seed: int) -> DatasetSplits:
    """Draw the training pictures of `seed` and the test pictures, which are always the same."""
    count = MAX_TRAIN_PER_CLASS if examples_per_class is None else examples_per_class
    return DatasetSplits(
        "images",
        _generator(name).CLASSES,
        _draw_split(name, count, _first_train_number(seed)),
        _draw_split(name, TEST_PER_CLASS, FIRST_TEST_NUMBER),
    )


def load_subset(
    name: str, rows: Sequence[int], examples_per_class: int | None, seed: int
) -> DatasetSplits | None:
    """Return only the training pictures at `rows`, without a test set; None if not drawn."""
    if name not in GENERATORS:
        return None
    generator = _generator(name)
    classes, first = generator.CLASSES, _first_train_number(seed)
    count = MAX_TRAIN_PER_CLASS if examples_per_class is None else examples_per_class
    places = [divmod(row, len(classes)) for row in rows if 0 <= row < len(classes) * count]
    pictures = [generator.draw(classes[label], first + number) for number, label in places]
    labels = np.array([label for _, label in places], dtype=np.int64)
    train = Split(np.stack(pictures) if pictures else NO_PICTURES, labels)
    return DatasetSplits("images", classes, train, EMPTY_SPLIT)


def preview(name: str) -> list[tuple[str, str]]:
    """Return a picture of each class as (data: URI, class name)."""
    generator = _generator(name)
    return [
        (render_example(generator.draw(class_name, PREVIEW_NUMBER)), class_name)
        for class_name in generator.CLASSES
    ]


def _generator(name: str) -> ModuleType:
    return import_module(GENERATORS[name])


def _first_train_number(seed: int) -> int:
    return NUMBERS_PER_SEED * (1 + seed)


@lru_cache(4)  # drawing takes longer than training on it, and the test set is always the same
def _draw_split(name: str, examples_per_class: int, first: int) -> Split:
    """Draw a split in which the classes take turns."""
    generator = _generator(name)
    pictures = [
        generator.draw(class_name, first + number)
        for number in range(examples_per_class)
        for class_name in generator.CLASSES
    ]
    labels = np.tile(np.arange(len(generator.CLASSES)), examples_per_class)
    return Split(np.stack(pictures), labels)
