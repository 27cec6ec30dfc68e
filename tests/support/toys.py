"""Toy bodies and samples: they learn in a blink, and tell what was asked of them."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from sqlalchemy.exc import OperationalError
from torch import Tensor, nn

from trainers.backbones import Backbone
from trainers.datasets import Dataset, DatasetSplits, Split
from trainers.networks.encoder import (
    Encoder,
    Examples,
    ImageInputs,
    Inputs,
    NamedBlock,
    TokenInputs,
)
from trainers.system.registry import build_registry
from trainers.training.model import Head, Model

SEEN: list[int] = []  # examples in each forward pass of a toy body
ASKED: list[tuple[int, list[int]]] = []  # (which set of inputs, the items of a batch), in order
SLOW = {"seconds": 0.0}  # what a forward pass of a toy body takes


def forget() -> None:
    SEEN.clear()
    ASKED.clear()
    SLOW["seconds"] = 0.0


class Spied(Inputs):
    """Other inputs, that note which items are asked for."""

    def __init__(self, inputs: Inputs, number: int) -> None:
        self.inputs, self.number = inputs, number
        if hasattr(inputs, "lengths"):
            self.lengths = inputs.lengths

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, items: Tensor, *, augment: bool = False):
        ASKED.append((self.number, items.tolist()))
        return self.inputs.batch(items, augment=augment)


class Toy(Encoder):
    width = 8

    @classmethod
    def build(cls, *, pretrained: bool, backbone: Backbone | None = None):
        with torch.random.fork_rng():
            torch.manual_seed(1 if pretrained else 2)
            return cls()

    def __init__(self) -> None:
        super().__init__()
        self.sets = 0

    def spied(self, inputs: Inputs) -> Spied:
        self.sets += 1
        return Spied(inputs, self.sets)

    def named_blocks(self) -> list[NamedBlock]:
        return [NamedBlock("first", self.first), NamedBlock("second", self.second)]

    def noted(self, count: int) -> None:
        SEEN.append(count)
        time.sleep(SLOW["seconds"])


class ToyEye(Toy):
    """Two linear layers with batch-norm, on the corners of 8 x 8 pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.second = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU())

    def prepare(self, inputs: Sequence) -> Inputs:
        return self.spied(ImageInputs(torch.from_numpy(np.asarray(inputs)).permute(0, 3, 1, 2)))

    def forward(self, images: Tensor) -> Tensor:
        self.noted(len(images))
        return self.second(self.first(nn.functional.avg_pool2d(images, 4).flatten(1)))

    def add_lora(self, rank: int) -> None:
        inject_adapter_in_model(LoraConfig(r=rank, target_modules=["first.0", "second.0"]), self)


class ToyReader(Toy):
    """A bag of words, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Embedding(64, 16)
        self.second = nn.Sequential(nn.Linear(16, 8), nn.LayerNorm(8), nn.Dropout(0.1))

    def prepare(self, inputs: Sequence[str]) -> Inputs:
        ids = [[1 + VOCABULARY.index(word) for word in text.split()] for text in inputs]
        return self.spied(TokenInputs(ids, pad=0))

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = batch
        self.noted(len(ids))
        weight = mask[:, :, None].float()
        return self.second((self.first(ids) * weight).sum(1) / weight.sum(1))

    def add_lora(self, rank: int) -> None:
        inject_adapter_in_model(LoraConfig(r=rank, target_modules=["second.0"]), self)


def _backbone(key: str, modality: str, kind: type[Encoder], learns: str) -> Backbone:
    return Backbone(
        key=key,
        title=key,
        good_for="tests",
        modality=modality,
        input_description="toys",
        width=kind.width,
        parameters=sum(p.numel() for p in kind().parameters()),
        trainable=learns,
        licence="none",
        source="here",
        load=f"tests.support.toys:{kind.__name__}",
    )


BACKBONES = build_registry(
    _backbone("eye", "images", ToyEye, "all"), _backbone("reader", "text", ToyReader, "lora")
)

CLASSES = ("red", "green", "blue")
WORDS = {"red": "rose brick cherry", "green": "leaf moss frog", "blue": "sky sea ink"}
FILL = ["the", "a", "one", "this", "that", "some", "it", "is", "was", "near", "far"]
VOCABULARY = [*FILL, *" ".join(WORDS.values()).split()]
TRAIN_PER_CLASS, TEST_PER_CLASS = 30, 20


def _pictures(count: int, seed: int) -> Split:
    """`count` pictures of each class, mixed: noise, and one colour channel lighter."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(3), count))
    images = rng.integers(0, 160, (len(labels), 8, 8, 3))
    images[np.arange(len(labels)), :, :, labels] += 60
    return Split(images.astype(np.uint8), labels)


def _sentences(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(3), count))
    texts = [
        " ".join(
            [
                *rng.choice(FILL, rng.integers(1, 3)),
                *rng.choice(WORDS[CLASSES[label]].split(), 4),
            ]
        )
        for label in labels
    ]
    return Split(texts, labels)


def colours(per_class: int | None, seed: int) -> DatasetSplits:
    count = TRAIN_PER_CLASS if per_class is None else per_class
    return DatasetSplits(
        "images", CLASSES, _pictures(count, 1 + seed), _pictures(TEST_PER_CLASS, 0)
    )


def words(per_class: int | None, seed: int) -> DatasetSplits:
    count = TRAIN_PER_CLASS if per_class is None else per_class
    return DatasetSplits(
        "text",
        CLASSES,
        _sentences(count, 1 + seed),
        _sentences(TEST_PER_CLASS, 0),
        tuple(WORDS[name] for name in CLASSES),
    )


def nameless(per_class: int | None, seed: int) -> DatasetSplits:
    """Texts whose classes have no words of their own to compare with."""
    return replace(words(per_class, seed), class_descriptions=())


def _keeping(
    data: DatasetSplits, keep: np.ndarray, classes: tuple[str, ...] = CLASSES
) -> DatasetSplits:
    train = Split(data.train.inputs[keep], data.train.labels[keep])
    return replace(data, train=train, classes=classes)


def lone(per_class: int | None, seed: int) -> DatasetSplits:
    """One example of blue; the others have all theirs."""
    data = colours(per_class, seed)
    first = np.flatnonzero(data.train.labels == 2)[:1]
    return _keeping(data, np.union1d(first, np.flatnonzero(data.train.labels != 2)))


def one_class(per_class: int | None, seed: int) -> DatasetSplits:
    data = colours(per_class, seed)
    return _keeping(data, np.flatnonzero(data.train.labels == 0))


def crowd(per_class: int | None, seed: int) -> DatasetSplits:
    """More classes than examples: most have none."""
    data = colours(2, seed)
    return _keeping(data, np.arange(6), CLASSES + tuple(f"colour {n}" for n in range(10)))


def _sample(key: str, modality: str = "images", classes: int = 3) -> Dataset:
    return Dataset(
        key=key,
        title=key,
        description=key,
        origin="here",
        modality=modality,
        classes=classes,
        train_examples_per_class=TRAIN_PER_CLASS,
        test_examples=3 * TEST_PER_CLASS,
        matching_answers={"specificity": "common", "data_volume": "moderate"},
        loader=f"tests.support.toys:{key}",
    )


SAMPLES = build_registry(
    _sample("colours"),
    _sample("words", "text"),
    _sample("nameless", "text"),
    _sample("lone"),
    _sample("one_class"),
    _sample("crowd", classes=13),
)


def away_at_first(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """`owner`'s `name` finds the database away the first time that it is called."""
    real, tried = getattr(owner, name), []

    def shaky(*given: Any, **more: Any) -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        return real(*given, **more)

    monkeypatch.setattr(owner, name, shaky)


def model() -> Model:
    return Model(ToyEye.build(pretrained=True), Head(ToyEye.width, 3))


def examples(per_class: int, seed: int = 1, *, mislabelled: bool = False) -> Examples:
    """Colours made ready; `mislabelled`: the labels are dice, so there is nothing to learn."""
    split = _pictures(per_class, seed)
    labels = torch.from_numpy(split.labels)
    if mislabelled:
        labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    return Examples(ToyEye().prepare(split.inputs), labels)
