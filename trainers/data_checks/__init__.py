"""The data check: what a good colleague would say of a dataset before anything is trained on it.

`run_checks` gathers what is known of each example (`context`) and calls each check in turn. A check
is a function that returns a `Finding`, or None if nothing is wrong. Importing this loads neither
torch nor scikit-learn.
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
    description: str  # shown where nothing was found, after "Looked at: "
    run: Callable[[CheckContext], Finding | None]
    modality: str = ""  # "": of any kind
    fix_name: str = ""  # what its mend leaves out, in words; "": it has none


CHECKS = build_registry(
    Check(
        key="unreadable",
        description="items that could not be read",
        run=class_balance.check_unreadable,
    ),
    Check(
        key="unmatched",
        description="classes without an example",
        run=class_balance.check_missing_classes,
    ),
    Check(
        key="spellings",
        description="classes written in two ways",
        run=class_balance.check_class_spellings,
    ),
    Check(
        key="few-examples",
        description="how many examples each class has",
        run=class_balance.check_few_examples,
    ),
    Check(
        key="imbalance", description="how evenly they are spread", run=class_balance.check_imbalance
    ),
    Check(
        key="small-test",
        description="how much the test can tell",
        run=class_balance.check_test_size,
    ),
    Check(
        key="two-labels",
        description="the same item under two labels",
        run=duplicates.check_conflicting_labels,
        fix_name="under two labels",
    ),
    Check(key="doubles", description="copies", run=duplicates.check_duplicates, fix_name="copies"),
    Check(
        key="near-doubles",
        description="near-copies",
        run=duplicates.check_near_duplicates,
        fix_name="near-copies",
    ),
    Check(
        key="in-both",
        description="items in training and in the test as well",
        run=duplicates.check_leakage,
    ),
    Check(
        key="blank",
        description="blank pictures",
        run=images.check_blank,
        modality="images",
        fix_name="blank",
    ),
    Check(
        key="cut-off", description="cut-off pictures", run=images.check_truncated, modality="images"
    ),
    Check(
        key="odd-sizes", description="odd sizes", run=images.check_unusual_sizes, modality="images"
    ),
    Check(
        key="size-tells",
        description="sizes or formats that give a class away",
        run=images.check_size_leakage,
        modality="images",
    ),
    Check(
        key="short-texts",
        description="texts of hardly any words",
        run=texts.check_short_texts,
        modality="text",
    ),
    Check(
        key="long-texts",
        description="texts longer than the model reads",
        run=texts.check_long_texts,
        modality="text",
    ),
    Check(key="language", description="languages", run=texts.check_language, modality="text"),
    Check(
        key="label-in-text",
        description="labels inside the texts",
        run=texts.check_label_in_text,
        modality="text",
    ),
    Check(
        key="giveaway",
        description="words that give a class away",
        run=texts.check_giveaway_words,
        modality="text",
    ),
    Check(
        key="suspicious-labels",
        description="labels that look wrong",
        run=label_errors.check_label_errors,
        fix_name="of training, unlike their label",
    ),
)
CHECK_DESCRIPTIONS = tuple(finder.description for finder in CHECKS.values())
FIXABLE_KEYS = tuple(finder.key for finder in CHECKS.values() if finder.fix_name)


def list_checks(modality: str) -> list[Check]:
    return [finder for finder in CHECKS.values() if finder.modality in ("", modality)]


def describe_checks(modality: str) -> tuple[str, ...]:
    """Return what is checked in data of this modality, in words."""
    return tuple(finder.description for finder in list_checks(modality))


def run_checks(
    sample: Dataset, data: DatasetSplits, features: np.ndarray | None, seconds: float
) -> Generator[Progress, None, list[Finding]]:
    """Return the findings in `data`, the most severe first.

    `features`, float32 (n, F), are those of the first n training examples; None: labels are not
    checked. About `seconds` are spent: if they are too few to compare all images, only the first
    ones are compared.
    """
    began = time.monotonic()
    asked = list_checks(data.modality)
    yield Progress(0, len(asked), 0.0, "checks")
    known = build_context(sample, data, features, seconds / 2)
    found = []
    for done, finder in enumerate(asked, 1):
        if finding := finder.run(known):
            found.append(finding)
        yield Progress(done, len(asked), time.monotonic() - began, "checks")
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
