"""How far a set of pictures lies from what the bundled backbone knows.

`python -m trainers.backbones.domain_distance --data cifar100_webp.npz` writes what is compared with,
`weights/small_resnet_known.safetensors`: where CIFAR-100's training pictures lie in the feature
space and how they spread there. Statistics only, no pictures.
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

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
    """How far `features`, float (n, F), lie as a set. What few examples add by chance is taken
    off: the middle of n everyday pictures is not quite the middle of all."""
    placed = (features - known["centre"]) @ known["whiten"]
    middle, count = placed.mean(0), len(placed)
    spread = placed.var(0, ddof=1).sum() / count if count > 1 else np.inf
    value = np.sqrt(max(0.0, middle @ middle - spread))
    towards = placed @ (middle / max(1e-9, np.linalg.norm(middle)))
    error = 1.96 * towards.std(ddof=1) / np.sqrt(count) if count > 1 else np.inf
    return DomainDistance(float(value), float(error))


def fit_statistics(file: Path) -> dict[str, np.ndarray]:
    """The statistics: middle and spread of the 50,000 training pictures; the marks are measured
    on the 10,000 test pictures, which the backbone never learned."""
    import torch

    from trainers.networks.encoder import ImageInputs
    from trainers.networks.loading import shared_encoder
    from trainers.networks.pretrain import load_split
    from trainers.training.loop import extract_features

    made = {}
    for split in ("train", "test"):
        images, labels = load_split(file, split)
        parts = extract_features(
            shared_encoder("small_resnet"), ImageInputs(images), torch.arange(len(images))
        )
        made[split] = torch.cat(list(parts)).double().numpy(), labels.numpy()
    train, _ = made["train"]
    spread, turned = np.linalg.eigh(np.cov(train.T))
    known = {"centre": train.mean(0), "whiten": turned / np.sqrt(spread)}
    test, labels = made["test"]
    classes = [test[labels == label] for label in np.unique(labels)]
    pairs = [np.concatenate(pair) for pair in combinations(classes, 2)]
    marks = {
        name: np.array(
            [
                np.quantile(
                    [measure_distance(some, known).value for some in sets], IN_DOMAIN_QUANTILE
                )
            ]
        )
        for name, sets in (("near", pairs), ("far", classes))
    }
    return {name: value.astype(np.float32) for name, value in (known | marks).items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="cifar100_webp.npz")
    known = fit_statistics(parser.parse_args().data)
    save_file(known, STATISTICS_FILE)
    print({name: value.item() for name, value in known.items() if value.size == 1})
