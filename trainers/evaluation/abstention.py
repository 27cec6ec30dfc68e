"""When to say "not sure": the confidence needed for a target share of answers to be right.

From validation examples alone, of which a run stores confidence and correctness. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainers.events import CalibrationDone, Event

# One-sided 90 % bound; ours. Bounds for choosing a threshold by risk are usual since Geifman and
# El-Yaniv 2017 ("Selective classification for deep neural networks"); theirs is stricter, and
# would promise next to nothing with the some dozens of checks that most runs here have. The bound
# is that of one threshold fixed beforehand; of many the smallest that passes is taken, which errs
# more often: simulated for 90 % right and 50 to 1,000 checks, in up to 13 of 100 runs whose
# sureness tells right from wrong (at 50 checks a third of the promised ones), and in up to half
# where it does not and the model lies just below. Walking down from the surest to the first miss,
# with an exact bound, errs in 10 of 100; but it halves what is answered, and promises next to
# nothing from 50 checks. So the words claim no more than the bound does.
LOWER_BOUND_Z = 1.2816
# Of the given answers that should be right, where nobody says otherwise; ours.
DEFAULT_ACCURACY_PERCENT = 90


@dataclass(frozen=True)
class AbstentionThreshold:
    """The confidence below which a model says "not sure", and what validation says about it."""

    target_accuracy: float  # share right among those answered
    min_confidence: float  # 0..1
    guaranteed: bool  # its bound reaches `wanted`; else this is where it is highest
    right: int
    answered_count: int
    validation_count: int
    accuracy_lower_bound: (
        float  # lower bound of the share right; holds nine times in ten if fixed beforehand
    )

    @property
    def coverage(self) -> float:
        """Share of the checks that would still be answered."""
        return self.answered_count / self.validation_count


def choose_threshold(
    sureness: Sequence[float], right: Sequence[bool], wanted: float
) -> AbstentionThreshold:
    """The smallest threshold at which the share right, with its lower bound, reaches `wanted`.

    Where none does, the one with the highest lower bound, not `promised`: with few checks even
    all of them right prove little. Raises ValueError without a check.
    """
    steps = coverage_accuracy_curve(sureness, right)
    reached = [one for one in steps if one.accuracy_lower_bound >= wanted]
    best = reached[0] if reached else max(steps, key=lambda one: one.accuracy_lower_bound)
    return AbstentionThreshold(
        wanted,
        best.min_confidence,
        bool(reached),
        best.right,
        best.answered_count,
        best.validation_count,
        best.accuracy_lower_bound,
    )


def coverage_accuracy_curve(
    sureness: Sequence[float], right: Sequence[bool]
) -> list[AbstentionThreshold]:
    """Every threshold that makes a difference, from 0 (all are answered) upwards. `wanted` of each
    is what it promises. Raises ValueError without a check."""
    sure, hits = np.asarray(sureness, dtype=float), np.asarray(right, dtype=bool)
    if not len(sure) or len(sure) != len(hits):
        raise ValueError("A threshold needs checks, each with whether it was right.")
    order = np.argsort(-sure, kind="stable")
    sure, counted = sure[order], np.cumsum(hits[order])
    # Equally sure answers are given together: a cut lies only where the sureness changes.
    ends = np.flatnonzero(np.append(np.diff(sure) < 0, True))
    steps = []
    for end in ends[::-1]:
        answered, good = int(end) + 1, int(counted[end])
        low = wilson_lower_bound(good, answered)
        at = 0.0 if answered == len(sure) else float(sure[end])
        steps.append(AbstentionThreshold(low, at, True, good, answered, len(sure), low))
    return steps


def wilson_lower_bound(right: int, answered: int, z: float = LOWER_BOUND_Z) -> float:
    """Return the lower end of Wilson's one-sided 90 % interval for `right` of `answered`."""
    share, square = right / answered, z * z / answered
    middle, spread = (
        share + square / 2,
        z * math.sqrt(share * (1 - share) / answered + square / (4 * answered)),
    )
    return max(0.0, (middle - spread) / (1 + square))


def default_threshold(measured: CalibrationDone | None) -> float:
    """Return the confidence below which a run says "not sure" if nobody can choose.

    0 means that it always answers, as it does if validation supports no threshold: another one
    could leave most inputs unanswered without notice.
    """
    if not (measured and measured.confidence):
        return 0.0
    least = choose_threshold(measured.confidence, measured.correct, DEFAULT_ACCURACY_PERCENT / 100)
    return least.min_confidence if least.guaranteed else 0.0


def find_calibration(events: Sequence[Event]) -> CalibrationDone | None:
    """Return the last calibration event; None for older runs."""
    return next((event for event in reversed(events) if isinstance(event, CalibrationDone)), None)


def apply_temperature(sureness: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, classes) as of scores divided by `temperature` (Guo et al. 2017)."""
    if temperature == 1 or not np.isfinite(temperature) or temperature <= 0:
        return sureness
    scores = np.log(np.clip(sureness, 1e-38, None)) / temperature
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
