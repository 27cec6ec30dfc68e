"""How far a set of images is from what the bundled backbone was trained on.

`python -m trainers.training.domain_statistics --data cifar100_webp.npz` writes what is compared
with, `weights/small_resnet_known.safetensors`: mean and spread of the features of CIFAR-100's
training images. Statistics only, no images.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

STATISTICS_FILE = Path(__file__).parent / "weights" / "small_resnet_known.safetensors"
IN_DOMAIN_QUANTILE = 0.95  # of everyday sets lie nearer than the mark


class DomainDistance(NamedTuple):
    """From the middle of everyday pictures to the middle of a set, in spreads (Mahalanobis)."""

    value: float
    error: float  # the 95 % interval is value ± error


def load_statistics() -> dict[str, np.ndarray]:
    """`centre` (F,), `whiten` (F, F), and two marks, floats: 19 of 20 pairs of everyday classes
    lie within `near`, and 19 of 20 single everyday classes within `far`."""
    return load_file(STATISTICS_FILE)


def measure_distance(features: np.ndarray, known: dict[str, np.ndarray]) -> DomainDistance:
    """Return how far `features`, float (n, F), are as a set.

    What few examples add by chance is subtracted: the mean of n everyday images is not quite the
    mean of all.
    """
    placed = (features - known["centre"]) @ known["whiten"]
    middle, count = placed.mean(0), len(placed)
    spread = placed.var(0, ddof=1).sum() / count if count > 1 else np.inf
    value = np.sqrt(max(0.0, middle @ middle - spread))
    towards = placed @ (middle / max(1e-9, np.linalg.norm(middle)))
    error = 1.96 * towards.std(ddof=1) / np.sqrt(count) if count > 1 else np.inf
    return DomainDistance(float(value), float(error))
