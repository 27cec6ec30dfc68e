"""The features of the last layer against those of several: `python tests/bench/feature_layers.py`.

Fits the head of transfer learning on each, and on those that cross-validation chooses, and prints
the test accuracy in per cent, the mean over three draws of the training examples. Data: a sample,
or a name in THAW_TEST_DATA. The choices in trainers/networks come from the sets that stand here by
default; look at others once, to report.
"""

import argparse
import math
import os
import sys
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import backbones, datasets
from trainers.datasets import uploads
from trainers.system.streams import drain
from trainers.training.frozen_features import extract_frozen_features
from trainers.training.head import HeadData, assign_folds, cross_val_loss, fit_head
from trainers.training.model import Head
from trainers.training.schedule import PhaseContext

CHOSEN_ON = (
    "hymenoptera,neu-defects,dtd10,brain-mri,vehicles,digits,cells,agnews,irony,sms-spam,"
    "polish-jobs"
)
MAX_TEST_EXAMPLES = 600


def find_dataset(name: str) -> datasets.Dataset:
    """Return the sample of that name, or import the set in THAW_TEST_DATA."""
    if name in datasets.BUNDLED_DATASETS:
        return datasets.BUNDLED_DATASETS[name]
    folder = Path(os.environ["THAW_TEST_DATA"])
    path = folder / f"{name}.zip"
    path = path if path.exists() else folder / name
    return datasets.get_dataset(f"own-{drain(uploads.import_upload(path))}")


def measure_accuracy(
    data: HeadData, classes: int, features: torch.Tensor, labels: np.ndarray
) -> float:
    """Return the accuracy in per cent of a head that was fitted on `data`."""
    head = Head(data.features.shape[1], classes)
    head.fit_scaling(data.features)
    drain(fit_head(head, data, PhaseContext.unlimited(data.labels[:0])))
    with torch.no_grad():
        return 100 * float((head(features).argmax(1).numpy() == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=CHOSEN_ON)
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--backbone", help="by default the one that Thaw would take")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| data | last layer | several | chosen |\n|---|---|---|---|", flush=True)
    for name in args.data.split(","):
        dataset = find_dataset(name)
        key = args.backbone or backbones.pick_default(dataset).key
        encoder = backbones.pick(key).build_encoder()
        scores: dict[str, list[float]] = {"last": [], "several": [], "chosen": []}
        test_features = None
        for seed in range(3):
            splits = dataset.load_splits(args.per_class, seed)
            classes, test = len(splits.classes), splits.test
            if test_features is None:  # the same in every draw
                stream = extract_frozen_features(
                    encoder, test.inputs[:MAX_TEST_EXAMPLES], seconds=math.inf
                )
                test_features = torch.from_numpy(drain(stream))
            stream = extract_frozen_features(encoder, splits.train.inputs, seconds=math.inf)
            labels = torch.from_numpy(splits.train.labels)
            folds = assign_folds(splits.train.labels)
            several = HeadData(torch.from_numpy(drain(stream)), labels, folds)
            last = HeadData(several.features, labels, folds, (), encoder.last_layer_width)
            chosen = min(several, last, key=lambda data: cross_val_loss(data, classes))
            for kind, data in (("last", last), ("several", several), ("chosen", chosen)):
                truth = test.labels[:MAX_TEST_EXAMPLES]
                scores[kind].append(measure_accuracy(data, classes, test_features, truth))
        row = " | ".join(f"{mean(values):.1f}" for values in scores.values())
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["THAW_HOME"] = home
        main()
