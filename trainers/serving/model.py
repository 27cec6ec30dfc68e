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
from trainers.datasets import DatasetSplits
from trainers.datasets.thumbnails import THUMB_PX, render_example
from trainers.datasets.uploads import BadUpload
from trainers.evaluation.abstention import apply_temperature, find_calibration
from trainers.events import CalibrationDone
from trainers.export.saved_model import CosineHead, SavedModel, load_model
from trainers.networks.encoder import Encoder, Inputs
from trainers.networks.loading import new_encoder
from trainers.plan import Plan
from trainers.serving.ood import MIN_TRAIN_EXAMPLES, KnnOod
from trainers.store import Run, get_store
from trainers.system import object_store
from trainers.system.registry import UnknownKey
from trainers.training import baselines
from trainers.training.frozen_features import extract_frozen_features
from trainers.training.inference import extract_features, predict

MAX_REFERENCE_EXAMPLES = 1000  # training examples that an input is held against
REFERENCE_SECONDS = 15.0  # that looking at them may take, with a large network; then those must do
MAX_SAMPLE_INPUTS = 6
MAX_TEST_EXAMPLES = 300  # test examples that many inputs are held against. Ours
TEST_SECONDS = 10.0  # that answering them may take, likewise
TEST_BATCH_SIZE = 32
LARGE_THUMB_PX = 160
MAX_DETECTORS = 3

NO_OOD_MESSAGE = "Whether it is unlike what the model learned from cannot be told"

ProgressCallback = Callable[[str, float], None]  # what is happening, and how far it is, 0..1


@dataclass(frozen=True)
class OodDetector:
    """The backbone as it came, and what it makes of the training examples."""

    encoder: Encoder
    knn: KnnOod

    @property
    def nbytes(self) -> int:
        return _count_parameter_bytes(self.encoder) + self.knn.train_features.nbytes


_detectors: OrderedDict[tuple, OodDetector] = OrderedDict()  # runs on the same data share one


def get_detector(plan: Plan, data: DatasetSplits, tell: ProgressCallback) -> OodDetector:
    """Return what inputs are compared with: at most `MOST_KNOWN` training examples."""
    key = (plan.backbone, plan.data, plan.examples_per_class, plan.seed, plan.fixes)
    if judge := _detectors.get(key):
        return judge
    body = new_encoder(plan.backbone, pretrained=True).requires_grad_(False)
    inputs = data.train.inputs
    # The same choice every time. Where a short budget cut the training down, some of these are
    # others of the same kind.
    some = np.random.default_rng(0).permutation(len(inputs))[:MAX_REFERENCE_EXAMPLES]
    some = [inputs[item] for item in some] if isinstance(inputs, list) else inputs[some]
    looking = extract_frozen_features(body, some, seconds=REFERENCE_SECONDS)
    while True:
        try:
            at = next(looking)
        except StopIteration as end:
            judge = _detectors[key] = OodDetector(body, KnnOod(end.value))
            break
        tell("Looking at what it learned from", 0.4 + 0.6 * at.done / at.total)
    while len(_detectors) > MAX_DETECTORS:
        _detectors.popitem(last=False)
    return judge


def drop_deleted_detectors() -> None:
    """Lets go of what was seen of data that is not here any more."""
    for key in [key for key in _detectors if not has_data(key[1])]:
        _detectors.pop(key, None)


def has_data(data: str) -> bool:
    """Return whether the data was not deleted."""
    try:
        return bool(datasets.get_dataset(data).classes)
    except UnknownKey:
        return False


def _count_parameter_bytes(network: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


class LoadedModel:
    """The model of a finished run, with what it takes to judge an input."""

    def __init__(self, run: Run, tell: ProgressCallback = lambda text, share: None) -> None:
        tell("Loading the model", 0.1)
        self.run, self.saved_model = run, load_model(run)
        self.plan = Plan.from_json(run.result["repeat"])
        self.modality = datasets.get_dataset(self.plan.data).modality
        likeness = isinstance(self.saved_model, SavedModel) and isinstance(
            self.saved_model.model.head, CosineHead
        )
        measured = None if likeness else load_calibration(run)  # likenesses have no temperature
        self.temperature = measured.temperature if measured else 1.0
        tell("Reading what it learned from", 0.3)
        data = load_data(self.plan)
        self.is_array_data = data is not None and isinstance(data.train.inputs, np.ndarray)
        # Then its own features are what an input is judged by, and need no second look.
        self.has_frozen_encoder = isinstance(
            self.saved_model, SavedModel
        ) and not _has_trained_encoder(run)
        self.detector: OodDetector | None = None
        self.no_ood_reason = self._explain_no_detector(
            data
        )  # in words, why there is nothing to hold an input against
        if not self.no_ood_reason:
            self.detector = get_detector(self.plan, data, tell)

    @property
    def nbytes(self) -> int:
        """About what it holds in memory."""
        known = self.detector.nbytes if self.detector else 0
        if isinstance(self.saved_model, baselines.ClassicalModel):
            return known + sum(values.nbytes for values in self.saved_model.tensors.values())
        return known + _count_parameter_bytes(self.saved_model.model)

    def _explain_no_detector(self, data: DatasetSplits | None) -> str:
        if data is None:
            return f"{NO_OOD_MESSAGE}: the training data was deleted."
        if len(data.train.labels) < MIN_TRAIN_EXAMPLES:
            count = len(data.train.labels)
            return f"{NO_OOD_MESSAGE}: of {count} training examples it would be a guess."
        if not backbones.is_downloaded(backbones.pick(self.plan.backbone)):
            return f"{NO_OOD_MESSAGE}: it takes the pre-trained backbone, which is not here."
        return ""

    def predict(self, inputs: Sequence[str | np.ndarray]) -> list[dict[str, Any]]:
        """An answer to each text or picture: the fields of an `Answer`."""
        sureness, features = self._forward(inputs)
        found = [
            {"sureness": _round_row(row)} for row in apply_temperature(sureness, self.temperature)
        ]
        if self.detector is None:
            return [one | {"why": self.no_ood_reason} for one in found]
        if features is None:
            features = np.concatenate(
                [
                    part.cpu().numpy()
                    for group in self._prepare(self.detector.encoder, inputs)
                    for part in extract_features(
                        self.detector.encoder, group, torch.arange(len(group))
                    )
                ]
            )
        known = self.detector.knn
        distances = known.distances(features).tolist()
        return [
            one
            | {
                "unlike": distance > known.threshold,
                "distance": distance,
                "limit": known.threshold,
                "rarer": known.tail_probability(distance),
            }
            for one, distance in zip(found, distances, strict=True)
        ]

    def _forward(self, inputs: Sequence) -> tuple[np.ndarray, np.ndarray | None]:
        """Probabilities or likenesses, float (n, classes), and the features (n, F) where they are
        the judge's as well."""
        if isinstance(self.saved_model, baselines.ClassicalModel):
            return self.saved_model.predict_proba(inputs), None
        model, prepared = (
            self.saved_model.model,
            list(self._prepare(self.saved_model.encoder, inputs)),
        )
        parts = [predict(model, group) for group in prepared]
        features, scores = (torch.cat(part) for part in zip(*parts, strict=True))
        if self.saved_model.mirrored:  # the judge knows the plain features, the last layer the mean
            of_mirrors = [
                part
                for group in prepared
                for part in extract_features(
                    model.body, group, torch.arange(len(group)), mirrored=True
                )
            ]
            with torch.inference_mode():
                scores = model.head((features + torch.cat(of_mirrors)) / 2)
        if not isinstance(model.head, CosineHead):
            scores = scores.softmax(1)
        return scores.cpu().numpy(), features.cpu().numpy() if self.has_frozen_encoder else None

    def _prepare(self, body: Encoder, inputs: Sequence) -> list[Inputs]:
        """The inputs made ready, in order. Pictures come as in training: those of a set that is one
        array are made small in another way than photos are."""
        if not self.is_array_data:
            return [body.prepare(inputs)]
        square = [_crop_to_square(picture) for picture in inputs]
        alike = groupby(square, key=lambda picture: picture.shape)
        return [body.prepare(np.stack(list(group))) for _, group in alike]


def _has_trained_encoder(run: Run) -> bool:
    """Return whether the body learned: then it was kept."""
    with safe_open(object_store.fetch_run_dir(run.id) / "model.safetensors", "numpy") as kept:
        return any(name.startswith("body.") for name in kept.keys())  # noqa: SIM118, no mapping


def load_calibration(run: Run) -> CalibrationDone | None:
    return find_calibration([event for _, event in get_store().read_events(run.id)])


def load_data(plan: Plan) -> DatasetSplits | None:
    """Return the data that a run learned from; None if it is gone."""
    try:
        return datasets.get_dataset(plan.data).load_splits(
            plan.examples_per_class, plan.seed, plan.fixes
        )
    except (BadUpload, UnknownKey, OSError):
        return None


def _crop_to_square(picture: np.ndarray) -> np.ndarray:
    """The middle square."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _round_row(row: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in row]


# --- what can be asked --------------------------------------------------------------------------


def predict_inputs(opened: LoadedModel, inputs: Sequence[str | np.ndarray]) -> list[dict[str, Any]]:
    """An answer to each."""
    found = opened.predict(inputs) if inputs else []
    return [
        one if isinstance(given, str) else one | {"shown": _encode_thumbnail(given)}
        for one, given in zip(found, inputs, strict=True)
    ]


def sample_test_inputs(opened: LoadedModel, inputs: Sequence) -> list[dict[str, Any]]:
    """A few test examples, one of each class for a start: "label", and "text" or, as base64, the
    "picture". None where the data was deleted."""
    if (data := load_data(opened.plan)) is None:
        return []
    labels = data.test.labels
    first = [np.flatnonzero(labels == n)[:1] for n in range(len(data.classes))]
    some = list(dict.fromkeys(np.concatenate([*first, np.arange(len(labels))]).tolist()))
    found = []
    for item in some[:MAX_SAMPLE_INPUTS]:
        one = data.test.inputs[item]
        what = {"text": one} if isinstance(one, str) else {"picture": _encode_png(one)}
        found.append({"label": data.classes[labels[item]], **what})
    return found


def predict_test_inputs(opened: LoadedModel, inputs: Sequence) -> list[dict[str, Any]]:
    """The answers to some test examples, the same every time. None where the data was deleted."""
    if (data := load_data(opened.plan)) is None:
        return []
    some = np.random.default_rng(0).permutation(len(data.test.labels))[:MAX_TEST_EXAMPLES]
    found, began = [], time.monotonic()
    while len(found) < len(some) and time.monotonic() - began < TEST_SECONDS:
        part = some[len(found) : len(found) + TEST_BATCH_SIZE]
        found += opened.predict([data.test.inputs[item] for item in part])
    return found


def _encode_thumbnail(picture: np.ndarray) -> str:
    """As `shown` has it, but larger where there is more to see."""
    if min(picture.shape[:2]) <= THUMB_PX:
        return render_example(picture)
    small = Image.fromarray(picture)
    small.thumbnail((LARGE_THUMB_PX, LARGE_THUMB_PX))
    return f"data:image/png;base64,{_encode_png(np.asarray(small))}"


def _encode_png(picture: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
