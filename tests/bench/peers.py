"""Thaw beside other tools: `python tests/bench/peers.py`. Prints a table; needs THAW_TEST_DATA.

One split, one backbone, one process a run, peer after peer, so that a noisy machine hits all alike.
Each peer runs with its own documented defaults, on as many threads as the process may use. Seconds:
from the data in memory, in the peer's own form, and the pre-trained weights loaded, to the last
answer to the test; imports are not counted. Results go to a file as they come, and what is there
already is not run again. A peer that Thaw does not need is installed, once, into an environment of
its own, which sees this one's packages and so its torch.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median, pstdev
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers.datasets import DatasetSplits, Split
from trainers.system.registry import build_registry

BUDGET = 60  # seconds for a run of ours; all of the test is asked, whatever that takes


class Setting(NamedTuple):
    """What all peers are given."""

    data: str  # a name in THAW_TEST_DATA
    per_class: int | None  # training examples of each class, chosen by the seed; None: all
    backbone: str
    most_classes: int | None = None  # the first of them, by the alphabet, capitals or not

    @property
    def key(self) -> str:
        return f"{self.data}-{self.per_class or 'all'}-{self.backbone}"


SETTINGS = build_registry(
    Setting("agnews", 8, "minilm"),
    Setting("agnews", 64, "minilm"),
    Setting("banking77", 8, "minilm", most_classes=10),
    Setting("banking77", 64, "minilm", most_classes=10),
    Setting("hymenoptera", None, "mobilenet_v2"),
    Setting("blood-cells", None, "mobilenet_v2"),
    Setting("hymenoptera", None, "small_resnet"),
    Setting("blood-cells", None, "small_resnet"),
)


@dataclass(frozen=True)
class Task:
    """One split of one setting, in a file that a peer's process reads."""

    seed: int
    backbone: str
    classes: Sequence[str]
    model: str  # the folder of MiniLM's files
    train: tuple[Sequence[str], Sequence[int]]  # texts, or files of pictures; labels
    test: tuple[Sequence[str], Sequence[int]]

    @property
    def modality(self) -> str:
        return "text" if self.backbone == "minilm" else "images"

    def data(self) -> DatasetSplits:
        """The split in memory: pictures decoded, in the sizes they have."""

        def taken(inputs: Sequence[str], labels: Sequence[int]) -> Split:
            if self.modality == "images":
                inputs = [np.asarray(Image.open(path).convert("RGB")) for path in inputs]
            return Split(inputs, np.array(labels))

        return DatasetSplits(
            self.modality, tuple(self.classes), taken(*self.train), taken(*self.test)
        )


def _ours(approach: str) -> Callable[[Task], tuple[Sequence[int], float]]:
    def answered(task: Task) -> tuple[Sequence[int], float]:
        from trainers.events import PredictionsRecorded
        from trainers.plan import Plan
        from trainers.training.features import ComputationCache
        from trainers.training.run import run

        # A plan names a sample; the data of the task stands in for it.
        stand_in = {"text": "messages", "images": "vehicles"}[task.modality]
        plan = Plan(
            data=stand_in,
            approach=approach,
            backbone=task.backbone,
            seconds=float(os.environ.get("THAW_BENCH_BUDGET") or BUDGET),  # see peers_row.py
            seed=task.seed,
        )
        shared = ComputationCache()
        *events, finished = run(plan, data=task.data(), shared=shared)
        answers = next(
            event.predictions for event in events if isinstance(event, PredictionsRecorded)
        )
        return answers, finished.seconds

    return answered


def logistic(task: Task) -> tuple[Sequence[int], float]:
    """scikit-learn's regression on the features that our transfer learning has."""
    from sklearn.linear_model import LogisticRegression

    from trainers.networks.loading import new_encoder
    from trainers.training.frozen_features import extract_frozen_features

    def features(inputs: Sequence) -> np.ndarray:
        stream = extract_frozen_features(body, inputs, seconds=math.inf)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return end.value

    data, body = task.data(), new_encoder(task.backbone, pretrained=True)
    began = time.perf_counter()
    model = LogisticRegression(C=1, max_iter=1000)
    model.fit(features(data.train.inputs), data.train.labels)
    return model.predict(features(data.test.inputs)), time.perf_counter() - began


def _setfit(**options: Any) -> Callable[[Task], tuple[Sequence[int], float]]:
    def answered(task: Task) -> tuple[Sequence[int], float]:
        from datasets import Dataset
        from setfit import SetFitModel, Trainer, TrainingArguments

        data = task.data()
        learned = Dataset.from_dict({"text": data.train.inputs, "label": data.train.labels})
        model = SetFitModel.from_pretrained(task.model)
        args = TrainingArguments(seed=task.seed, **options)
        began = time.perf_counter()
        Trainer(model=model, args=args, train_dataset=learned).train()
        answers = model.predict(data.test.inputs)
        return np.asarray(answers), time.perf_counter() - began

    return answered


def hf_trainer(task: Task) -> tuple[Sequence[int], float]:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    def tokenised(split: Split) -> list[dict]:
        told = tokenizer(list(split.inputs), truncation=True, max_length=256)  # as MiniLM learned
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": label}
            for ids, mask, label in zip(
                told["input_ids"], told["attention_mask"], split.labels.tolist(), strict=True
            )
        ]

    set_seed(task.seed)
    data, tokenizer = task.data(), AutoTokenizer.from_pretrained(task.model)
    model = AutoModelForSequenceClassification.from_pretrained(
        task.model, num_labels=len(task.classes)
    )
    began = time.perf_counter()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(seed=task.seed),
        train_dataset=tokenised(data.train),
        processing_class=tokenizer,
    )
    trainer.train()
    answers = trainer.predict(tokenised(data.test)).predictions.argmax(1)
    return answers, time.perf_counter() - began


def fastai(task: Task) -> tuple[Sequence[int], float]:
    from fastai.vision import all as vision
    from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

    # Its own table of networks lacks this one: where its head is cut off, what it was trained on.
    vision.model_meta[mobilenet_v2] = {
        "cut": 1,
        "split": vision.default_split,
        "stats": vision.imagenet_stats,
        "weights": MobileNet_V2_Weights.IMAGENET1K_V1,
    }
    vision.set_seed(task.seed)
    data = task.data()
    pictures = [*data.train.inputs, *data.test.inputs]
    places = list(range(len(pictures)))
    learned = len(data.train.labels)
    loaders = vision.DataBlock(
        blocks=(vision.ImageBlock, vision.CategoryBlock(list(task.classes))),
        get_x=lambda place: pictures[place],
        get_y=lambda place: task.classes[data.train.labels[place]],
        splitter=vision.RandomSplitter(),  # its default: a fifth of the training examples
        item_tfms=vision.Resize(224),  # as in its quick start
    ).dataloaders(places[:learned])
    learner = vision.vision_learner(loaders, mobilenet_v2)
    began = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(4)
        sure, _ = learner.get_preds(dl=loaders.test_dl(places[learned:]))
    return sure.argmax(1).numpy(), time.perf_counter() - began


class Peer(NamedTuple):
    key: str
    title: str
    answered: Callable[[Task], tuple[Sequence[int], float]]  # answers to the test, seconds
    backbones: tuple[str, ...]  # that it can be given
    needs: str = ""  # for pip, beyond what Thaw needs
    packages: tuple[str, ...] = ()  # whose versions are noted, beside torch's


ANY = ("minilm", "mobilenet_v2", "small_resnet")
PEERS = build_registry(
    Peer("transfer", "Thaw: transfer", _ours("transfer"), ANY),
    Peer("fine_tune", "Thaw: fine-tuning", _ours("fine_tune"), ANY),
    Peer("hybrid", "Thaw: hybrid", _ours("hybrid"), ANY),
    Peer("logistic", "scikit-learn, frozen features", logistic, ANY, packages=("scikit-learn",)),
    Peer("trainer", "Hugging Face Trainer", hf_trainer, ("minilm",),
         packages=("transformers", "accelerate")),
    Peer("fastai", "fastai fine_tune(4)", fastai, ("mobilenet_v2",), needs="fastai>=2.8,<3",
         packages=("fastai", "torchvision")),
    Peer("setfit", "SetFit", _setfit(), ("minilm",), needs="setfit>=1.2,<2",
         packages=("setfit", "sentence-transformers", "transformers")),
    # All pairs are many where examples are: this is what it did before version 1, and its paper.
    Peer("setfit20", "SetFit, num_iterations=20", _setfit(num_iterations=20), ("minilm",),
         needs="setfit>=1.2,<2", packages=("setfit", "sentence-transformers", "transformers")),
)  # fmt: skip
OURS = ("transfer", "fine_tune", "hybrid")


def python_for(peer: Peer, envs: Path) -> str:
    """An interpreter that has what `peer` needs: this one, or that of an environment made once."""
    if not peer.needs:
        return sys.executable
    place = envs / peer.needs.partition(">")[0]
    where = {
        kind: Path(sysconfig.get_path(kind, "venv", {"base": place, "platbase": place}))
        for kind in ("scripts", "purelib")
    }
    python, done = str(where["scripts"] / "python"), place / "installed"
    if not done.exists():
        print(f"Installing {peer.needs} in {place}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        # What is here is found after what is there, and pip sees it: only what is missing, or of
        # another version, is installed.
        (where["purelib"] / "beside.pth").write_text(sysconfig.get_path("purelib"))
        subprocess.run([python, "-m", "pip", "install", "-q", peer.needs], check=True)
        done.touch()
    return python


def task_of(setting: Setting, seed: int, folder: Path, model: str) -> Task:
    """The split: the data's own test, mixed; training examples as `seed` chooses. Pictures are
    unpacked in `folder`."""
    from trainers.datasets import sample_per_class

    home = Path(os.environ["THAW_TEST_DATA"])
    sides: dict[str, list[tuple[str, str]]] = {}  # (input, class) of each example
    for side in ("train", "test"):
        if setting.backbone == "minilm":
            with open(home / setting.data / f"{side}.csv", encoding="utf-8", newline="") as file:
                sides[side] = [(row["text"], row["label"]) for row in csv.DictReader(file)]
            continue
        place = folder / setting.data
        if not place.exists():
            with zipfile.ZipFile(home / f"{setting.data}.zip") as packed:
                packed.extractall(place)
        files = sorted((place / side).glob("*/*"))
        sides[side] = [(str(path), path.parent.name) for path in files]
    classes = sorted({label for _, label in sides["train"]}, key=str.casefold)
    classes = classes[: setting.most_classes]

    def taken(side: str, per_class: int | None, seed: int) -> tuple[list[str], list[int]]:
        rows = [row for row in sides[side] if row[1] in classes]
        labels = np.array([classes.index(label) for _, label in rows])
        places = sample_per_class(labels, per_class, seed)
        return [rows[place][0] for place in places], labels[places].tolist()

    train, test = taken("train", setting.per_class, seed), taken("test", None, 0)
    return Task(seed, setting.backbone, classes, model, train, test)


def alone(key: str, file: Path) -> None:
    """What a process of a peer does: reads the task, trains, prints what came of it."""
    import torch

    peer, task = PEERS[key], Task(**json.loads(file.read_text("utf-8")))
    torch.manual_seed(task.seed)
    answers, seconds = peer.answered(task)
    labels = np.array(task.test[1])
    if np.shape(answers) != labels.shape:
        raise SystemExit(f"{key} gave {np.shape(answers)} answers to {len(labels)} questions.")
    facts = {
        "accuracy": float(np.mean(np.asarray(answers) == labels)),
        "train": len(task.train[1]),
        "test": len(labels),
        "seconds": seconds,
        "versions": {name: version(name) for name in ("torch", *peer.packages)},
        "threads": torch.get_num_threads(),
        "machine": "cuda" if torch.cuda.is_available() else "cpu",
    }
    print(json.dumps(facts))


def measured(peer: Peer, task: Task, python: str, patience: float) -> dict:
    """What `alone` prints, in a fresh process; {"over": patience} where it took longer. Raises
    `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as own:  # checkpoints of a peer go here
        file = Path(own, "task.json")
        file.write_text(json.dumps(asdict(task)), "utf-8")
        command = [python, Path(__file__).resolve(), "--peer", peer.key, file]
        try:
            done = subprocess.run(
                command,
                cwd=own,
                env=os.environ | {"HF_HUB_OFFLINE": "1"},  # the weights are here
                capture_output=True,
                text=True,
                timeout=patience,
                check=True,
            )
        except subprocess.TimeoutExpired:
            return {"over": patience}
    return json.loads(done.stdout.splitlines()[-1])


def table(rows: list[dict]) -> str:
    """Markdown: a row for each setting, a column a peer."""
    cells = defaultdict(list)
    for row in rows:
        cells[row["setting"], row["peer"]].append(row)
    head = ["data", "of each class", "backbone", *(peer.title for peer in PEERS.values())]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for setting in SETTINGS.values():
        shown = [setting.data, str(setting.per_class or "all"), setting.backbone]
        for peer in PEERS.values():
            fits = setting.backbone in peer.backbones
            shown.append(cell(cells[setting.key, peer.key]) if fits else "n/a")
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def cell(runs: list[dict]) -> str:
    if not runs:
        return ""
    if over := [run["over"] for run in runs if "over" in run]:
        return f"stopped after {max(over):.0f} s"
    right = [100 * run["accuracy"] for run in runs]
    seconds = median(run["seconds"] for run in runs)
    return f"{mean(right):.1f} ± {pstdev(right):.1f}, {seconds:.1f} s"


def picked(known: Sequence[str], asked: str) -> list[str]:
    """Those of `known` that `asked` lists, by key or by its beginning, in their own order."""
    names = asked.replace("ours", ",".join(OURS)).split(",")
    for name in names:
        if not any(key.startswith(name) for key in known):
            raise SystemExit(f"There is no {name!r}. There are: {', '.join(known)}.")
    return [key for key in known if key in names or key.startswith(tuple(set(names) - set(known)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--only", default=",".join(PEERS), help="peers; ours: all of Thaw's")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--patience", type=float, default=3600, help="seconds for one run")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir(), "thaw-peers"))
    parser.add_argument("--file", type=Path, default=Path("peers.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        alone(given.peer[0], Path(given.peer[1]))
        return
    rows = []
    if given.file.exists():
        rows = [json.loads(line) for line in given.file.read_text().splitlines()]
    if not given.table:
        fill(rows, given)
    print(table(rows))


def fill(rows: list[dict], given: argparse.Namespace) -> None:
    """Runs what is missing of `rows`, and appends it there and to the file."""
    home = Path(os.environ["THAW_TEST_DATA"])
    os.environ.setdefault("TORCH_HOME", str(home / "torch-home"))
    from trainers.networks.minilm import find_model_folder

    peers = [PEERS[key] for key in picked(list(PEERS), given.only)]
    settings = [SETTINGS[key] for key in picked(list(SETTINGS), given.settings)]
    pythons = {peer.key: python_for(peer, given.envs) for peer in peers}
    known = {(row["setting"], row["peer"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as unpacked:
        for seed in range(given.seeds):
            for setting in settings:
                task = task_of(setting, seed, Path(unpacked), str(find_model_folder()))
                for peer in peers:
                    named = (setting.key, peer.key, seed)
                    if setting.backbone not in peer.backbones or named in known:
                        continue
                    try:
                        facts = measured(peer, task, pythons[peer.key], given.patience)
                    except subprocess.CalledProcessError as error:
                        print(*named, "failed:", error.stderr[-2000:], file=sys.stderr, flush=True)
                        continue
                    keys = dict(zip(("setting", "peer", "seed"), named, strict=True))
                    rows.append(keys | facts)
                    with open(given.file, "a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
