"""A short trial: which approach does best on the training examples alone, in some seconds?

The training examples are cut into parts; each approach learns on the others and answers for the
part left out, just as a run does, only shorter. The test is never touched.
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

NUM_FOLDS = 3  # as large as leaves most to learn from: seldom is there time for all of them; ours
MIN_VALIDATION_EXAMPLES = (
    30  # left-out examples to answer for; where one part has fewer, time is set aside for more
)
MIN_EXAMPLES_PER_CLASS = 2  # examples of a class, or a part could leave it without any


@dataclass(frozen=True)
class PilotResult:
    right: dict[str, list[bool]]  # approach -> which of the left-out examples it had right
    rule_advice: str  # what the article's rules advise
    recommended: str  # what to do, all considered
    words: str
    seconds: float


def run_pilot(
    plan: Plan,
    data: DatasetSplits,
    article: str,
    *,
    seconds: float,
    should_stop: Callable[[], bool],
) -> Generator[Event, None, PilotResult]:
    """Tries every approach that can be advised on parts of the training examples of `data`, as
    `plan` would run it, in about `seconds`; tells how far it is."""
    began = time.monotonic()
    right: dict[str, list[bool]] = {key: [] for key in ADVISABLE}
    spent: list[float] = []  # seconds of each round
    rounds = min(
        NUM_FOLDS, math.ceil(MIN_VALIDATION_EXAMPLES * NUM_FOLDS / max(1, len(data.train.labels)))
    )
    for number, part in enumerate(split_folds(data)):
        left = seconds - (time.monotonic() - began)
        if should_stop() or (spent and left < max(spent)):
            break
        round_began, shared = time.monotonic(), ComputationCache()
        until = began + seconds * min(1.0, (number + 1) / rounds)
        answers: dict[str, list[bool]] = {}
        for place, approach in enumerate(ADVISABLE):
            told = f"Trying {APPROACHES[approach].title.lower()}, round {number + 1}"
            yield Stage("trial", told, time.monotonic() - began)
            # What is left is shared among those still to come, a round at a time.
            each = (until - time.monotonic()) / (len(ADVISABLE) - place)
            short = replace(plan, approach=approach, schedule=None, seconds=max(1.0, each))
            try:
                for event in run(
                    short, data=part, shared=shared, should_stop=should_stop, checks=False
                ):
                    if isinstance(event, PredictionsRecorded):
                        pairs = zip(event.labels, event.predictions, strict=True)
                        answers[approach] = [label == answer for label, answer in pairs]
            except BadData:
                break
        if len(answers) == len(ADVISABLE):  # else a comparison would not be fair
            asked = min(map(len, answers.values()))
            for approach in ADVISABLE:
                right[approach] += answers[approach][:asked]
        spent.append(time.monotonic() - round_began)
    trusted, words = recommend(right, article)
    return PilotResult(right, article, trusted, words, time.monotonic() - began)


def recommend(right: dict[str, Sequence[bool]], article: str) -> tuple[str, str]:
    """Which approach to trust, and why: what the trial shows to be best."""
    asked = min(map(len, right.values()))
    if not asked:
        return article, "There were too few examples, or too little time, for a trial."
    scores = {key: sum(answers) for key, answers in right.items()}
    chosen = _select_approach(right, article)
    told = "A trial on parts of your training examples: " + ", ".join(
        f"{APPROACHES[key].title.lower()} {scores[key]} of {asked:,} right" for key in scores
    )
    if article not in scores:
        return chosen, f"{told}."
    if scores[article] == max(scores.values()):
        return chosen, f"{told}. That agrees with the article's rules."
    if chosen == article:
        return chosen, f"{told}. The lead is no larger than chance makes it: the rules stand."
    doubt = (
        "So clear a lead is seldom chance."
        if compare_paired(right[chosen], right[article]).low > 0
        else "With so few examples that may be chance; we follow the trial all the same, since "
        "it is about your data."
    )
    says = f"The article's rules say {APPROACHES[article].title.lower()}"
    return chosen, f"{told}. {says}. {doubt}"


def _select_approach(right: dict[str, Sequence[bool]], article: str) -> str:
    """Hybrid or transfer learning, whichever is ahead: thawing must pay. Fine-tuning, where it is
    ahead of that by more than chance often makes it (one standard error), or as good and advised:
    with little time hybrid, which starts from a taught head, loses less. Of equals the article's.
    """
    scores = {key: sum(answers) for key, answers in right.items()}
    first = max(("transfer", "hybrid"), key=lambda key: (scores[key], key == article))
    lead = compare_paired(right["fine_tune"], right[first])
    error = (lead.high - lead.low) / (2 * 1.96)
    ahead = lead.difference >= 0 if article == "fine_tune" else lead.difference > error
    return "fine_tune" if ahead else first


def split_folds(data: DatasetSplits) -> Generator[DatasetSplits, None, None]:
    """The training examples as data sets of their own: each part once as the test."""
    labels = data.train.labels
    counts = np.bincount(labels)
    count = min(NUM_FOLDS, int(counts[counts > 0].min(initial=NUM_FOLDS)))
    if count < MIN_EXAMPLES_PER_CLASS:
        return
    rank = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        rank[places] = np.arange(len(places))
    for part in range(count):
        left_out = rank % count == part
        yield replace(
            data,
            train=select_examples(data.train, ~left_out),
            test=select_examples(data.train, left_out),
        )


def select_examples(split: Split, which: np.ndarray) -> Split:
    """The examples of `split` where `which`, bool (N,), is true."""
    places = np.flatnonzero(which)
    inputs = split.inputs
    kept = [inputs[place] for place in places] if isinstance(inputs, list) else inputs[places]
    return Split(kept, split.labels[places])
