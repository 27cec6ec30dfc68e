"""Transfer learning beside the usual frozen loop: `thaw bench --only frozen`.

Theirs is PyTorch's tutorial on transfer learning ("ConvNet as fixed feature extractor") line by
line, with mobilenet_v2: 25 epochs, each of which decodes, crops and puts every picture through the
frozen network once more, and the checks too; its best weights then answer the pictures it checked
with. Ours: a whole run, from decoded files to the answers to the same pictures as a test. Both have
all pictures in files and read them within the time.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from statistics import mean
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

from trainers.cli.bench import BenchRow, compare_speedup, time_alternately
from trainers.datasets import DatasetSplits, Split
from trainers.events import RunFinished
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.training.features import ComputationCache
from trainers.training.run import run

EPOCHS = 25
GOAL = 15
SAME = 0.02  # accuracy: three of the 153 pictures of the test
SPREAD = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def theirs(place: Path, seed: int) -> float:
    """The tutorial; hands back the accuracy."""
    torch.manual_seed(seed)
    ready = {
        "train": [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()],
        "test": [transforms.Resize(256), transforms.CenterCrop(224)],
    }
    sets = {
        side: datasets.ImageFolder(
            place / side, transforms.Compose([*steps, transforms.ToTensor(), SPREAD])
        )
        for side, steps in ready.items()
    }
    loaders = {side: DataLoader(some, batch_size=4, shuffle=True) for side, some in sets.items()}
    model = models.mobilenet_v2(weights="IMAGENET1K_V1")
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.classifier[1] = nn.Linear(model.last_channel, 2)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.classifier.parameters(), lr=0.001, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best, weights = 0.0, None
    for _ in range(EPOCHS):
        for side, loader in loaders.items():
            learns, right = side == "train", 0
            model.train(learns)
            for images, labels in loader:
                optimizer.zero_grad()
                with torch.set_grad_enabled(learns):
                    scores = model(images)
                    loss = criterion(scores, labels)
                    if learns:
                        loss.backward()
                        optimizer.step()
                right += torch.sum(scores.argmax(1) == labels).item()
            if learns:
                scheduler.step()
            elif right / len(sets[side]) > best:
                best, weights = right / len(sets[side]), deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return best


def ours(place: Path, seed: int) -> float:
    """A whole run; hands back the accuracy."""
    sides = {}
    for side in ("train", "test"):
        files = sorted((place / side).glob("*/*"))
        labels = np.array([("ants", "bees").index(file.parent.name) for file in files])
        sides[side] = Split([np.asarray(Image.open(file).convert("RGB")) for file in files], labels)
    shared = ComputationCache()
    data = DatasetSplits("images", ("ants", "bees"), sides["train"], sides["test"])
    # The plan names a sample that stands in for the data.
    plan = Plan(
        data="vehicles", approach="transfer", backbone="mobilenet_v2", seconds=300, seed=seed
    )
    *_, finished = run(plan, data=data, shared=shared)
    assert isinstance(finished, RunFinished)
    return finished.test_accuracy


def measure(rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:
    home = Path(os.environ["THAW_TEST_DATA"])
    os.environ.setdefault("TORCH_HOME", str(home / "torch-home"))
    shared_encoder("mobilenet_v2")  # as a warm worker has it, and the tutorial's disk cache
    right: dict[str, list[float]] = {"ours": [], "theirs": []}

    def timed(what: str, side, place: Path):
        def once(number: int) -> float:
            began = time.perf_counter()
            right[what].append(side(place, number))
            return time.perf_counter() - began

        return once

    with tempfile.TemporaryDirectory() as folder:
        with ZipFile(home / "hymenoptera.zip") as packed:
            packed.extractall(folder)
        (place,) = {path.parent for path in Path(folder).rglob("train")}
        taken = time_alternately(rounds, timed("ours", ours, place), timed("theirs", theirs, place))
    accuracy = {what: mean(some) for what, some in right.items()}
    found = compare_speedup(*taken, GOAL)
    yield BenchRow(
        what="transfer, hymenoptera, mobilenet_v2",
        against=f"PyTorch's tutorial: {EPOCHS} epochs, backbone frozen but run in each",
        note=f"accuracy {accuracy['ours']:.1%} against {accuracy['theirs']:.1%}",
        **found | {"met": found["met"] and accuracy["ours"] >= accuracy["theirs"] - SAME},
    )
