"""Scores of parts of the test: of each class, and of each group that a visitor named. What the
counts do not carry is not claimed.

Each part is held against all the others together: that asks for fewer tests than every pair, and
so sees smaller gaps. Fisher's exact test says how surprising a gap is, also where examples are few;
Holm's correction (1979, Scandinavian Journal of Statistics 6) allows for there being many parts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainers.events import PredictionsRecorded

# Gaps as large as that come by chance, in any part, in at most so many tests.
SIGNIFICANCE_LEVEL = 0.05
MAX_REPORTED_GAPS = 6  # gaps in words


class SubgroupScore(NamedTuple):
    """A class or a group in the test. Shares are 0..1, None where there is no example."""

    name: str
    right: int
    tests: int
    share: float | None  # right; of a class that is its recall
    low: float | None  # 95 % interval (Wilson)
    high: float | None
    said: int = 0  # answers that name this class; 0 of a group
    said_right: int = 0  # of those the right ones: their share is its precision
    expected: float | None = None  # of a group: the share right, if it went by its classes alone


class SubgroupGap(NamedTuple):
    """A part against all others together."""

    name: str
    share: float
    others: float  # their share right
    p: float  # by chance, after the correction for the number of parts
    clear: bool


def score_classes(answered: PredictionsRecorded, classes: Sequence[str]) -> list[SubgroupScore]:
    """The score of each class, in order."""
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (np.asarray(answered.labels), np.asarray(answered.predictions)), 1)
    return score_confusion(confusion, classes)


def score_confusion(
    confusion: Sequence[Sequence[int]], classes: Sequence[str]
) -> list[SubgroupScore]:
    """The score of each class, in order; a row of `confusion` holds the answers to one class."""
    counts = np.asarray(confusion)
    right, tests, said = counts.diagonal(), counts.sum(1), counts.sum(0)
    return [
        _score_subgroup(name, int(right[n]), int(tests[n]))._replace(
            said=int(said[n]), said_right=int(right[n])
        )
        for n, name in enumerate(classes)
    ]


def score_groups(
    answered: PredictionsRecorded, groups: Sequence[int], names: Sequence[str]
) -> list[SubgroupScore]:
    """The score of each group, in order; `groups` has the group of each test example, as a place
    in `names`."""
    labels, groups = np.asarray(answered.labels), np.asarray(groups)
    hits = labels == np.asarray(answered.predictions)
    of_class = np.bincount(labels, weights=hits) / np.bincount(labels).clip(1)
    found = []
    for number, name in enumerate(names):
        inside = groups == number
        part = _score_subgroup(name, int(hits[inside].sum()), int(inside.sum()))
        if inside.any():
            part = part._replace(expected=float(of_class[labels[inside]].mean()))
        found.append(part)
    return found


def find_gaps(parts: Sequence[SubgroupScore]) -> list[SubgroupGap]:
    """Return the gap of each part to the others, the lowest first.

    Of two parts only the lower one, since the other is the same gap.
    """
    from scipy.stats import fisher_exact  # takes a second: pages import this module

    there = [part for part in parts if part.tests]
    right, tests = sum(part.right for part in there), sum(part.tests for part in there)
    there.sort(key=lambda part: part.share)
    if len(there) == 2:
        there = there[:1]
    elif len(there) < 2:
        return []
    chances = []
    for part in there:
        table = [
            [part.right, part.tests - part.right],
            [right - part.right, tests - part.tests - (right - part.right)],
        ]
        chances.append(float(fisher_exact(table).pvalue))
    return [
        SubgroupGap(
            part.name,
            part.share,
            (right - part.right) / (tests - part.tests),
            p,
            p < SIGNIFICANCE_LEVEL,
        )
        for part, p in zip(there, holm_correction(chances), strict=True)
    ]


def holm_correction(chances: Sequence[float]) -> list[float]:
    """Each of `chances` (p values), corrected for their number."""
    corrected, most = [0.0] * len(chances), 0.0
    for rank, place in enumerate(np.argsort(chances)):
        most = max(most, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = most
    return corrected


def minimum_detectable_gap(part: SubgroupScore, parts: Sequence[SubgroupScore]) -> float | None:
    """The largest gap below the others, as a share, that could still be chance, given how many
    examples `part` has; None where not even an empty score would be clear."""
    from scipy.stats import fisher_exact

    there = [one for one in parts if one.tests]
    right = sum(one.right for one in there) - part.right
    tests = sum(one.tests for one in there) - part.tests
    many = 1 if len(there) == 2 else len(there)
    others = right / tests

    def clear(hits: int) -> bool:
        table = [[hits, part.tests - hits], [right, tests - right]]
        return hits / part.tests < others and fisher_exact(table).pvalue * many < SIGNIFICANCE_LEVEL

    if not clear(0):
        return None
    below, above = 0, part.tests  # clear with so many right, and not clear
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if clear(middle) else (below, middle)
    return others - above / part.tests


def describe_gaps(
    parts: Sequence[SubgroupScore], found: Sequence[SubgroupGap], what: str
) -> list[str]:
    """Return what can be said of the gaps between parts; `what` is "class" or "group"."""
    there = [part for part in parts if part.tests]
    if len(there) < 2:
        return [f"The test has examples of one {what} alone: there is nothing to compare."]
    sentences = []
    for sign, more in ((-1, "fewer"), (1, "more")):
        clear = [gap for gap in found if gap.clear and sign * (gap.share - gap.others) > 0]
        if sign > 0:
            clear = clear[::-1]  # the highest first
        for gap in clear[:MAX_REPORTED_GAPS]:
            rest = "the others together"
            if len(there) == 2:
                rest = next(part.name for part in there if part.name != gap.name)
            sentences.append(
                f"{what.capitalize()} {gap.name}: {more} are right than of {rest}, "
                f"{gap.share:.0%} against {gap.others:.0%}. So large a gap is hardly chance."
            )
        if len(clear) > MAX_REPORTED_GAPS:
            sentences.append(
                f"And {len(clear) - MAX_REPORTED_GAPS:,} more where clearly {more} are right."
            )
    if not sentences:
        sentences.append(f"No {what} is clearly apart from the others.")
    least = min(there, key=lambda part: part.tests)
    limit = minimum_detectable_gap(least, parts)
    count = "1 example" if least.tests == 1 else f"{least.tests:,} examples"
    has = f"{what.capitalize()} {least.name} has {count} in the test"
    if limit is None:
        sentences.append(f"{has}: with so few, any gap below the others could be chance.")
    elif limit >= 0.01:
        sentences.append(
            f"{has}: there a gap of up to {100 * limit:.0f} points "
            "below the others could still be chance."
        )
    return sentences


def describe_class_mix(part: SubgroupScore, overall: float) -> str:
    """Return in words that a group's score comes with the classes in it; "" if it does not."""
    if part.share is None or abs(part.expected - overall) < 0.02:
        return ""
    harder = "harder" if part.expected < overall else "easier"
    return (
        f"Group {part.name} holds more of the {harder} classes: by them alone {part.expected:.0%} "
        f"would be right of it, and {overall:.0%} of all."
    )


def _score_subgroup(name: str, right: int, tests: int) -> SubgroupScore:
    if not tests:
        return SubgroupScore(name, 0, 0, None, None, None)
    from scipy.stats import binomtest

    interval = binomtest(right, tests).proportion_ci(0.95, method="wilson")
    return SubgroupScore(
        name, right, tests, right / tests, float(interval.low), float(interval.high)
    )
