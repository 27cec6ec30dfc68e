"""Was the advice right? From the answers of several models to the same test examples."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from guide.approaches import APPROACHES
from trainers.measure import Paired, paired

ADVISABLE = ("transfer", "fine_tune", "hybrid")  # what the guide chooses from
UNTRAINED = ("none", "simple")  # what needs no training of a network
TOLERATED = 0.02  # a loss that still lets the advice count as right


class Verdict(NamedTuple):
    best: str  # of ADVISABLE
    outcome: str  # "right", "wrong" or "cannot tell"; "" where nothing was advised
    words: str
    against_advised: dict[str, Paired]  # approach -> it minus the advised one
    visible: float  # half the width of the interval: smaller differences stay unseen


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
        key: paired(answers, right[advised]) for key, answers in right.items() if key != advised
    }
    rivals = [key for key in advisable if key != advised]
    if not rivals:
        return Verdict(best, "", _untrained(advised, right, count), against, 0.0)
    rival = max(rivals, key=scores.__getitem__)
    loss = against[rival]
    visible = (loss.high - loss.low) / 2
    told = f"{_named(advised)} {scores[advised]} against {scores[rival]} right of {count:,} for "
    told += f"{_named(rival).lower()}: "
    if loss.high <= TOLERATED:
        outcome = "right"
        told += f"the advice was right{', a clear win' if loss.high <= 0 else ''}. {_span(loss)}"
    elif loss.low > 0:
        outcome = "wrong"
        told += f"the advice was wrong. {_span(loss)}"
    else:
        outcome = "cannot tell"
        told += (
            f"not a clear win for either. {_span(loss)} With {count:,} test examples, differences "
            f"below about {100 * visible:.0f} points are invisible; four times as many would halve "
            "that."
        )
    return Verdict(
        best, outcome, f"{told} {_untrained(best, right, count)}".strip(), against, visible
    )


def _span(loss: Paired) -> str:
    """Where the true difference most likely lies, seen from the advised approach."""
    ahead, behind = -100 * loss.low, 100 * loss.high
    if behind <= 0:
        return f"It is ahead by {-behind:.1f} to {ahead:.1f} points (95 % interval)."
    if ahead <= 0:
        return f"It is behind by {-ahead:.1f} to {behind:.1f} points (95 % interval)."
    return f"It is between {behind:.1f} points behind and {ahead:.1f} ahead (95 % interval)."


def _untrained(best: str, right: Mapping[str, Sequence[bool]], count: int) -> str:
    """Whether what needs no training does as well as the best that does."""
    there = [key for key in UNTRAINED if key in right and key != best]
    if not there:
        return ""
    key = max(there, key=lambda key: sum(right[key]))
    if paired(right[best], right[key]).high > TOLERATED:
        return ""
    than = "better" if paired(right[key], right[best]).low > 0 else "as good"
    return (
        f"{_named(key)} has {sum(right[key])} of {count:,} right and is {than}: no network need be "
        "trained for this."
    )


def _named(approach: str) -> str:
    return APPROACHES[approach].title
