"""Was the advice right? From the answers of several models to the same test examples."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from guide.approaches import APPROACHES
from trainers.evaluation.metrics import PairedComparison, compare_paired, paired_interval

ADVISABLE = ("transfer", "fine_tune", "hybrid")  # what the guide chooses from
BASELINES = ("none", "simple")  # what needs no training of a network
TOLERANCE = 0.02  # a loss that still lets the advice count as right
MAX_TEST_SIZE = 10_000  # more to settle a verdict is no advice that anyone could follow; ours


class Verdict(NamedTuple):
    best: str  # of ADVISABLE
    outcome: str  # "right", "wrong" or "cannot tell"; "" where nothing was advised
    words: str
    against_advised: dict[str, PairedComparison]  # approach -> it minus the advised one
    detectable_difference: float  # half the width of the interval: smaller differences stay unseen
    required_test_size: int | None = None  # test examples that would settle it; see `settled_at`
    # What needs no training of a network and does as well as the best.
    sufficient_baseline: str = ""


def judge(advised: str, right: Mapping[str, Sequence[bool]]) -> Verdict:
    """The verdict on `advised`, given for each approach which test examples it had right.

    Right: a loss of more than `TOLERATED` against the best other is excluded (95 %). Wrong: a loss
    is certain. Only the examples that all were asked are compared.
    """
    count = min(map(len, right.values()))
    right = {key: list(answers[:count]) for key, answers in right.items()}
    scores = {key: sum(answers) for key, answers in right.items()}
    advisable = [key for key in ADVISABLE if key in right]
    best = max(advisable or right, key=lambda key: (scores[key], key == advised))
    if advised not in right:
        return Verdict(best, "", "The advised approach was not among them.", {}, 0.0)
    against = {
        key: compare_paired(answers, right[advised])
        for key, answers in right.items()
        if key != advised
    }
    rivals = [key for key in advisable if key != advised]
    if not rivals:
        enough = _find_sufficient_baseline(advised, right)
        words = _describe_baseline(enough, advised, right)
        return Verdict(best, "", words, against, 0.0, sufficient_baseline=enough)
    rival = max(rivals, key=scores.__getitem__)
    loss = against[rival]
    visible = (loss.high - loss.low) / 2
    told = (
        f"{_approach_title(advised)} {scores[advised]} against {scores[rival]} "
        f"right of {count:,} for "
    )
    told += f"{_approach_title(rival).lower()}: "
    outcome, settled = _classify_outcome(loss.low, loss.high), None
    if outcome == "right":
        told += (
            f"the advice was right{', a clear win' if loss.high <= 0 else ''}. "
            f"{_describe_interval(loss)}"
        )
    elif outcome == "wrong":
        told += f"the advice was wrong. {_describe_interval(loss)}"
    else:
        settled = required_test_size(loss)
        told += (
            f"not a clear win for either. {_describe_interval(loss)} With {count:,} "
            "test examples, differences "
            f"below about {100 * visible:.0f} points are invisible. "
            f"{_describe_required_size(settled)}"
        )
    enough = _find_sufficient_baseline(best, right)
    words = f"{told} {_describe_baseline(enough, best, right)}".strip()
    return Verdict(best, outcome, words, against, visible, settled, enough)


def _classify_outcome(low: float, high: float) -> str:
    """Return the outcome of advice that is behind by `low` to `high`."""
    return "right" if high <= TOLERANCE else "wrong" if low > 0 else "cannot tell"


def required_test_size(loss: PairedComparison, most: int = MAX_TEST_SIZE) -> int | None:
    """Return how many test examples would settle what `loss` leaves open; None if more than `most`.

    That is if the two models go on as they do: right alone as often, and as far apart.
    """

    def settled(tests: int) -> bool:
        times = tests / loss.tests
        low, high = paired_interval(times * loss.first_right, times * loss.second_right, tests)
        return _classify_outcome(low, high) != "cannot tell"

    counts = range(loss.tests, most + 1)
    place = bisect_left(counts, True, key=settled)
    return counts[place] if place < len(counts) else None


def _describe_required_size(tests: int | None) -> str:
    if tests is None:
        return (
            f"To settle it would take more than {MAX_TEST_SIZE:,}; so close together, take the "
            "cheaper one."
        )
    step = 10 ** max(0, len(str(tests)) - 2)  # two digits: it is a guess
    return (
        f"About {-(-tests // step) * step:,} would settle it, should the two stay as far apart as "
        "they are."
    )


def _describe_interval(loss: PairedComparison) -> str:
    """Return where the true difference most likely is, seen from the advised approach."""
    ahead, behind = -100 * loss.low, 100 * loss.high
    if behind <= 0:
        return f"It is ahead by {-behind:.1f} to {ahead:.1f} points (95 % interval)."
    if ahead <= 0:
        return f"It is behind by {-ahead:.1f} to {behind:.1f} points (95 % interval)."
    return f"It is between {behind:.1f} points behind and {ahead:.1f} ahead (95 % interval)."


def _find_sufficient_baseline(best: str, right: Mapping[str, Sequence[bool]]) -> str:
    """Return the best baseline without a trained network, if it does as well as `best`."""
    there = [key for key in BASELINES if key in right and key != best]
    key = max(there, key=lambda key: sum(right[key]), default="")
    return key if key and compare_paired(right[best], right[key]).high <= TOLERANCE else ""


def _describe_baseline(enough: str, best: str, right: Mapping[str, Sequence[bool]]) -> str:
    if not enough:
        return ""
    than = "better" if compare_paired(right[enough], right[best]).low > 0 else "as good"
    return (
        f"{_approach_title(enough)} has {sum(right[enough])} of "
        f"{len(right[enough]):,} right and is {than}: "
        "no network need be trained for this."
    )


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title
