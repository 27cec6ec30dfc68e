"""Fit the statistics of `trainers.backbones.domain_distance` on CIFAR-100.

Run once, when the bundled image backbone changes: trainers/backbones/weights/README.md says how.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from trainers.backbones.domain_distance import IN_DOMAIN_QUANTILE, STATISTICS_FILE, measure_distance
from trainers.networks.encoder import ImageInputs
from trainers.networks.loading import shared_encoder
from trainers.networks.pretrain import load_split
from trainers.training.inference import extract_features


def fit_statistics(file: Path) -> dict[str, np.ndarray]:
    """Return mean and whitening matrix of the features of CIFAR-100's 50,000 training images.

    The thresholds "near" and "far" are measured on the 10,000 test images, which the backbone has
    never seen.
    """

    made = {}
    for split in ("train", "test"):
        images, labels = load_split(file, split)
        encoder = shared_encoder("small_resnet")
        parts = extract_features(encoder, ImageInputs(images), torch.arange(len(images)))
        features = encoder.keep_last_layer(torch.cat(list(parts)))
        made[split] = features.double().numpy(), labels.numpy()
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
