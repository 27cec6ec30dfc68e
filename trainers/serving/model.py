"""A trained model, opened to be asked; and what can be asked of it. Needs torch: see `VERBS` in
this package for the part that pages read."""

import base64
import io
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from trainers import backbones, datasets
from trainers.datasets import Data
from trainers.datasets.thumbnails import THUMB_PX, shown
from trainers.datasets.uploads import BadUpload
from trainers.evaluation.abstention import calibrated, tempered
from trainers.events import Calibrated
from trainers.export.bundle import Alike, Kept, model_of
from trainers.networks.encoder import Body, Inputs
from trainers.networks.loading import fresh
from trainers.plan import Plan
from trainers.serving.ood import FEWEST, Familiar
from trainers.store import Run, store
from trainers.system import object_store
from trainers.system.registry import UnknownKey
from trainers.training import baselines
from trainers.training.frozen_features import frozen
from trainers.training.loop import computed, predicted

MOST_KNOWN = 1000  # training examples that an input is held against
KNOWN_SECONDS = 15.0  # that looking at them may take, with a large network; then those must do
STARTERS = 6
MOST_TESTED = 300  # test examples that many inputs are held against. Ours
TESTED_SECONDS = 10.0  # that answering them may take, likewise
TESTED_BATCH = 32
SHOWN_PX = 160
MOST_JUDGES = 3

CANNOT = "Whether it is unlike what the model learned from cannot be told"

Tell = Callable[[str, float], None]  # what is happening, and how far it is, 0..1


@dataclass(frozen=True)
class Judge:
    """The backbone as it came, and what it makes of the training examples."""

    body: Body
    known: Familiar

    @property
    def bytes(self) -> int:
        return _bytes(self.body) + self.known.known.nbytes


_judges: OrderedDict[tuple, Judge] = OrderedDict()  # runs on the same data share one


def judge_of(plan: Plan, data: Data, tell: Tell) -> Judge:
    """What an input is held against, of at most `MOST_KNOWN` training examples."""
    key = (plan.backbone, plan.data, plan.per_class, plan.seed, plan.mends)
    if judge := _judges.get(key):
        return judge
    body = fresh(plan.backbone, pretrained=True).requires_grad_(False)
    inputs = data.train.inputs
    # The same choice every time. Where a short budget cut the training down, some of these are
    # others of the same kind.
    some = np.random.default_rng(0).permutation(len(inputs))[:MOST_KNOWN]
    some = [inputs[item] for item in some] if isinstance(inputs, list) else inputs[some]
    looking = frozen(body, some, seconds=KNOWN_SECONDS)
    while True:
        try:
            at = next(looking)
        except StopIteration as end:
            judge = _judges[key] = Judge(body, Familiar(end.value))
            break
        tell("Looking at what it learned from", 0.4 + 0.6 * at.done / at.total)
    while len(_judges) > MOST_JUDGES:
        _judges.popitem(last=False)
    return judge


def forget_judges() -> None:
    """Lets go of what was seen of data that is not here any more."""
    for key in [key for key in _judges if not is_here(key[1])]:
        _judges.pop(key, None)


def is_here(data: str) -> bool:
    """Whether the data was not deleted."""
    try:
        return bool(datasets.pick(data).classes)
    except UnknownKey:
        return False


def _bytes(network: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


class Opened:
    """The model of a finished run, with what it takes to judge an input."""

    def __init__(self, run: Run, tell: Tell = lambda text, share: None) -> None:
        tell("Loading the model", 0.1)
        self.run, self.kept = run, model_of(run)
        self.plan = Plan.from_json(run.result["repeat"])
        self.modality = datasets.pick(self.plan.data).modality
        likeness = isinstance(self.kept, Kept) and isinstance(self.kept.model.head, Alike)
        measured = None if likeness else measured_of(run)  # likenesses have no temperature
        self.temperature = measured.temperature if measured else 1.0
        tell("Reading what it learned from", 0.3)
        data = data_of(self.plan)
        self.as_array = data is not None and isinstance(data.train.inputs, np.ndarray)
        # Then its own features are what an input is judged by, and need no second look.
        self.as_it_came = isinstance(self.kept, Kept) and not _changed(run)
        self.judge: Judge | None = None
        self.why = self._doubt(data)  # in words, why there is nothing to hold an input against
        if not self.why:
            self.judge = judge_of(self.plan, data, tell)

    @property
    def bytes(self) -> int:
        """About what it holds in memory."""
        known = self.judge.bytes if self.judge else 0
        if isinstance(self.kept, baselines.Kept):
            return known + sum(values.nbytes for values in self.kept.numbers.values())
        return known + _bytes(self.kept.model)

    def _doubt(self, data: Data | None) -> str:
        if data is None:
            return f"{CANNOT}: the training data was deleted."
        if len(data.train.labels) < FEWEST:
            count = len(data.train.labels)
            return f"{CANNOT}: of {count} training examples it would be a guess."
        if not backbones.is_here(backbones.pick(self.plan.backbone)):
            return f"{CANNOT}: it takes the pre-trained backbone, which is not here."
        return ""

    def judged(self, inputs: Sequence[str | np.ndarray]) -> list[dict[str, Any]]:
        """An answer to each text or picture: the fields of an `Answer`."""
        sureness, features = self._seen(inputs)
        found = [{"sureness": _plain(row)} for row in tempered(sureness, self.temperature)]
        if self.judge is None:
            return [one | {"why": self.why} for one in found]
        if features is None:
            features = np.concatenate(
                [
                    part.cpu().numpy()
                    for group in self._prepared(self.judge.body, inputs)
                    for part in computed(self.judge.body, group, torch.arange(len(group)))
                ]
            )
        known = self.judge.known
        distances = known.distances(features).tolist()
        return [
            one
            | {
                "unlike": distance > known.limit,
                "distance": distance,
                "limit": known.limit,
                "rarer": known.rarer(distance),
            }
            for one, distance in zip(found, distances, strict=True)
        ]

    def _seen(self, inputs: Sequence) -> tuple[np.ndarray, np.ndarray | None]:
        """Probabilities or likenesses, float (n, classes), and the features (n, F) where they are
        the judge's as well."""
        if isinstance(self.kept, baselines.Kept):
            return self.kept.sureness(inputs), None
        model, prepared = self.kept.model, list(self._prepared(self.kept.body, inputs))
        parts = [predicted(model, group) for group in prepared]
        features, scores = (torch.cat(part) for part in zip(*parts, strict=True))
        if self.kept.mirrored:  # the judge knows the plain features, the last layer the mean
            of_mirrors = [
                part
                for group in prepared
                for part in computed(model.body, group, torch.arange(len(group)), mirrored=True)
            ]
            with torch.inference_mode():
                scores = model.head((features + torch.cat(of_mirrors)) / 2)
        if not isinstance(model.head, Alike):
            scores = scores.softmax(1)
        return scores.cpu().numpy(), features.cpu().numpy() if self.as_it_came else None

    def _prepared(self, body: Body, inputs: Sequence) -> list[Inputs]:
        """The inputs made ready, in order. Pictures come as in training: those of a set that is one
        array are made small in another way than photos are."""
        if not self.as_array:
            return [body.prepare(inputs)]
        square = [_middle(picture) for picture in inputs]
        alike = groupby(square, key=lambda picture: picture.shape)
        return [body.prepare(np.stack(list(group))) for _, group in alike]


def _changed(run: Run) -> bool:
    """Whether the body learned: then it was kept."""
    with safe_open(object_store.of_run(run.id) / "model.safetensors", "numpy") as kept:
        return any(name.startswith("body.") for name in kept.keys())  # noqa: SIM118, no mapping


def measured_of(run: Run) -> Calibrated | None:
    return calibrated([event for _, event in store().events(run.id)])


def data_of(plan: Plan) -> Data | None:
    """What a run learned from, or None where it is not here any more."""
    try:
        return datasets.pick(plan.data).data(plan.per_class, plan.seed, plan.mends)
    except (BadUpload, UnknownKey, OSError):
        return None


def _middle(picture: np.ndarray) -> np.ndarray:
    """The middle square."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _plain(row: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in row]


# --- what can be asked --------------------------------------------------------------------------


def answers(opened: Opened, inputs: Sequence[str | np.ndarray]) -> list[dict[str, Any]]:
    """An answer to each."""
    found = opened.judged(inputs) if inputs else []
    return [
        one if isinstance(given, str) else one | {"shown": _thumb(given)}
        for one, given in zip(found, inputs, strict=True)
    ]


def starters(opened: Opened, inputs: Sequence) -> list[dict[str, Any]]:
    """A few test examples, one of each class for a start: "label", and "text" or, as base64, the
    "picture". None where the data was deleted."""
    if (data := data_of(opened.plan)) is None:
        return []
    labels = data.test.labels
    first = [np.flatnonzero(labels == n)[:1] for n in range(len(data.classes))]
    some = list(dict.fromkeys(np.concatenate([*first, np.arange(len(labels))]).tolist()))
    found = []
    for item in some[:STARTERS]:
        one = data.test.inputs[item]
        what = {"text": one} if isinstance(one, str) else {"picture": _png(one)}
        found.append({"label": data.classes[labels[item]], **what})
    return found


def tested(opened: Opened, inputs: Sequence) -> list[dict[str, Any]]:
    """The answers to some test examples, the same every time. None where the data was deleted."""
    if (data := data_of(opened.plan)) is None:
        return []
    some = np.random.default_rng(0).permutation(len(data.test.labels))[:MOST_TESTED]
    found, began = [], time.monotonic()
    while len(found) < len(some) and time.monotonic() - began < TESTED_SECONDS:
        part = some[len(found) : len(found) + TESTED_BATCH]
        found += opened.judged([data.test.inputs[item] for item in part])
    return found


def _thumb(picture: np.ndarray) -> str:
    """As `shown` has it, but larger where there is more to see."""
    if min(picture.shape[:2]) <= THUMB_PX:
        return shown(picture)
    small = Image.fromarray(picture)
    small.thumbnail((SHOWN_PX, SHOWN_PX))
    return f"data:image/png;base64,{_png(np.asarray(small))}"


def _png(picture: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
