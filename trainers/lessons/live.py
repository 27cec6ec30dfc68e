"""Small experiments of the page Learn that are made while the visitor drags. Light: numpy alone."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOISE_STD = 0.3
STIFF_WAVES, FLEXIBLE_WAVES = 5, 16  # numbers that each method may set
RIDGE = 0.01  # ridge: between its marks the flexible one would else leave every drawing


def target_function(x: NDArray) -> NDArray:
    """Return what the two models approximate, for x in -1..1."""
    return np.sin(5.5 * x)


class Fit(NamedTuple):
    prediction: NDArray  # what it says on `Fits.grid`
    train_error: float  # its mean error on the marks …
    test_error: float  # … and on new points of the same kind


class FitComparison(NamedTuple):
    x: NDArray  # the marks
    y: NDArray
    grid: NDArray
    stiff: Fit
    flexible: Fit


def compare_fits(examples: int, seed: int) -> FitComparison:
    """A stiff and a flexible method (sums of 5 and of 16 waves) on as many marks."""
    rng = np.random.default_rng(seed)
    x, new = rng.uniform(-1, 1, examples), rng.uniform(-1, 1, 2000)
    y, expected = (target_function(at) + rng.normal(0, NOISE_STD, len(at)) for at in (x, new))
    grid = np.linspace(-1, 1, 201)

    def fit(numbers: int) -> Fit:
        learned, asked, drawn = (
            np.cos(np.arange(numbers) * np.pi * (at[:, None] + 1) / 2) for at in (x, new, grid)
        )
        found = np.linalg.solve(learned.T @ learned + RIDGE * np.eye(numbers), learned.T @ y)
        return Fit(
            drawn @ found,
            float(np.abs(learned @ found - y).mean()),
            float(np.abs(asked @ found - expected).mean()),
        )

    return FitComparison(x, y, grid, fit(STIFF_WAVES), fit(FLEXIBLE_WAVES))


class ScoreInterval(NamedTuple):
    score: float
    low: float
    high: float

    def contains(self, share: float) -> bool:
        return self.low <= share <= self.high


def simulate_scores(examples: int, share: float, times: int, seed: int) -> list[ScoreInterval]:
    """Return the scores of repeated tests of a model whose accuracy is `share`."""
    rights = np.random.default_rng(seed).binomial(examples, share, times)
    return [
        ScoreInterval(right / examples, *wilson_interval(right, examples))
        for right in rights.tolist()
    ]


def wilson_interval(right: int, tests: int) -> tuple[float, float]:
    """The 95 % interval of measure.py, which takes it from scipy: that is too much for a page to
    import. Wilson 1927, Journal of the American Statistical Association 22."""
    z = NormalDist().inv_cdf(0.975)
    share, more = right / tests, z * z / tests
    middle = (share + more / 2) / (1 + more)
    half = z * np.sqrt(share * (1 - share) / tests + more / tests / 4) / (1 + more)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
