"""Scores with their uncertainty."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score


class Score(NamedTuple):
    """What a test says. Shares are 0..1; `low` and `high` are the 95 % Wilson interval."""

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
