"""The phase that trains a new last layer on frozen features."""

from collections.abc import Generator, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from trainers.events import Baseline, Event, Notice, Stage
from trainers.networks.encoder import get_device
from trainers.networks.loading import shared_encoder
from trainers.training.features import FEATURES_SHARE
from trainers.training.head import HeadData, cross_val_loss, fit_head
from trainers.training.inference import extract_features
from trainers.training.prototypes import classify_by_class_mean
from trainers.training.session import TIME_SAFETY_FACTOR, Session

# Mirror images: a second pass over every image gains about half a point (0.7 over 7 data sets with
# 5, 10 and 50 of each class; validation), so it gets no more of the budget than this.
FLIP_BUDGET_SHARE = 0.25
MAX_DELAY_FACTOR = 1.5  # times the planned share of the budget before extraction is cut short


def extract_head_data(session: Session, with_head: bool) -> Generator[Event, None, HeadData]:
    """Extract features of training and validation examples, and set the scale of the head.

    Without a phase `with_head` a few training examples do, for the scale.
    """
    plan, extractor = session.plan, session.extractor
    train, validation = map(torch.from_numpy, (session.train_items, session.validation_items))
    items = train if with_head else train[: session.scaling_examples]
    yield Stage("features", "Looking at every example", session.seconds)
    deadline = None
    if not session.recorded_schedule:
        deadline = session.seconds + MAX_DELAY_FACTOR * FEATURES_SHARE * plan.seconds
    features = yield from extractor.extract(extractor.train_inputs, items, deadline=deadline)
    if len(features) < len(items):
        train = items = items[: len(features)]
        session.train_items = session.train_items[: len(features)]
        text = f"It goes more slowly than was timed, so {len(features):,} examples must do."
        yield Notice(text, session.seconds)
    validation_features = yield from extractor.extract(extractor.train_inputs, validation)
    session.head.fit_scaling(features)
    if len(validation) and not session.resume_checkpoint:
        yield from measure_baseline(session, items, features, validation_features)
    every, all_features = torch.cat([train, validation]), torch.cat([features, validation_features])
    if plan.approach == "transfer" and session.data.modality == "images":
        all_features = yield from average_flipped(session, all_features, every)
        session.head.fit_scaling(all_features[: len(train)])
    data = HeadData(
        all_features,
        session.train_labels(every),
        session.folds[every],
        range(len(train), len(every)),
    )
    return choose_layers(session, data) if with_head else data


def choose_layers(session: Session, data: HeadData) -> HeadData:
    """Return `data` with the features of all layers or of the last alone, by cross-validation."""
    last, classes = session.encoder.last_layer_width, len(session.data.classes)
    if last in (None, session.encoder.width) or (data.folds < 0).all():
        return data
    last_alone = replace(data, last_columns=last)
    is_better = cross_val_loss(last_alone, classes) < cross_val_loss(data, classes)
    return last_alone if is_better else data


def train_head(
    session: Session, number: int, deadline: float, data: HeadData
) -> Generator[Event, None, dict[str, Tensor]]:
    """Train the head; return the state of the head that did not see the validation examples."""
    context = session.phase_context(number, deadline, session.take_checkpoint())
    schedule = session.plan.schedule
    steps = schedule.steps[number] if schedule else None
    fit = yield from fit_head(session.head, data, context, steps)
    session.step_plans.append(fit.steps)
    session.epochs += fit.steps.done
    session.validation_outputs = fit.validation_outputs
    return fit.fold_head


def average_flipped(
    session: Session, features: Tensor, items: Tensor
) -> Generator[Event, None, Tensor]:
    """Return the mean of `features` and those of the mirror images, if that is better.

    Unchanged if there is no time for it, or cross-validation finds it no better.
    """
    recorded, folds = session.recorded_schedule, session.folds[items]
    if recorded:
        session.use_flipped = recorded.horizontal_flip
        if not recorded.horizontal_flip:
            return features
    deadline = None
    if not recorded:
        each = TIME_SAFETY_FACTOR["images"] * session.extractor.seconds_per_example
        now, budget = session.seconds, session.plan.seconds
        deadline = now + FLIP_BUDGET_SHARE * budget
        both_tests = 2 * each * len(session.test_items)
        is_late = now + each * len(items) > deadline or deadline + both_tests > budget
        if is_late or (folds < 0).all():
            return features
    inputs = session.extractor.train_inputs
    flipped = yield from session.extractor.extract(inputs, items, deadline=deadline, mirrored=True)
    if len(flipped) < len(items):
        return features
    mean = (features + flipped) / 2
    if not recorded:
        classes = len(session.data.classes)
        data = HeadData(features, session.train_labels(items), folds)
        before = cross_val_loss(data, classes)
        session.use_flipped = cross_val_loss(replace(data, features=mean), classes) < before
    if not session.use_flipped:
        return features
    text = (
        "Each picture counts together with its mirror image: that told the classes apart better "
        "in cross-validation."
    )
    yield Notice(text, session.seconds, is_limitation=False)
    return mean


def measure_baseline(
    session: Session, items: Tensor, features: Tensor, validation_features: Tensor
) -> Iterator[Event]:
    """Measure what the backbone can do before training: the line that training has to beat."""
    validation = torch.from_numpy(session.validation_items)
    # The same few for every approach, so that the line is the same in each of their charts.
    few, features = items[: session.scaling_examples], features[: session.scaling_examples]
    if session.plan.approach == "scratch":  # its own encoder knows nothing: take the trained one
        encoder = shared_encoder(session.plan.backbone).to(get_device())
        inputs = session.extractor.train_inputs
        features, validation_features = (
            torch.cat(list(extract_features(encoder, inputs, rows))) for rows in (few, validation)
        )
    labels, classes = session.train_labels(few), len(session.data.classes)
    predictions = classify_by_class_mean(features, labels, validation_features, classes).cpu()
    accuracy = (predictions == session.train_labels(validation)).float().mean().item()
    yield Baseline("nearest class mean", accuracy, session.seconds)
