"""What a data set is: its examples, its split into training and test, and its row in a registry."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Inputs (uint8 pictures N x H x W x 3, or texts) with their labels, int64 (N,)."""

    inputs: Sequence  # pictures of an upload differ in size and are decoded on access
    labels: np.ndarray
    groups: np.ndarray | None = None  # index into `group_names` for each example, if named
    group_names: tuple[str, ...] = ()


EMPTY_SPLIT = Split((), np.array([], dtype=np.int64))


@dataclass(frozen=True)
class DatasetSplits:
    modality: str  # "images" or "text"
    classes: tuple[str, ...]
    train: Split
    test: Split
    class_descriptions: tuple[str, ...] = ()  # each class in words, for zero-shot comparison


@dataclass(frozen=True)
class DatasetFacts:
    """Properties of the stored examples that a backbone has to cope with."""

    modality: str
    side_px: int | None = None  # median of the pictures' shorter sides; None for texts
    grey: bool = False  # nearly all pictures
    language: str = ""  # ISO 639 code of the texts; "" if uncertain
    words: int = 0  # 95th percentile of a text's length; 0 for pictures


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A row of a registry: describes a data set and loads it when asked."""

    key: str  # in links and plans: never rename
    title: str
    description: str  # content, in one line
    origin: str  # "real …", or who drew or wrote it
    modality: str
    classes: int
    train_examples_per_class: int  # of the smallest class
    test_examples: int
    matching_answers: dict[str, str] = field(hash=False)  # answers in the guide that describe it
    loader: str  # "module:function", called with (examples_per_class, seed)
    facts: DatasetFacts | None = None  # result of `compute_facts`; None if not computed

    def load_splits(
        self, examples_per_class: int | None = None, seed: int = 0, fixes: Collection[str] = ()
    ) -> DatasetSplits:
        """Return `examples_per_class` (None: all) training examples chosen by `seed`, and the test.

        The split into training and test never depends on the arguments. `fixes` are keys of
        findings whose examples are excluded; only uploads have any.
        """
        module, _, name = self.loader.partition(":")
        return getattr(import_module(module), name)(examples_per_class, seed)

    def load_subset(
        self,
        rows: Sequence[int],
        examples_per_class: int | None = None,
        seed: int = 0,
        fixes: Collection[str] = (),
    ) -> DatasetSplits:
        """Return only the training examples at `rows` of `load_splits(…)`, with an empty test set.

        Rows out of range are ignored. A module that can make single examples faster than the
        whole set has a `load_subset(name, rows, examples_per_class, seed)`, which is used unless
        it returns None.
        """
        module, _, name = self.loader.partition(":")
        if module and (load := getattr(import_module(module), "load_subset", None)):
            subset = load(name, rows, examples_per_class, seed)
            if subset is not None:
                return subset
        data = self.load_splits(examples_per_class, seed, fixes)
        inputs, labels = data.train.inputs, data.train.labels
        rows = [row for row in rows if 0 <= row < len(labels)]
        is_array = isinstance(inputs, np.ndarray)
        chosen = inputs[rows] if is_array else [inputs[row] for row in rows]
        return DatasetSplits(data.modality, data.classes, Split(chosen, labels[rows]), EMPTY_SPLIT)

    def preview(self) -> list[tuple[str, str]]:
        """Return an example of each class as (text or data: URI, class name), without slow work."""
        module, _, name = self.loader.partition(":")
        return import_module(module).preview(name)


def sample_per_class(
    labels: np.ndarray,
    examples_per_class: int | None,
    seed: int,
    excluded: np.ndarray | None = None,
) -> np.ndarray:
    """Return shuffled row numbers of up to `examples_per_class` examples of each class.

    With the same seed a smaller sample is contained in a larger one, so that learning curves
    compare like with like. Rows marked in `excluded`, bool (N,), are replaced by the next ones.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    if excluded is not None:
        shuffled = shuffled[~excluded[shuffled]]
    if examples_per_class is None:
        return shuffled
    sample = [
        shuffled[labels[shuffled] == label][:examples_per_class] for label in np.unique(labels)
    ]
    return np.random.default_rng(seed).permutation(np.concatenate(sample))
