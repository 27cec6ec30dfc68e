"""The last stage: confidence, and the score on examples that were never used."""

from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from trainers.evaluation import calibration
from trainers.evaluation.metrics import score
from trainers.events import (
    Baseline,
    CalibrationDone,
    Event,
    Notice,
    PredictionsRecorded,
    RunFinished,
    Stage,
    WeightsCompared,
)
from trainers.networks.loading import shared_encoder
from trainers.training.model import count_stored_bytes, save_weights
from trainers.training.prototypes import assign_nearest, compute_class_means, set_prototype_head
from trainers.training.session import Session
from trainers.training.weight_change import relative_weight_change


def calibrate(session: Session) -> Iterator[Event]:
    """Fit the temperature on scores of examples that the model did not learn from."""
    if not session.validation_outputs or not session.use_validation:
        return
    items = calibration.evenly_spaced_indices(len(session.validation_outputs.labels))
    scores, labels = (part.cpu().numpy()[items] for part in session.validation_outputs)
    session.temperature = calibration.fit_temperature(scores, labels)
    confidence = calibration.compute_confidence(scores, session.temperature).round(4).tolist()
    is_correct = (scores.argmax(1) == labels).tolist()
    yield CalibrationDone(session.temperature, confidence, is_correct, session.seconds)


def run_test(session: Session) -> Iterator[Event]:
    """Predict the test examples with the trained model and report the score."""
    session.was_stopped = session.should_stop()
    yield Stage("test", "Testing on examples never used so far", session.seconds)
    extractor, items = session.extractor, session.test_items
    features = yield from extractor.extract(extractor.test_inputs, items)
    if session.use_flipped:
        flipped = yield from extractor.extract(extractor.test_inputs, items, mirrored=True)
        features = (features + flipped) / 2
    session.head.eval()
    with torch.inference_mode():
        scores = session.head(features)
    yield from report_test(session, scores.argmax(1), scores)


def predict_without_training(session: Session) -> Generator[Event, None, Tensor]:
    """Return predictions by the nearest class mean, or the nearest class name without examples."""
    data, extractor, head = session.data, session.extractor, session.head
    yield Stage("features", "Looking at every example", session.seconds)
    test_features = yield from extractor.extract(extractor.test_inputs, session.test_items)
    if data.class_descriptions:
        names = session.encoder.prepare(data.class_descriptions)
        name_features = yield from extractor.extract(names, np.arange(len(names)))
        name_features = session.encoder.zero_earlier_layers(name_features)
        by_name = assign_nearest(name_features, test_features)
        labels = data.test.labels[session.test_items]
        accuracy = float((by_name.cpu().numpy() == labels).mean())
        yield Baseline("class names alone (zero-shot)", accuracy, session.seconds)
        if not len(session.train_items):
            set_prototype_head(head, name_features)
            return by_name
    features = yield from extractor.extract(extractor.train_inputs, session.train_items)
    labels = session.train_labels(session.train_items)
    means, centre = compute_class_means(features, labels, len(data.classes)), features.mean(0)
    set_prototype_head(head, means, centre)
    return assign_nearest(means, test_features, centre)


def report_test(
    session: Session, predictions: Tensor, scores: Tensor | None = None
) -> Iterator[Event]:
    """Report the test and save the model. `predictions` are int64 (N,), `scores` (N, classes)."""
    plan, data, labels = session.plan, session.data, session.data.test.labels[session.test_items]
    confidence, calibrated = [], []
    if scores is not None:
        confidence = scores.softmax(1).max(1).values.tolist()
    if session.temperature:
        calibrated = calibration.compute_confidence(scores.cpu().numpy(), session.temperature)
        calibrated = calibrated.round(3).tolist()
    result = score(labels, predictions.cpu().numpy(), len(data.classes))
    yield PredictionsRecorded(
        labels.tolist(),
        predictions.tolist(),
        [round(value, 3) for value in confidence],
        session.seconds,
        calibrated,
    )
    is_trained = plan.approach != "none"
    blocks = session.describe_blocks()
    finished = RunFinished(
        approach=plan.approach,
        data=plan.data,
        backbone=plan.backbone,
        classes=list(data.classes),
        train_examples=len(np.union1d(session.train_items, session.validation_items)),
        test_examples=len(session.test_items),
        test_correct=result.right,
        test_accuracy=result.accuracy,
        test_accuracy_low=result.low,
        test_accuracy_high=result.high,
        macro_f1=result.macro_f1,
        confusion_matrix=result.confusion,
        seconds=session.seconds,
        trainable_parameters=sum(block["learnable"] for block in blocks) if is_trained else 0,
        parameters=sum(p.numel() for p in session.model.parameters()),
        epochs=session.epochs,
        stopped_by_user=session.was_stopped,
        repeat_plan=replace(plan, schedule=session.record_schedule()).as_json(),
        peak_memory_bytes=session.peak_memory.bytes_so_far(),
        stored_bytes=count_stored_bytes(session.model) if is_trained else 0,
    )
    if is_trained:
        before = None if plan.approach == "scratch" else shared_encoder(plan.backbone)
        change = relative_weight_change(session.encoder, before, blocks)
        yield WeightsCompared(change, finished.seconds)
    if session.folder:
        try:
            save_weights(session.model, session.folder)
        except OSError as error:  # the score must not be lost with the weights
            text = f"The trained model could not be kept on disk ({error.strerror})."
            yield Notice(text, finished.seconds)
    yield finished
