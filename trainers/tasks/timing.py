"""How long each approach takes on this computer, from a few timed steps of the real loop."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch

from trainers import backbones
from trainers.data_checks.answers import Answer
from trainers.datasets import DatasetSplits
from trainers.events import Event, Progress, Step, ValidationDone
from trainers.networks.encoder import Encoder, Examples, Inputs, get_device
from trainers.networks.loading import new_encoder, shared_encoder
from trainers.plan import StepPlan
from trainers.training.batches import SubsetInputs
from trainers.training.estimate import TYPICAL_HEAD_STEPS
from trainers.training.features import PROBE_BATCH_SIZE, SCALING_EXAMPLES
from trainers.training.head import HeadData, assign_folds, fit_head
from trainers.training.inference import extract_features
from trainers.training.loop import train
from trainers.training.model import Head, Model, set_trainable
from trainers.training.recipes import Phase, build_phases
from trainers.training.run import never_stop
from trainers.training.schedule import EVALS_PER_PHASE, MAX_EVALS_PER_PHASE, PhaseContext
from trainers.training.stages.prepare import split_validation

APPROACHES = ("transfer", "hybrid", "fine_tune", "scratch")
TIMING_EXAMPLES = 96  # examples that are rehearsed with
TIMING_VALIDATION_EXAMPLES = 8  # ... and held out: only the steps are timed
MAX_TIMED_STEPS = 12  # steps, at most; the first is thrown away, it pays for what is set up once
TIMING_SECONDS = 1.0  # that they and the passes without learning take, about

# What the guide means by minutes and hours of computing, in seconds of budget. Ours.
MAX_MINUTES_BUDGET, MAX_HOURS_BUDGET = 3600, 24 * 3600


class StepTiming(NamedTuple):
    """Seconds, each the mean of a few."""

    step: float
    evaluation: float


class TrainingEstimate(NamedTuple):
    """An approach, left to run until it stops improving."""

    seconds: float
    seconds_per_epoch: float  # of the phase that takes longest
    epochs: float


def answer_compute(seconds: float, machine: str, courses: dict[str, TrainingEstimate]) -> Answer:
    """The answer that the budget amounts to, and what fits into it."""
    above = (seconds >= MAX_MINUTES_BUDGET) + (seconds >= MAX_HOURS_BUDGET)
    answer = ("minutes", "hours", "ample")[above]
    says = f"The budget is {format_duration(seconds)}."
    if courses:
        told = ", ".join(
            f"{APPROACH_TITLES[key]} {format_duration(courses[key].seconds)}"
            for key in APPROACH_TITLES
        )
        says += f" Left to run until it stops improving, each would take about: {told}."
        short = [APPROACH_TITLES[key] for key in APPROACH_TITLES if courses[key].seconds > seconds]
        if short:
            says += f" The budget ends {' and '.join(short)} earlier; the best so far counts."
    evidence = {
        "says": says,
        "per_approach": {key: course._asdict() for key, course in courses.items()},
        "machine": machine,
        "budget_seconds": seconds,
    }
    return Answer(answer, evidence)


APPROACH_TITLES = {"transfer": "transfer learning", "hybrid": "hybrid", "fine_tune": "fine-tuning"}


def format_duration(seconds: float) -> str:
    """ "4 s", "2 min", "3 h": two digits at most."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.0f} h"


def estimate_training(
    data: DatasetSplits, key: str, *, should_stop: Callable[[], bool] = never_stop
) -> Generator[Progress, None, dict[str, TrainingEstimate]]:
    """Return what each approach would take with the backbone `key` on all of `data`.

    {} if nothing can be learned, or `should_stop` says so.
    """
    labels = data.train.labels
    if len(np.unique(labels)) < 2:
        return {}
    learn, held = map(len, split_validation(assign_folds(labels)))
    body = shared_encoder(key).to(get_device())
    body.prepare(data.train.inputs[:1])  # reads a vocabulary, where there is one
    began = time.perf_counter()
    ready = body.prepare(data.train.inputs[:TIMING_EXAMPLES])
    each_ready = (time.perf_counter() - began) / len(ready)
    each, features = _time_features(body, ready)
    examples = Examples(ready, torch.from_numpy(labels[:TIMING_EXAMPLES]))

    timed: dict[tuple[str, bool], StepTiming] = {}
    found = {}
    backbone = backbones.pick(key)
    for number, approach in enumerate(APPROACHES):
        yield Progress(number, len(APPROACHES), time.perf_counter() - began, unit="approaches")
        to_play = build_phases(
            approach, data.modality, backbone.resolve_trainable("auto", approach)
        )
        in_mirror = approach == "transfer" and data.modality == "images"
        first = learn if approach in ("transfer", "hybrid") else min(learn, SCALING_EXAMPLES)
        seconds = each_ready * (learn + held + len(data.test.labels))
        seconds += each * (first + held + len(data.test.labels)) * (1 + in_mirror)
        epochs, longest = 0.0, 0.0
        for phase in to_play:
            if should_stop():
                return {}
            of = phase.trainable, approach != "scratch"
            if of not in timed:
                if phase.trainable == "head":
                    timed[of] = _time_head(features.shape[1], learn + held, len(data.classes))
                else:
                    own = new_encoder(key, pretrained=of[1])
                    set_trainable(own, phase)
                    timed[of] = _time_phase(own, examples, features, len(data.classes), phase)
            step, passing = timed[of]
            if phase.trainable == "head":
                steps, per_epoch, looks, again = TYPICAL_HEAD_STEPS, 1, 0.0, 0.0
            else:
                steps, per_epoch = phase.max_steps(learn), math.ceil(learn / phase.batch_size)
                looks = min(MAX_EVALS_PER_PHASE, max(EVALS_PER_PHASE, steps / per_epoch))
                again = steps * math.sqrt((learn + held) / learn)
            look = passing + held * each
            seconds += steps * step + looks * look + again * step
            epochs += steps / per_epoch
            longest = max(longest, per_epoch * step + min(1.0, looks) * look)
        found[approach] = TrainingEstimate(seconds, longest, epochs)
    return found


def _time_features(body: Encoder, ready: Inputs) -> tuple[float, torch.Tensor]:
    """Seconds that the features of one example take, and the features."""
    some, durations = torch.arange(min(PROBE_BATCH_SIZE, len(ready))), []
    while not durations or (len(durations) < 5 and sum(durations) < TIMING_SECONDS / 2):
        began = time.perf_counter()
        features = torch.cat(list(extract_features(body, ready, some)))
        durations.append(time.perf_counter() - began)
    each = min(durations) / len(some)
    # Where pictures are made ready when they are first asked for, only the first pass did it.
    return each + (ready.seconds_per_example if len(durations) > 1 else 0), features


def _time_head(features: int, learn: int, classes: int) -> StepTiming:
    """The last layer alone, on as many examples as there are. Dice stand in for their features:
    that takes as long."""
    labels = torch.arange(min(learn, 5000)) % classes
    head = Head(features, classes).to(get_device())
    features = torch.randn(len(labels), features, device=get_device())
    data = HeadData(features, labels, assign_folds(labels.numpy()))
    steps = StepPlan(MAX_TIMED_STEPS, MAX_TIMED_STEPS, 0)
    stream = fit_head(head, data, PhaseContext.unlimited(labels[:0]), steps)
    return _read_timing(stream)


def _time_phase(
    body: Encoder, examples: Examples, features: torch.Tensor, classes: int, phase: Phase
) -> StepTiming:
    head = Head(features.shape[1], classes).to(get_device())
    head.fit_scaling(features)
    few = torch.arange(min(TIMING_VALIDATION_EXAMPLES, len(examples)))
    checks = Examples(SubsetInputs(examples.inputs, few), examples.labels[few])
    return _time_loop(Model(body, head), examples, checks, phase)


def _time_loop(model: Model, examples: Examples, checks: Examples, phase: Phase) -> StepTiming:
    """A few steps of the loop itself, by the clock in its events. What it learns is thrown away."""
    steps = StepPlan(MAX_TIMED_STEPS, MAX_TIMED_STEPS, MAX_TIMED_STEPS)
    context = PhaseContext.unlimited(checks.labels)
    stream = train(model, examples, checks, phase, context, steps)
    return _read_timing(stream)


def _read_timing(stream: Generator[Event, None, Any]) -> StepTiming:
    steps, looks, before = [], [], 0.0
    with closing(stream):
        for event in stream:
            if isinstance(event, Step):
                steps.append(event.seconds - before)
            elif isinstance(event, ValidationDone):
                looks.append(event.seconds - before)
            before = event.seconds
            if sum(steps[1:]) > TIMING_SECONDS or sum(steps) > 3 * TIMING_SECONDS:
                break
    return StepTiming(mean(steps[1:] or steps), min(looks))
