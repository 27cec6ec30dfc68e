"""The data sets that come with Thaw, as a registry; nothing here needs torch or a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import NamedTuple

import numpy as np

from guide.questions import LARGE_FROM_PER_CLASS, UNSURE, Answers
from trainers.registry import by_key, pick_from


class Split(NamedTuple):
    """Inputs (uint8 pictures N x H x W x 3, or a list of texts) and labels, int64 (N,)."""

    inputs: Sequence  # pictures of one's own: of differing sizes, decoded when asked for
    labels: np.ndarray


@dataclass(frozen=True)
class Data:
    modality: str  # "images" or "text"
    classes: tuple[str, ...]
    train: Split
    test: Split
    # Each class in words, as a text may be compared with it when there is no example (zero-shot).
    described: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sample:
    key: str  # in links and plans: never rename
    title: str
    about: str  # what it holds, in a line
    made: str  # "real", or that it was drawn or written, and by whom
    modality: str
    classes: int
    train_per_class: int  # at most, for the class that has fewest
    test: int  # examples
    resembles: dict[str, str] = field(hash=False)  # answers that it is like
    load: str  # "module:function", called with (per_class, seed)

    def data(self, per_class: int | None = None, seed: int = 0) -> Data:
        """`per_class` training examples of each class (None: all), chosen by `seed`; the test
        split never changes."""
        module, _, name = self.load.partition(":")
        return getattr(import_module(module), name)(per_class, seed)

    def glimpse(self) -> list[tuple[str, str]]:
        """An example of each class as (what a page can show, the class), without drawing or
        reading more than that where it takes long."""
        module, _, name = self.load.partition(":")
        return import_module(module).glimpse(name)


SAMPLES = by_key(
    Sample(
        key="vehicles",
        title="Vehicles",
        about="Cars, lorries, buses, motorcycles and bicycles in all sorts of scenes.",
        made="drawn by code for Thaw",
        modality="images",
        classes=5,
        train_per_class=500,
        test=500,
        resembles={"specificity": "common", "data_volume": "large"},
        load="trainers.samples.bundled:vehicles",
    ),
    Sample(
        key="digits",
        title="Handwritten digits",
        about="The figures 0 to 9 as people wrote them, 8 x 8 pixels.",
        made="real: scikit-learn's digits, from the UCI repository",
        modality="images",
        classes=10,
        train_per_class=114,
        test=600,
        resembles={"specificity": "somewhat", "data_volume": "moderate"},
        load="trainers.samples.bundled:digits",
    ),
    Sample(
        key="cells",
        title="Blood cells",
        about="Stained cells under a microscope: healthy, three stages of a parasite, artefacts.",
        made="drawn by code for Thaw, after textbook descriptions; no real patients",
        modality="images",
        classes=5,
        train_per_class=500,
        test=500,
        resembles={"specificity": "specialised", "data_volume": "large"},
        load="trainers.samples.bundled:cells",
    ),
    Sample(
        key="messages",
        title="Customer messages",
        about="Short messages to shops and services, by what the customer wants.",
        made="written by hand for Thaw",
        modality="text",
        classes=8,
        train_per_class=55,
        test=360,
        resembles={"specificity": "common", "data_volume": "moderate"},
        load="trainers.samples.bundled:messages",
    ),
    Sample(
        key="pydocs",
        title="Python's documentation",
        about="Sentences from the documentation of Python's own library, by topic.",
        made="real: read from the running Python",
        modality="text",
        classes=9,
        train_per_class=200,
        test=540,
        resembles={"specificity": "somewhat", "data_volume": "large"},
        load="trainers.samples.bundled:pydocs",
    ),
    Sample(
        key="finance",
        title="Market notes",
        about="Short notes on companies and markets, by how good the news is.",
        made="written by hand for Thaw; the companies are invented",
        modality="text",
        classes=6,
        train_per_class=55,
        test=270,
        resembles={"specificity": "somewhat", "data_volume": "moderate"},
        load="trainers.samples.bundled:finance",
    ),
    Sample(
        key="triage",
        title="Clinical notes",
        about="Short notes in doctors' language, by the department that should see the patient.",
        made="written by hand for Thaw; no real patients",
        modality="text",
        classes=7,
        train_per_class=55,
        test=315,
        resembles={"specificity": "specialised", "data_volume": "moderate"},
        load="trainers.samples.bundled:triage",
    ),
)


def pick(key: str) -> Sample:
    """The sample, the upload or the downloaded data set called `key`. Raises `UnknownKey`, naming
    one that exists, or saying how to download it."""
    from trainers.samples import online, own  # they need what stands here

    if key.startswith("own-"):
        return own.sample(key)
    if key in online.ONLINE:
        return online.sample(key)
    return pick_from(SAMPLES, key, "sample")


def here() -> list[Sample]:
    """What comes with Thaw, and what was downloaded."""
    from trainers.samples import online

    return [*SAMPLES.values(), *(online.sample(k) for k in online.ONLINE if online.is_here(k))]


SPECIFICITIES = ("common", "somewhat", "specialised")  # from near to far: for distances


def closest(answers: Answers) -> tuple[Sample, tuple[str, ...]]:
    """The sample most like the answers, and the questions whose answer it does not resemble.

    Specificity weighs more than volume: any sample can be cut down to fewer examples.
    """
    modality = "text" if answers.modality == "text" else "images"

    def unlike(sample: Sample) -> tuple[int, bool]:
        special = (
            0
            if answers.specificity == UNSURE
            else abs(
                SPECIFICITIES.index(sample.resembles["specificity"])
                - SPECIFICITIES.index(answers.specificity)
            )
        )
        too_small = answers.data_volume == "large" and sample.train_per_class < LARGE_FROM_PER_CLASS
        return special, too_small

    def distance(sample: Sample) -> tuple[int, bool, bool]:
        other = answers.data_volume not in (UNSURE, sample.resembles["data_volume"])
        return *unlike(sample), other  # of two that serve, the one of that very size

    sample = min((s for s in SAMPLES.values() if s.modality == modality), key=distance)
    special, too_small = unlike(sample)
    return sample, tuple(["specificity"] * bool(special) + ["data_volume"] * too_small)
