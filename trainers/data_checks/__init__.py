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
from trainers.data_checks.context import Known, gather
from trainers.data_checks.findings import WEIGHTS, Finding
from trainers.datasets import Data, Sample
from trainers.events import Progress
from trainers.system.registry import by_key


@dataclass(frozen=True, kw_only=True)
class Finder:
    key: str  # of its finding: in plans, never rename
    looks_at: str  # shown where nothing was found, after "Looked at: "
    find: Callable[[Known], Finding | None]
    modality: str = ""  # "": of any kind
    mends: str = ""  # what its mend leaves out, in words; "": it has none


FINDERS = by_key(
    Finder(
        key="unreadable", looks_at="items that could not be read", find=class_balance.unreadable
    ),
    Finder(key="unmatched", looks_at="classes without an example", find=class_balance.unmatched),
    Finder(key="spellings", looks_at="classes written in two ways", find=class_balance.spellings),
    Finder(key="few-examples", looks_at="how many examples each class has", find=class_balance.few),
    Finder(key="imbalance", looks_at="how evenly they are spread", find=class_balance.imbalance),
    Finder(key="small-test", looks_at="how much the test can tell", find=class_balance.small_test),
    Finder(
        key="two-labels",
        looks_at="the same item under two labels",
        find=duplicates.two_labels,
        mends="under two labels",
    ),
    Finder(key="doubles", looks_at="copies", find=duplicates.exact, mends="copies"),
    Finder(key="near-doubles", looks_at="near-copies", find=duplicates.nearly, mends="near-copies"),
    Finder(
        key="in-both", looks_at="items in training and in the test as well", find=duplicates.in_both
    ),
    Finder(
        key="blank",
        looks_at="blank pictures",
        find=images.blank,
        modality="images",
        mends="blank",
    ),
    Finder(key="cut-off", looks_at="cut-off pictures", find=images.cut_off, modality="images"),
    Finder(key="odd-sizes", looks_at="odd sizes", find=images.odd_sizes, modality="images"),
    Finder(
        key="size-tells",
        looks_at="sizes or formats that give a class away",
        find=images.size_tells,
        modality="images",
    ),
    Finder(
        key="short-texts", looks_at="texts of hardly any words", find=texts.short, modality="text"
    ),
    Finder(
        key="long-texts",
        looks_at="texts longer than the model reads",
        find=texts.long,
        modality="text",
    ),
    Finder(key="language", looks_at="languages", find=texts.language, modality="text"),
    Finder(
        key="label-in-text",
        looks_at="labels inside the texts",
        find=texts.label_in_text,
        modality="text",
    ),
    Finder(
        key="giveaway",
        looks_at="words that give a class away",
        find=texts.giveaway,
        modality="text",
    ),
    Finder(
        key="suspicious-labels",
        looks_at="labels that look wrong",
        find=label_errors.suspicious,
        mends="of training, unlike their label",
    ),
)
CHECKED = tuple(finder.looks_at for finder in FINDERS.values())
MENDS = tuple(finder.key for finder in FINDERS.values() if finder.mends)


def finders(modality: str) -> list[Finder]:
    return [finder for finder in FINDERS.values() if finder.modality in ("", modality)]


def checked(modality: str) -> tuple[str, ...]:
    """What is looked at in data of this kind, in words."""
    return tuple(finder.looks_at for finder in finders(modality))


def findings(
    sample: Sample, data: Data, features: np.ndarray | None, seconds: float
) -> Generator[Progress, None, list[Finding]]:
    """What is wrong with `data`, which is `sample.data()`, the worst first; [] where nothing is.

    `features`, float32 (n, F), are those of the first n training examples; None: labels are not
    looked at. About `seconds` are spent: where they are too few to compare all pictures, the first
    so many are compared.
    """
    began = time.monotonic()
    asked = finders(data.modality)
    yield Progress(0, len(asked), 0.0, "checks")
    known = gather(sample, data, features, seconds / 2)
    found = []
    for done, finder in enumerate(asked, 1):
        if finding := finder.find(known):
            found.append(finding)
        yield Progress(done, len(asked), time.monotonic() - began, "checks")
    return sorted(found, key=lambda finding: WEIGHTS.index(finding.weight))
