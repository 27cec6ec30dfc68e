"""The saved model of a run predicts as the run did."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from guide.approaches import APPROACHES
from tests.support.exported import SECONDS, finished
from trainers import datasets
from trainers.events import (
    PredictionsRecorded,
    RunFinished,
)
from trainers.export.saved_model import (
    ModelUnavailable,
    apply_temperature,
    load_model,
    load_temperature,
)
from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.training.inference import extract_features
from trainers.training.run import run
from trainers.workers.execute import execute

# --- the model of a run -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "approach", "settings"),
    [
        *((data, approach, {}) for data in ("colours", "words") for approach in APPROACHES),
        ("colours", "hybrid", {"trainable": "lora"}),
        ("words", "fine_tune", {"trainable": "all"}),
        ("words", "none", {"examples_per_class": 0}),
        ("crowd", "none", {}),  # classes without an example
        ("crowd", "simple", {}),
        ("lone", "transfer", {}),
    ],
)
def test_the_model_of_a_run_answers_the_test_as_the_run_did(data, approach, settings, toy):
    key = finished(data, approach, **settings)
    test = datasets.get_dataset(data).load_splits().test
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    found = load_model(get_store().get_run(key)).predict_proba(test.inputs[: len(told.predictions)])
    assert found.argmax(1).tolist() == told.predictions
    if told.confidence:
        assert found.max(1) == pytest.approx(np.array(told.confidence), abs=0.002)
        assert found.sum(1) == pytest.approx(np.ones(len(found)), abs=1e-5)


def test_by_its_temperature_it_is_as_sure_as_the_run_said_calibrated(toy):
    found = get_store().get_run(finished("words", "transfer", examples_per_class=4))
    (told,) = [
        event
        for _, event in get_store().read_events(found.id)
        if isinstance(event, PredictionsRecorded)
    ]
    kept = apply_temperature(load_model(found), load_temperature(found))
    sure = kept.predict_proba(
        datasets.get_dataset("words").load_splits().test.inputs[: len(told.predictions)]
    )
    assert sure.argmax(1).tolist() == told.predictions
    assert sure.max(1) == pytest.approx(np.array(told.calibrated_confidence), abs=0.002)
    assert np.abs(sure.max(1) - told.confidence).max() > 0.01  # there was something to correct


def test_without_training_it_says_how_like_each_class_an_example_is(toy):
    key = finished("crowd", "none")
    kept, data = load_model(get_store().get_run(key)), datasets.get_dataset("crowd").load_splits()
    found = kept.predict_proba(data.test.inputs, exact=True)

    learned = torch.cat(
        [*extract_features(kept.encoder, kept.encoder.prepare(data.train.inputs), torch.arange(6))]
    )
    learned = learned.numpy()  # as the run did, in bf16 where that is faster
    asked = kept.encoder(kept.encoder.prepare(data.test.inputs).batch(torch.arange(60))).numpy()
    centre = learned.mean(0)
    for label in range(len(data.classes)):
        if label not in data.train.labels:
            assert (found[:, label] < -1).all()  # below the least likeness there is
            continue
        mean = learned[data.train.labels == label].mean(0) - centre
        away = asked - centre
        cosine = away @ mean / np.linalg.norm(away, axis=1) / np.linalg.norm(mean)
        assert found[:, label] == pytest.approx(cosine, abs=1e-5)


def test_two_classes_are_kept_by_the_regression_too(toy, monkeypatch):
    whole = toy.colours(None, 0)
    two = {
        side: datasets.Split(split.inputs[split.labels < 2], split.labels[split.labels < 2])
        for side, split in (("train", whole.train), ("test", whole.test))
    }
    data = replace(whole, classes=("red", "green"), **two)
    monkeypatch.setattr(toy, "colours", lambda per_class, seed: data)
    key = finished("colours", "simple")
    (told,) = [
        event for _, event in get_store().read_events(key) if isinstance(event, PredictionsRecorded)
    ]
    found = load_model(get_store().get_run(key)).predict_proba(data.test.inputs)
    assert found.argmax(1).tolist() == told.predictions
    assert found.max(1) == pytest.approx(np.array(told.confidence), abs=0.001)


def test_a_run_without_a_model_says_so(toy):
    waiting = get_store().enqueue(Plan(data="colours", approach="transfer"), visitor="ann")
    with pytest.raises(ModelUnavailable, match="no finished run"):
        load_model(get_store().get_run(waiting))
    key = finished("colours", "transfer")
    (run_dir(key) / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="left no model here"):
        load_model(get_store().get_run(key))


def test_random_weights_that_nobody_kept_are_not_made_up(toy):
    plan = Plan(data="colours", approach="scratch", seconds=SECONDS)
    key = get_store().enqueue(plan, visitor="ann", worker="test")

    def stopped(plan, *, should_stop, folder):
        yield from run(plan, should_stop=lambda: True, folder=folder)

    assert isinstance([*execute(get_store(), key, plan, stopped, run_dir(key))][-1], RunFinished)
    with pytest.raises(ModelUnavailable, match="before anything was learned"):
        load_model(get_store().get_run(key))
