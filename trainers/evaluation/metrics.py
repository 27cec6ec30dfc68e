"""Scores with their uncertainty."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score


class Score(NamedTuple):
    """The result of a test. Shares are 0..1; `low` and `high` are the 95 % Wilson interval."""

    right: int
    accuracy: float
    low: float
    high: float
    macro_f1: float  # the mean over the classes present: every class counts the same
    confusion: list[list[int]]  # rows: the right class; columns: the answer


def score(labels: Sequence[int], answers: Sequence[int], classes: int) -> Score:
    """The score of `answers` against `labels`. Raises ValueError where nothing is to be scored."""
    if len(labels) == 0:
        raise ValueError("There are no test examples, so there is nothing to score.")
    labels, answers = np.asarray(labels), np.asarray(answers)
    right = int((labels == answers).sum())
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    return Score(
        right,
        right / len(labels),
        float(interval.low),
        float(interval.high),
        float(
            f1_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0)
        ),
        confusion_matrix(labels, answers, labels=range(classes)).tolist(),
    )


class PairedComparison(NamedTuple):
    """One model's answers against another's on the same test examples."""

    first_right: int  # right by the first alone
    second_right: int  # right by the second alone
    tests: int
    difference: float  # first minus second, in shares of all tests
    low: float  # its 95 % interval
    high: float
    p: float  # of so uneven a split if both were equally good (McNemar's test, exact)


def compare_paired(first: Sequence[bool], second: Sequence[bool]) -> PairedComparison:
    """Return the difference of two models, given which test examples each predicts correctly.

    The interval is that of Agresti and Min (2005, Statistics in Medicine 24): half an example is
    added to each of the four cells, so that two models that never differ are not certainly equal.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if not len(first) or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} answers cannot be paired.")
    alone, other = int((first & ~second).sum()), int((second & ~first).sum())
    p = binomtest(alone, alone + other).pvalue if alone + other else 1.0
    low, high = paired_interval(alone, other, len(first))
    return PairedComparison(
        alone, other, len(first), (alone - other) / len(first), low, high, float(p)
    )


def paired_interval(alone: float, other: float, tests: float) -> tuple[float, float]:
    """The interval of `paired`, given how many of the tests each model alone has right."""
    count = tests + 2
    middle = (alone - other) / count
    spread = 1.96 * np.sqrt((alone + other + 1) / count - middle**2) / np.sqrt(count)
    return max(-1.0, float(middle - spread)), min(1.0, float(middle + spread))


class Predictions(NamedTuple):
    """A test, and one model's answers to it."""

    test_id: object  # two are the same where this is equal
    labels: Sequence[int]
    answers: Sequence[int]


def compare_predictions(first: Predictions, second: Predictions) -> PairedComparison | None:
    """`paired` for the examples that both were asked; None where the tests are not the same. Where
    time was short a model was asked the first of the examples only."""
    count = min(len(first.labels), len(second.labels))
    if (
        not count
        or first.test_id != second.test_id
        or first.labels[:count] != second.labels[:count]
    ):
        return None
    labels = np.asarray(first.labels[:count])
    return compare_paired(*(labels == np.asarray(one.answers[:count]) for one in (first, second)))


class PairedGap(NamedTuple):
    """The difference of two approaches, in shares of the test set, with its 95 % interval."""

    tests: int
    difference: float  # first minus second
    low: float
    high: float


def compare_over_seeds(
    first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]
) -> PairedGap:
    """As `paired`, over several draws of training examples: for each draw, which test examples
    the first and the second had right. Every test example counts once, by its mean over the draws,
    since the answers to one example resemble each other; with one draw this is `paired`."""
    gap = np.mean(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), axis=0)
    count = len(gap) + 2
    middle = gap.sum() / count
    spread = 1.96 * np.sqrt(((gap**2).sum() + 1) / count - middle**2) / np.sqrt(count)
    low, high = max(-1.0, float(middle - spread)), min(1.0, float(middle + spread))
    return PairedGap(len(gap), float(gap.mean()), low, high)
