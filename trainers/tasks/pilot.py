"""A pilot run: which approach does best in cross-validation on the training examples alone?

Each approach trains on the other folds and is evaluated on the one left out, as in a full run but
with less time. The test set is never used.
"""

import math
import time
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from guide.approaches import APPROACHES
from trainers.datasets import DatasetSplits, Split
from trainers.evaluation.metrics import compare_paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Event, PhaseDone, PhaseStarted, PredictionsRecorded, Stage
from trainers.plan import Plan
from trainers.training.features import ComputationCache
from trainers.training.run import BadData, run
from trainers.training.validator import DivergenceError

# Few folds leave more time for each; there is seldom time for all of them.
NUM_FOLDS = 3
# With fewer validation examples in one fold, time is reserved for further folds.
MIN_VALIDATION_EXAMPLES = 30
# What takes less comes first: it is recommended unless a later one leads by more than an error.
CHEAPEST_FIRST = ("transfer", "hybrid", "fine_tune")
TRAINING_SHARE = 0.5  # of a run's budget; the rest is features, evaluations and the test


@dataclass(frozen=True)
class PilotResult:
    correct: dict[str, list[bool]]  # approach -> whether each validation example was right
    rule_advice: str  # what the article's rules recommend
    recommended: str  # what the pilot run recommends, all considered
    summary: str  # for the visitor
    seconds: float

    @property
    def validation_examples(self) -> int:
        return min(map(len, self.correct.values()), default=0)


def run_pilot(
    plan: Plan,
    data: DatasetSplits,
    rule_advice: str,
    *,
    seconds: float,
    should_stop: Callable[[], bool],
) -> Generator[Event, None, PilotResult]:
    """Cross-validate every approach that can be advised, in about `seconds`, and yield progress.

    Runs differ from `plan` in the approach and the time only.
    """
    started_at = time.monotonic()
    correct: dict[str, list[bool]] = {key: [] for key in ADVISABLE}
    too_slow: set[str] = set()
    longest_fold = 0.0
    num_planned = min(
        NUM_FOLDS, math.ceil(MIN_VALIDATION_EXAMPLES * NUM_FOLDS / max(1, len(data.train.labels)))
    )
    for index, fold in enumerate(split_folds(data)):
        fold_started_at = time.monotonic()
        remaining = seconds - (fold_started_at - started_at)
        if should_stop() or remaining < longest_fold:
            break
        cache = ComputationCache()
        ends_at = started_at + seconds * min(1.0, (index + 1) / num_planned)
        fold_correct: dict[str, list[bool]] = {}
        approaches = list(correct)
        for position, approach in enumerate(approaches):
            text = f"Trying {APPROACHES[approach].title.lower()}, round {index + 1}"
            yield Stage("trial", text, time.monotonic() - started_at)
            # The fold's remaining time is shared among the approaches still to come.
            share = (ends_at - time.monotonic()) / (len(approaches) - position)
            short = replace(plan, approach=approach, schedule=None, seconds=max(1.0, share))
            try:
                trial = _evaluate(short, fold, cache, should_stop)
            except (BadData, DivergenceError):  # the others are compared without it
                del correct[approach]
                continue
            if trial is None:
                break
            fold_correct[approach] = trial.correct
            if not trial.would_finish_in(plan.seconds):
                too_slow.add(approach)
        if correct.keys() <= fold_correct.keys():  # else the comparison would not be fair
            for approach in correct:
                correct[approach] += fold_correct[approach]
        longest_fold = max(longest_fold, time.monotonic() - fold_started_at)
    recommended, summary = recommend(correct, rule_advice, too_slow)
    return PilotResult(correct, rule_advice, recommended, summary, time.monotonic() - started_at)


@dataclass(frozen=True)
class Trial:
    """One approach on one fold."""

    correct: list[bool]  # one for each example of the fold
    epoch_seconds: float  # of its last phase; 0 where that was over at once

    def would_finish_in(self, seconds: float) -> bool:
        """Return whether a run of that budget sees every example once in its last phase."""
        return self.epoch_seconds <= TRAINING_SHARE * seconds


def _evaluate(
    plan: Plan, fold: DatasetSplits, cache: ComputationCache, should_stop: Callable[[], bool]
) -> Trial | None:
    """Return how the run did on the fold; None if it has no score."""
    started_at = epoch_seconds = 0.0
    for event in run(plan, data=fold, shared=cache, should_stop=should_stop, checks=False):
        match event:
            case PhaseStarted():
                started_at = event.seconds
            case PhaseDone():
                epoch_seconds = (event.seconds - started_at) / event.epochs
            case PredictionsRecorded():
                pairs = zip(event.labels, event.predictions, strict=True)
                return Trial([label == prediction for label, prediction in pairs], epoch_seconds)
    return None


def recommend(
    correct: dict[str, Sequence[bool]], rule_advice: str, too_slow: Collection[str] = ()
) -> tuple[str, str]:
    """Return the approach to follow and, in words, why.

    Those in `too_slow` cannot finish in the time that the visitor has.
    """
    count = min(map(len, correct.values()), default=0)
    if not count:
        return rule_advice, "There were too few examples, or too little time, for a pilot run."
    scores = {key: sum(answers) for key, answers in correct.items()}
    recommended = _select_approach(correct, too_slow)
    summary = "A pilot run on parts of your training examples: " + ", ".join(
        f"{APPROACHES[key].title.lower()} {scores[key]} of {count:,} right" for key in scores
    )
    if recommended == rule_advice:
        return recommended, f"{summary}. That agrees with the article's rules."
    rules = f"The article's rules say {APPROACHES[rule_advice].title.lower()}"
    if rule_advice in too_slow:
        reason = "It cannot see every example once in the time you have."
    elif rule_advice not in correct:
        reason = "It could not be tried."
    elif compare_paired(correct[recommended], correct[rule_advice]).low > 0:
        reason = "So clear a lead is unlikely to be chance."
    elif scores[recommended] >= scores[rule_advice]:
        reason = (
            "With so few examples the lead may be chance. Thaw follows the pilot run, because it "
            "is about your data."
        )
    else:
        title = APPROACHES[recommended].title.lower()
        reason = f"The difference is within chance, and {title} takes less time."
    return recommended, f"{summary}. {rules}. {reason}"


def _select_approach(correct: dict[str, Sequence[bool]], too_slow: Collection[str]) -> str:
    """Return the cheapest approach within one standard error of the best, of those that finish."""
    in_time = [key for key in CHEAPEST_FIRST if key in correct and key not in too_slow]
    candidates = in_time or [key for key in CHEAPEST_FIRST if key in correct]
    leader = max(candidates, key=lambda key: sum(correct[key]))
    for key in candidates:
        lead = compare_paired(correct[leader], correct[key])
        standard_error = (lead.high - lead.low) / (2 * 1.96)
        if lead.difference <= standard_error:
            return key
    return leader


def split_folds(data: DatasetSplits) -> Generator[DatasetSplits, None, None]:
    """Yield the training examples as data sets, stratified, each fold once as the test set."""
    labels = data.train.labels
    fold_of = np.full(len(labels), -1)  # -1: the only example of its class, which always trains
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label)
        if len(indices) > 1:
            fold_of[indices] = np.arange(len(indices)) % NUM_FOLDS
    for fold in np.unique(fold_of[fold_of >= 0]):
        is_test = fold_of == fold
        yield replace(
            data,
            train=select_examples(data.train, ~is_test),
            test=select_examples(data.train, is_test),
        )


def select_examples(split: Split, mask: np.ndarray) -> Split:
    """Return the examples of `split` where `mask`, bool of shape (N,), is true."""
    indices = np.flatnonzero(mask)
    inputs = split.inputs
    selected = [inputs[i] for i in indices] if isinstance(inputs, list) else inputs[indices]
    return Split(selected, split.labels[indices])
