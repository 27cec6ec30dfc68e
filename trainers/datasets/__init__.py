"""The data sets that come with Thaw, as a registry; nothing here needs torch or a network."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from guide.questions import LARGE_MIN_EXAMPLES_PER_CLASS, UNSURE, Answers
from trainers.system.registry import build_registry, look_up


class Split(NamedTuple):
    """Inputs (uint8 pictures N x H x W x 3, or a list of texts) and labels, int64 (N,)."""

    inputs: Sequence  # pictures of one's own: of differing sizes, decoded when asked for
    labels: np.ndarray
    # Of one's own data, where they were named: the group of each, a place in `group_names`.
    groups: np.ndarray | None = None
    group_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetSplits:
    modality: str  # "images" or "text"
    classes: tuple[str, ...]
    train: Split
    test: Split
    # Each class in words, as a text may be compared with it when there is no example (zero-shot).
    class_descriptions: tuple[str, ...] = ()


EMPTY_SPLIT = Split((), np.array([], dtype=np.int64))


@dataclass(frozen=True)
class DatasetFacts:
    """What a backbone has to cope with; pictures as they are kept: an upload's are made smaller."""

    modality: str
    side_px: int | None = None  # median of the pictures' shorter sides; None for texts
    grey: bool = False  # nearly all pictures
    language: str = ""  # ISO 639 code of the texts; "" where it cannot be told
    words: int = 0  # in a long text: 95 of 100 are no longer; 0 for pictures


def compute_facts(data: DatasetSplits, most: int = 200) -> DatasetFacts:
    """Facts about `data`, from at most `most` examples spread over all of them."""
    inputs = data.train.inputs if len(data.train.inputs) else data.test.inputs
    places = np.unique(np.linspace(0, len(inputs) - 1, min(most, len(inputs))).astype(int))
    some = [inputs[place] for place in places]
    if data.modality == "text":
        words = np.percentile([len(WORD_PATTERN.findall(text)) for text in some] or [0], 95)
        return DatasetFacts("text", language=detect_language(some), words=round(words))
    sides = [min(picture.shape[:2]) for picture in some]
    grey = np.mean(
        [np.ptp(picture, axis=2).mean() < MAX_GREY_CHANNEL_SPREAD for picture in some] or [0]
    )
    return DatasetFacts("images", int(np.median(sides)) if sides else None, grey=bool(grey > 0.95))


# Scripts without spaces between words: each character counts as one.
WORD_PATTERN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\s\u2e80-\u9fff\uf900-\ufaff]+")
MAX_GREY_CHANNEL_SPREAD = (
    4  # spread of the channels, of 255: JPEG leaves a little colour in a scanned grey page
)
MIN_LANGUAGE_CONFIDENCE = 0.99  # of a language; ours
MIN_LETTERS = 20  # with fewer, a name decides; ours


def detect_language(texts: Sequence[str]) -> str:
    """ISO 639 code of the language that most of `texts` are in; "" where that is not sure."""
    joined = " ".join(text[:500] for text in texts)[:20_000]
    if sum(character.isalpha() for character in joined) < MIN_LETTERS:
        return ""
    language, sureness = _load_language_identifier().classify(joined)
    return (
        language if sureness > MIN_LANGUAGE_CONFIDENCE and language != "zxx" else ""
    )  # zxx: not a language


@cache
def _load_language_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # half a second

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    key: str  # in links and plans: never rename
    title: str
    description: str  # what it holds, in a line
    origin: str  # "real", or that it was drawn or written, and by whom
    modality: str
    classes: int
    train_examples_per_class: int  # at most, for the class that has fewest
    test_examples: int  # examples
    matching_answers: dict[str, str] = field(hash=False)  # answers that it is like
    loader: str  # "module:function", called with (per_class, seed)
    facts: DatasetFacts | None = None  # what `facts_of` finds; None where nobody looked

    def load_splits(
        self, per_class: int | None = None, seed: int = 0, fixes: Collection[str] = ()
    ) -> DatasetSplits:
        """`per_class` training examples of each class (None: all), chosen by `seed`; the split
        never changes. `fixes`: keys of findings, what they name is left out; of own data only."""
        module, _, name = self.loader.partition(":")
        return getattr(import_module(module), name)(per_class, seed)

    def load_subset(
        self,
        items: Sequence[int],
        per_class: int | None = None,
        seed: int = 0,
        fixes: Collection[str] = (),
    ) -> DatasetSplits:
        """Of what `data` hands back for the same, the training examples numbered `items` alone, and
        no test. Numbers that there are not are passed over; what is drawn, is drawn for these."""
        if self.loader.startswith("trainers.datasets.bundled:"):
            from trainers.datasets import bundled

            if (drawn := bundled.load_subset(self.key, items, per_class, seed)) is not None:
                return drawn
        data = self.load_splits(per_class, seed, fixes)
        inputs, labels = data.train.inputs, data.train.labels
        items = [item for item in items if 0 <= item < len(labels)]
        one_array = isinstance(inputs, np.ndarray)
        chosen = inputs[items] if one_array else [inputs[item] for item in items]
        return DatasetSplits(data.modality, data.classes, Split(chosen, labels[items]), EMPTY_SPLIT)

    def preview(self) -> list[tuple[str, str]]:
        """An example of each class as (what a page can show, the class), without drawing or
        reading more than that where it takes long."""
        module, _, name = self.loader.partition(":")
        return import_module(module).preview(name)


BUNDLED_DATASETS = build_registry(
    Dataset(
        key="vehicles",
        title="Vehicles",
        description="Cars, lorries, buses, motorcycles and bicycles in all sorts of scenes.",
        origin="drawn by code for Thaw",
        modality="images",
        classes=5,
        train_examples_per_class=500,
        test_examples=500,
        matching_answers={"specificity": "common", "data_volume": "large"},
        loader="trainers.datasets.bundled:vehicles",
        facts=DatasetFacts("images", side_px=64),
    ),
    Dataset(
        key="digits",
        title="Handwritten digits",
        description="The figures 0 to 9 as people wrote them, 8 x 8 pixels.",
        origin="real: scikit-learn's digits, from the UCI repository",
        modality="images",
        classes=10,
        train_examples_per_class=114,
        test_examples=600,
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        loader="trainers.datasets.bundled:digits",
        facts=DatasetFacts("images", side_px=8, grey=True),
    ),
    Dataset(
        key="cells",
        title="Blood cells",
        description="Stained cells under a microscope: healthy, three stages of a parasite, "
        "artefacts.",
        origin="drawn by code for Thaw, after textbook descriptions; no real patients",
        modality="images",
        classes=5,
        train_examples_per_class=500,
        test_examples=500,
        matching_answers={"specificity": "specialised", "data_volume": "large"},
        loader="trainers.datasets.bundled:cells",
        facts=DatasetFacts("images", side_px=64),
    ),
    Dataset(
        key="messages",
        title="Customer messages",
        description="Short messages to shops and services, by what the customer wants.",
        origin="written by hand for Thaw",
        modality="text",
        classes=8,
        train_examples_per_class=55,
        test_examples=360,
        matching_answers={"specificity": "common", "data_volume": "moderate"},
        loader="trainers.datasets.bundled:messages",
        facts=DatasetFacts("text", language="en", words=25),
    ),
    Dataset(
        key="pydocs",
        title="Python's documentation",
        description="Sentences from the documentation of Python's own library, by topic.",
        origin="real: read from the running Python",
        modality="text",
        classes=9,
        train_examples_per_class=200,
        test_examples=540,
        matching_answers={"specificity": "somewhat", "data_volume": "large"},
        loader="trainers.datasets.bundled:pydocs",
        facts=DatasetFacts("text", language="en", words=28),
    ),
    Dataset(
        key="finance",
        title="Market notes",
        description="Short notes on companies and markets, by how good the news is.",
        origin="written by hand for Thaw; the companies are invented",
        modality="text",
        classes=6,
        train_examples_per_class=55,
        test_examples=270,
        matching_answers={"specificity": "somewhat", "data_volume": "moderate"},
        loader="trainers.datasets.bundled:finance",
        facts=DatasetFacts("text", language="en", words=28),
    ),
    Dataset(
        key="triage",
        title="Clinical notes",
        description="Short notes in doctors' language, by the department that should see "
        "the patient.",
        origin="written by hand for Thaw; no real patients",
        modality="text",
        classes=7,
        train_examples_per_class=55,
        test_examples=315,
        matching_answers={"specificity": "specialised", "data_volume": "moderate"},
        loader="trainers.datasets.bundled:triage",
        facts=DatasetFacts("text", language="en", words=30),
    ),
)


def get_dataset(key: str) -> Dataset:
    """The sample, the upload or the downloaded data set called `key`. Raises `UnknownKey`, naming
    one that exists, or saying how to download it."""
    from trainers.datasets import catalog, uploads  # they need what stands here

    if key.startswith("own-"):
        return uploads.get_upload(key)
    if key in catalog.CATALOG:
        return catalog.get_downloaded(key)
    return look_up(BUNDLED_DATASETS, key, "sample")


def list_available() -> list[Dataset]:
    """What comes with Thaw, and what was downloaded."""
    from trainers.datasets import catalog

    return [
        *BUNDLED_DATASETS.values(),
        *(catalog.get_downloaded(k) for k in catalog.CATALOG if catalog.is_downloaded(k)),
    ]


SPECIFICITIES = ("common", "somewhat", "specialised")  # from near to far: for distances


def find_closest(answers: Answers) -> tuple[Dataset, tuple[str, ...]]:
    """The sample most like the answers, and the questions whose answer it does not resemble.

    Specificity weighs more than volume: any sample can be cut down to fewer examples.
    """
    modality = "text" if answers.modality == "text" else "images"

    def unlike(sample: Dataset) -> tuple[int, bool]:
        special = (
            0
            if answers.specificity == UNSURE
            else abs(
                SPECIFICITIES.index(sample.matching_answers["specificity"])
                - SPECIFICITIES.index(answers.specificity)
            )
        )
        too_small = (
            answers.data_volume == "large"
            and sample.train_examples_per_class < LARGE_MIN_EXAMPLES_PER_CLASS
        )
        return special, too_small

    def distance(sample: Dataset) -> tuple[int, bool, bool]:
        other = answers.data_volume not in (UNSURE, sample.matching_answers["data_volume"])
        return *unlike(sample), other  # of two that serve, the one of that very size

    sample = min((s for s in BUNDLED_DATASETS.values() if s.modality == modality), key=distance)
    special, too_small = unlike(sample)
    return sample, tuple(["specificity"] * bool(special) + ["data_volume"] * too_small)
