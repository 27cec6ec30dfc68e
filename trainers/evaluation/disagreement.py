"""Two runs that were asked the same test: on which examples they differ, and what that tells."""

from typing import NamedTuple

import numpy as np

from trainers.evaluation.metrics import PairedComparison, Predictions, compare_predictions

SIGNIFICANCE_LEVEL = 0.05  # as is usual


class Disagreement(NamedTuple):
    """Places in the test, from 0, of those that both were asked."""

    first_only: list[int]  # right by the first alone
    second_only: list[int]  # right by the second alone
    both_right: int  # how many both have right
    neither_right: int
    comparison: PairedComparison  # first minus second

    def describe(self, first: str, second: str) -> str:
        """Return what the disagreements of two models say about which one is better."""
        apart = len(self.first_only) + len(self.second_only)
        if not apart:
            return "Each has right exactly what the other has right."
        split = (
            f"alone is right {len(self.first_only):,} times, {second} alone "
            f"{len(self.second_only):,}."
        )
        split = f"{first[0].upper()}{first[1:]} {split}"
        p = f"p = {self.comparison.p:.2g}" if self.comparison.p >= 0.001 else "p below 0.001"
        if self.comparison.p < SIGNIFICANCE_LEVEL:
            better = first if self.comparison.difference > 0 else second
            return (
                f"{split} Were both equally good, chance would seldom split them so unevenly "
                f"({p}, McNemar's test): {better} is most likely the better one."
            )
        return (
            f"{split} Were both equally good, chance could well split them so unevenly ({p}, "
            "McNemar's test): this does not tell which is better."
        )


def find_disagreement(first: Predictions, second: Predictions) -> Disagreement | None:
    """How the answers of two runs differ; None where the tests are not the same."""
    if (gap := compare_predictions(first, second)) is None:
        return None
    labels = np.asarray(first.labels[: gap.tests])
    one, other = (labels == np.asarray(asked.answers[: gap.tests]) for asked in (first, second))
    return Disagreement(
        np.flatnonzero(one & ~other).tolist(),
        np.flatnonzero(other & ~one).tolist(),
        int((one & other).sum()),
        int((~one & ~other).sum()),
        gap,
    )
