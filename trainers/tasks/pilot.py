"""A pilot run: which approach does best in cross-validation on the training examples alone?

Each approach trains on the other folds and is evaluated on the one left out, as in a full run but
with less time. The test set is never used.
"""

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from guide.approaches import APPROACHES
from trainers.datasets import DatasetSplits, Split
from trainers.evaluation.metrics import compare_paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Event, PredictionsRecorded, Stage
from trainers.plan import Plan
from trainers.training.features import ComputationCache
from trainers.training.run import BadData, run

# Few folds leave more time for each; there is seldom time for all of them.
NUM_FOLDS = 3
# With fewer validation examples in one fold, time is reserved for further folds.
MIN_VALIDATION_EXAMPLES = 30
# With fewer, a fold could leave a class without training examples.
MIN_EXAMPLES_PER_CLASS = 2


@dataclass(frozen=True)
class PilotResult:
    correct: dict[str, list[bool]]  # approach -> whether each validation example was right
    rule_advice: str  # what the article's rules recommend
    recommended: str  # what the pilot run recommends, all considered
    summary: str  # for the visitor
    seconds: float

    @property
    def validation_examples(self) -> int:
        return min(map(len, self.correct.values()))


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
        for position, approach in enumerate(ADVISABLE):
            text = f"Trying {APPROACHES[approach].title.lower()}, round {index + 1}"
            yield Stage("trial", text, time.monotonic() - started_at)
            # The fold's remaining time is shared among the approaches still to come.
            share = (ends_at - time.monotonic()) / (len(ADVISABLE) - position)
            short = replace(plan, approach=approach, schedule=None, seconds=max(1.0, share))
            try:
                fold_correct |= _evaluate(short, fold, cache, should_stop)
            except BadData:
                break
        if len(fold_correct) == len(ADVISABLE):  # else the comparison would not be fair
            count = min(map(len, fold_correct.values()))
            for approach in ADVISABLE:
                correct[approach] += fold_correct[approach][:count]
        longest_fold = max(longest_fold, time.monotonic() - fold_started_at)
    recommended, summary = recommend(correct, rule_advice)
    return PilotResult(correct, rule_advice, recommended, summary, time.monotonic() - started_at)


def _evaluate(
    plan: Plan, fold: DatasetSplits, cache: ComputationCache, should_stop: Callable[[], bool]
) -> dict[str, list[bool]]:
    """Return {approach: whether each example of the fold was right}; {} if the run has no score."""
    for event in run(plan, data=fold, shared=cache, should_stop=should_stop, checks=False):
        if isinstance(event, PredictionsRecorded):
            pairs = zip(event.labels, event.predictions, strict=True)
            return {plan.approach: [label == prediction for label, prediction in pairs]}
    return {}


def recommend(correct: dict[str, Sequence[bool]], rule_advice: str) -> tuple[str, str]:
    """Return the approach to follow and, in words, why."""
    count = min(map(len, correct.values()))
    if not count:
        return rule_advice, "There were too few examples, or too little time, for a pilot run."
    scores = {key: sum(answers) for key, answers in correct.items()}
    recommended = _select_approach(correct, rule_advice)
    summary = "A pilot run on parts of your training examples: " + ", ".join(
        f"{APPROACHES[key].title.lower()} {scores[key]} of {count:,} right" for key in scores
    )
    if rule_advice not in scores:
        return recommended, f"{summary}."
    if scores[rule_advice] == max(scores.values()):
        return recommended, f"{summary}. That agrees with the article's rules."
    if recommended == rule_advice:
        return recommended, f"{summary}. The lead may be due to chance, so the rules stand."
    certainty = (
        "So clear a lead is unlikely to be chance."
        if compare_paired(correct[recommended], correct[rule_advice]).low > 0
        else "With so few examples that may be chance. Thaw follows the pilot run all the same, "
        "because it is about your data."
    )
    rules = f"The article's rules say {APPROACHES[rule_advice].title.lower()}"
    return recommended, f"{summary}. {rules}. {certainty}"


def _select_approach(correct: dict[str, Sequence[bool]], rule_advice: str) -> str:
    """Return the approach with the best pilot score; ties go to `rule_advice`.

    Fine-tuning must lead transfer learning and hybrid by more than one standard error, or be at
    least as good where the rules recommend it: with little time it loses more than hybrid, which
    starts from a fitted head.
    """
    scores = {key: sum(answers) for key, answers in correct.items()}
    first = max(("transfer", "hybrid"), key=lambda key: (scores[key], key == rule_advice))
    lead = compare_paired(correct["fine_tune"], correct[first])
    standard_error = (lead.high - lead.low) / (2 * 1.96)
    is_ahead = (
        lead.difference >= 0 if rule_advice == "fine_tune" else lead.difference > standard_error
    )
    return "fine_tune" if is_ahead else first


def split_folds(data: DatasetSplits) -> Generator[DatasetSplits, None, None]:
    """Yield the training examples as data sets, stratified, each fold once as the test set."""
    labels = data.train.labels
    counts = np.bincount(labels)
    num_folds = min(NUM_FOLDS, int(counts[counts > 0].min(initial=NUM_FOLDS)))
    if num_folds < MIN_EXAMPLES_PER_CLASS:
        return
    rank = np.empty(len(labels), dtype=np.int64)  # of each example within its class
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label)
        rank[indices] = np.arange(len(indices))
    for fold in range(num_folds):
        is_test = rank % num_folds == fold
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
