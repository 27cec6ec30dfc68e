"""The health check: what a good colleague would say of a data set before anything learns on it.

`findings` gathers what is known of each example (`known`) and asks each finder in turn. A finder
is a function that hands back a `Finding`, or None where nothing is wrong. Importing this brings
neither torch nor scikit-learn.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from trainers.data_checks import class_balance, duplicates, images, label_errors, texts
from trainers.data_checks.context import CheckContext, build_context
from trainers.data_checks.findings import SEVERITIES, Finding
from trainers.datasets import Dataset, DatasetSplits
from trainers.events import Progress
from trainers.system.registry import build_registry


@dataclass(frozen=True, kw_only=True)
class Check:
    key: str  # of its finding: in plans, never rename
    looks_at: str  # shown where nothing was found, after "Looked at: "
    find: Callable[[CheckContext], Finding | None]
    modality: str = ""  # "": of any kind
    mends: str = ""  # what its mend leaves out, in words; "": it has none


CHECKS = build_registry(
    Check(
        key="unreadable",
        looks_at="items that could not be read",
        find=class_balance.check_unreadable,
    ),
    Check(
        key="unmatched",
        looks_at="classes without an example",
        find=class_balance.check_missing_classes,
    ),
    Check(
        key="spellings",
        looks_at="classes written in two ways",
        find=class_balance.check_class_spellings,
    ),
    Check(
        key="few-examples",
        looks_at="how many examples each class has",
        find=class_balance.check_few_examples,
    ),
    Check(
        key="imbalance", looks_at="how evenly they are spread", find=class_balance.check_imbalance
    ),
    Check(
        key="small-test", looks_at="how much the test can tell", find=class_balance.check_test_size
    ),
    Check(
        key="two-labels",
        looks_at="the same item under two labels",
        find=duplicates.check_conflicting_labels,
        mends="under two labels",
    ),
    Check(key="doubles", looks_at="copies", find=duplicates.check_duplicates, mends="copies"),
    Check(
        key="near-doubles",
        looks_at="near-copies",
        find=duplicates.check_near_duplicates,
        mends="near-copies",
    ),
    Check(
        key="in-both",
        looks_at="items in training and in the test as well",
        find=duplicates.check_leakage,
    ),
    Check(
        key="blank",
        looks_at="blank pictures",
        find=images.check_blank,
        modality="images",
        mends="blank",
    ),
    Check(
        key="cut-off", looks_at="cut-off pictures", find=images.check_truncated, modality="images"
    ),
    Check(
        key="odd-sizes", looks_at="odd sizes", find=images.check_unusual_sizes, modality="images"
    ),
    Check(
        key="size-tells",
        looks_at="sizes or formats that give a class away",
        find=images.check_size_leakage,
        modality="images",
    ),
    Check(
        key="short-texts",
        looks_at="texts of hardly any words",
        find=texts.check_short_texts,
        modality="text",
    ),
    Check(
        key="long-texts",
        looks_at="texts longer than the model reads",
        find=texts.check_long_texts,
        modality="text",
    ),
    Check(key="language", looks_at="languages", find=texts.check_language, modality="text"),
    Check(
        key="label-in-text",
        looks_at="labels inside the texts",
        find=texts.check_label_in_text,
        modality="text",
    ),
    Check(
        key="giveaway",
        looks_at="words that give a class away",
        find=texts.check_giveaway_words,
        modality="text",
    ),
    Check(
        key="suspicious-labels",
        looks_at="labels that look wrong",
        find=label_errors.check_label_errors,
        mends="of training, unlike their label",
    ),
)
CHECK_DESCRIPTIONS = tuple(finder.looks_at for finder in CHECKS.values())
FIXABLE_KEYS = tuple(finder.key for finder in CHECKS.values() if finder.mends)


def list_checks(modality: str) -> list[Check]:
    return [finder for finder in CHECKS.values() if finder.modality in ("", modality)]


def describe_checks(modality: str) -> tuple[str, ...]:
    """What is looked at in data of this kind, in words."""
    return tuple(finder.looks_at for finder in list_checks(modality))


def run_checks(
    sample: Dataset, data: DatasetSplits, features: np.ndarray | None, seconds: float
) -> Generator[Progress, None, list[Finding]]:
    """What is wrong with `data`, which is `sample.data()`, the worst first; [] where nothing is.

    `features`, float32 (n, F), are those of the first n training examples; None: labels are not
    looked at. About `seconds` are spent: where they are too few to compare all pictures, the first
    so many are compared.
    """
    began = time.monotonic()
    asked = list_checks(data.modality)
    yield Progress(0, len(asked), 0.0, "checks")
    known = build_context(sample, data, features, seconds / 2)
    found = []
    for done, finder in enumerate(asked, 1):
        if finding := finder.find(known):
            found.append(finding)
        yield Progress(done, len(asked), time.monotonic() - began, "checks")
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.weight))
