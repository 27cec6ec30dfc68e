"""Do many inputs look like what the model was tested on? Light: pages read it.

Rabanser et al. 2019 ("Failing loudly: an empirical study of methods for detecting dataset shift")
compare what was given with what was held out by two-sample tests: Kolmogorov-Smirnov on numbers,
chi-square on the answers. Here the numbers are the distances of trainers/serving/ood.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import MonteCarloMethod, chi2_contingency, fisher_exact, ks_2samp

from trainers.serving import Prediction

MIN_ANSWERS = 20  # inputs, and test examples; from fewer nothing is claimed. Ours
# Of each of three tests: of inputs just like the test's, no more than three batches in a hundred
# are called different. Ours; a check that cries wolf is soon not read.
SIGNIFICANCE_LEVEL = 0.01
# Drawn by chance for the chi-square: with few answers of a class its curve is wrong.
MONTE_CARLO_TABLES = 4999


class ClassShift(NamedTuple):
    """The class whose share of the answers stands out most."""

    label: int
    count: int
    total: int
    test_share: float  # its share of the answers to the test


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How inputs differ from the test's examples, as far as their number carries it."""

    count: int
    test_count: int
    ood_count: int | None  # anything that the model learned from; None: cannot be told
    test_ood_share: float | None  # share of the test's examples
    has_more_ood: bool
    distance: str  # from what was learned: "farther", "nearer", or "" for no difference
    class_shift: ClassShift | None  # None: the answers are mixed as in the test

    @property
    def has_drift(self) -> bool:
        return self.has_more_ood or bool(self.distance or self.class_shift)


def detect_drift(given: Sequence[Prediction], tested: Sequence[Prediction]) -> Drift | None:
    """The answers to inputs, no input twice, against those to test examples; errors are passed
    over. None where either are fewer than `FEWEST`."""
    given, tested = ([one for one in some if not one.error] for some in (given, tested))
    if min(len(given), len(tested)) < MIN_ANSWERS:
        return None
    judged = all(one.distance is not None for one in [*given, *tested])
    unlike = [sum(bool(one.unlike) for one in some) for some in (given, tested)]
    return Drift(
        count=len(given),
        test_count=len(tested),
        ood_count=unlike[0] if judged else None,
        test_ood_share=unlike[1] / len(tested) if judged else None,
        has_more_ood=judged and _is_share_higher(unlike[0], len(given), unlike[1], len(tested)),
        distance=_compare_distances(given, tested) if judged else "",
        class_shift=_find_class_shift(given, tested),
    )


def _is_share_higher(here: int, of: int, there: int, of_there: int) -> bool:
    table = [[here, of - here], [there, of_there - there]]
    return bool(fisher_exact(table, alternative="greater").pvalue < SIGNIFICANCE_LEVEL)


def _compare_distances(given: Sequence[Prediction], tested: Sequence[Prediction]) -> str:
    here, there = ([one.distance for one in some] for some in (given, tested))
    if ks_2samp(here, there).pvalue >= SIGNIFICANCE_LEVEL:
        return ""
    return "farther" if np.median(here) > np.median(there) else "nearer"


def _find_class_shift(
    given: Sequence[Prediction], tested: Sequence[Prediction]
) -> ClassShift | None:
    # Answers to what is unlike anything known mean nothing, on either side. And the test's answers,
    # not its labels: what a model confuses it confuses in both.
    here, there = ([one.label for one in some if not one.unlike] for some in (given, tested))
    if min(len(here), len(there)) < MIN_ANSWERS:
        return None
    classes = len(given[0].sureness)
    table = np.array([np.bincount(some, minlength=classes) for some in (here, there)])
    seen = np.flatnonzero(table.sum(0))
    table = table[:, seen]
    chance = MonteCarloMethod(n_resamples=MONTE_CARLO_TABLES, rng=np.random.default_rng(0))
    if len(seen) < 2:
        return None
    test = chi2_contingency(table, correction=False, method=chance)
    if test.pvalue >= SIGNIFICANCE_LEVEL:
        return None
    expected = test.expected_freq[0]
    most = np.argmax(np.abs(table[0] - expected) / np.sqrt(expected))
    share = table[1, most] / len(there)
    return ClassShift(int(seen[most]), int(table[0, most]), len(here), float(share))


# --- in words -----------------------------------------------------------------------------------


def describe_drift(found: Drift | None, classes: Sequence[str], count: int) -> list[str]:
    """Return the result in sentences, the last of which says what to do.

    `classes` are the names to show, `count` the number of different inputs with a prediction.
    """
    if found is None:
        if count < MIN_ANSWERS:
            return [
                "Whether they look like what it was tested on is not said: that takes "
                f"{MIN_ANSWERS} "
                f"different inputs, and these are {count:,}."
            ]
        return [
            "Whether they look like what it was tested on is not said: it was tested on fewer than "
            f"{MIN_ANSWERS} examples."
        ]
    told = [_describe_ood(found)] if found.ood_count is not None else []
    if found.distance and not found.has_more_ood:
        told.append(
            f"They lie {found.distance} {'from' if found.distance == 'farther' else 'to'} what it "
            "learned from than the test's examples do."
        )
    if found.class_shift:
        label, times, of, share = found.class_shift
        more = "more" if times / of > share else "less"
        told.append(
            f"It answers {classes[label]} {more} often than in its test: {times:,} of {of:,} times "
            f"({_format_percent(times / of)}), there {_format_percent(share)}."
        )
    return [*told, _suggest_action(found)]


def _describe_ood(found: Drift) -> str:
    share = found.ood_count / found.count
    are = "is" if found.ood_count == 1 else "are"
    told = (
        f"{found.ood_count:,} of {found.count:,} ({_format_percent(share)}) "
        f"{are} unlike anything it learned "
        "from"
    )
    there = _format_percent(found.test_ood_share)
    if found.has_more_ood:
        return f"{told}; that is more than the {there} to expect after its test."
    return f"{told}; in its test it was {there}, so that is nothing out of the ordinary."


def _suggest_action(found: Drift) -> str:
    if found.has_more_ood or found.distance == "farther":
        return (
            "So its test score need not hold for these. Check some of its answers by hand; if many "
            "are wrong, add such examples, with their right answers, to its training data."
        )
    if found.distance == "nearer":
        return (
            "So it may do better on these than on what is really new. Make sure that they are none "
            "of the examples it learned from."
        )
    if found.class_shift:
        return (
            "Either the classes really are mixed in another way here, or it confuses them more: "
            "look at some of its answers before you count on them."
        )
    return (
        f"So these look like what it was tested on, as far as {found.count:,} can show: small "
        "differences would not be seen. Its test score may well hold here."
    )


def _format_percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
