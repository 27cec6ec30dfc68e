"""Mirror images in transfer learning on pictures: used where cross-validation finds them better."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from trainers import serving
from trainers.datasets import DatasetSplits, Split
from trainers.events import Notice, PredictionsRecorded, RunFinished
from trainers.export.saved_model import load_model, load_temperature
from trainers.networks.encoder import flip_horizontal
from trainers.plan import Plan
from trainers.serving.server import ModelCache, handle_request as found_by
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.training.stages import head_phase
from trainers.workers.execute import execute

PROBES = 2 * 4 + 2 * 24  # examples that are timed at the start


def plan(**changes) -> Plan:
    return Plan(**{"data": "colours", "approach": "transfer", "seconds": 20} | changes)


def sided(toy, *, either: bool) -> DatasetSplits:
    """Noise, a colour that says which class it is, and light from one side: from either where that
    is chance; else the side says which class it is, and the colour nothing."""

    def split(count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        labels = np.arange(3 * count) % 2
        images = rng.integers(0, 100, (len(labels), 8, 8, 3))
        side = rng.integers(0, 2, len(labels)) if either else labels
        for image, label, right in zip(images, labels, side, strict=True):
            image[:, :, label] += 12 * either
            image[:, 4 * right : 4 * right + 4] += 90
        return Split(images.astype(np.uint8), labels)

    return replace(toy.colours(2, 0), classes=("one", "two"), train=split(8, 1), test=split(40, 2))


def png(picture: np.ndarray) -> io.BytesIO:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out


def mirrored(events) -> bool:
    return events[-1].repeat_plan["pace"]["mirrored"]


def test_features_of_both_are_used_where_the_side_says_nothing(toy):
    events = list(run(plan(), data=sided(toy, either=True)))
    assert mirrored(events)
    assert sum(toy.SEEN) == PROBES + 2 * 24 + 2 * 120
    (notice,) = [e for e in events if isinstance(e, Notice) and "mirror image" in e.text]
    assert not notice.is_limitation


def test_mirror_images_are_left_where_they_would_blur_the_classes(toy):
    events = list(run(plan(), data=sided(toy, either=False)))
    assert sum(toy.SEEN) == PROBES + 2 * 24 + 120  # the test was looked at once, the training twice
    assert not mirrored(events)
    assert not any("mirror" in e.text for e in events if isinstance(e, Notice))
    assert events[-1].test_accuracy > 0.9


@pytest.mark.parametrize("approach", ["hybrid", "fine_tune", "none"])
def test_other_approaches_look_at_no_mirror_image(approach, toy):
    events = list(run(plan(approach=approach), data=sided(toy, either=True)))
    assert not mirrored(events)
    assert not any("mirror" in e.text for e in events if isinstance(e, Notice))


def test_texts_have_no_mirror_image(toy):
    events = list(run(plan(data="words")))
    assert not mirrored(events)


@pytest.mark.parametrize("either", [True, False])
def test_a_repeated_run_does_with_mirror_images_as_the_first_did(either, toy, monkeypatch):
    data = sided(toy, either=either)
    first = list(run(plan(), data=data))
    monkeypatch.setattr(head_phase, "cross_val_loss", None)  # nothing is chosen again
    again = list(run(Plan.from_json(first[-1].repeat_plan), data=data))
    assert again[-1].confusion_matrix == first[-1].confusion_matrix
    assert mirrored(again) == mirrored(first) == either


def test_a_second_look_is_not_taken_where_the_budget_is_too_short_for_it(toy, monkeypatch):
    monkeypatch.setattr(head_phase, "FLIP_BUDGET_SHARE", 1e-6)
    events = list(run(plan(), data=sided(toy, either=True)))
    assert not mirrored(events)
    assert sum(toy.SEEN) == PROBES + 24 + 120


def test_the_kept_model_looks_at_mirror_images_too(toy, monkeypatch):
    data = sided(toy, either=True)
    monkeypatch.setattr(toy, "colours", lambda per_class, seed: data)
    key = get_store().enqueue(plan(), visitor="ann", worker="test")
    assert isinstance(list(execute(get_store(), key, plan(), run, run_dir(key)))[-1], RunFinished)
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    kept = load_model(get_store().get_run(key))
    assert kept.mirrored
    found = kept.predict_proba(data.test.inputs)
    assert found.argmax(1).tolist() == told.predictions
    told, blobs = serving.pack_inputs([one.getvalue() for one in map(png, data.test.inputs[:9])])
    question = {"verb": "answer", "run": key, "inputs": told, "options": {}}
    tried = found_by(ModelCache(), question, blobs, lambda text, share: None)
    by = load_temperature(get_store().get_run(key))
    sure = kept.predict_proba(data.test.inputs[:9]) ** (1 / by)
    assert np.array([one["sureness"] for one in tried]) == pytest.approx(
        sure / sure.sum(1, keepdims=True), abs=0.002
    )
    turned = np.ascontiguousarray(data.test.inputs[:, :, ::-1])
    assert kept.predict_proba(turned, exact=True) == pytest.approx(
        kept.predict_proba(data.test.inputs, exact=True), abs=1e-5
    )


def test_a_mirror_exchanges_left_and_right():
    picture = torch.arange(6).view(1, 1, 2, 3)
    assert flip_horizontal(picture).flatten().tolist() == [2, 1, 0, 5, 4, 3]
