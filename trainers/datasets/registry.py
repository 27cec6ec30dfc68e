"""The data sets that come with Thaw, and which of them is most like a visitor's answers."""

from guide.questions import LARGE_MIN_EXAMPLES_PER_CLASS, UNSURE, Answers
from trainers.datasets.types import Dataset, DatasetFacts
from trainers.system.registry import build_registry

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

SPECIFICITIES = ("common", "somewhat", "specialised")  # ordered, for distances


def find_closest(answers: Answers) -> tuple[Dataset, tuple[str, ...]]:
    """Return the bundled data set most like `answers`, and the questions it does not match.

    Specificity weighs more than volume, because any data set can be cut down to fewer examples.
    """
    modality = "text" if answers.modality == "text" else "images"

    def mismatch(dataset: Dataset) -> tuple[int, bool]:
        specificity_gap = 0
        if answers.specificity != UNSURE:
            specificity_gap = abs(
                SPECIFICITIES.index(dataset.matching_answers["specificity"])
                - SPECIFICITIES.index(answers.specificity)
            )
        is_too_small = (
            answers.data_volume == "large"
            and dataset.train_examples_per_class < LARGE_MIN_EXAMPLES_PER_CLASS
        )
        return specificity_gap, is_too_small

    def distance(dataset: Dataset) -> tuple[int, bool, bool]:
        # Of two that match equally well, prefer the one of exactly that volume.
        other_volume = answers.data_volume not in (UNSURE, dataset.matching_answers["data_volume"])
        return *mismatch(dataset), other_volume

    closest = min((d for d in BUNDLED_DATASETS.values() if d.modality == modality), key=distance)
    specificity_gap, is_too_small = mismatch(closest)
    return closest, ("specificity",) * bool(specificity_gap) + ("data_volume",) * is_too_small
