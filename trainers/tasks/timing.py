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
from trainers.datasets import Data
from trainers.events import Event, Progress, Step, Validated
from trainers.networks.encoder import Body, Examples, Inputs, device
from trainers.networks.loading import fresh, loaded
from trainers.training.estimate import HEAD_STEPS
from trainers.training.features import CALIBRATION, PROBE, Some
from trainers.training.head import parts_of, teach
from trainers.training.loop import LOOKS, MOST_LOOKS, Clock, Head, Model, computed, train
from trainers.training.monitor import View
from trainers.training.recipes import Phase, phases
from trainers.training.run import held_out, never, thaw

APPROACHES = ("transfer", "hybrid", "fine_tune", "scratch")
SOME = 96  # examples that are rehearsed with
CHECKS = 8  # ... and held out: only the steps are timed
TIMED = 12  # steps, at most; the first is thrown away, it pays for what is set up once
TIMED_SECONDS = 1.0  # that they and the passes without learning take, about

# What the guide means by minutes and hours of computing, in seconds of budget. Ours.
MINUTES_BELOW, HOURS_BELOW = 3600, 24 * 3600


class Timed(NamedTuple):
    """Seconds, each the mean of a few."""

    step: float
    look: float


class Course(NamedTuple):
    """An approach, left to run until it stops improving."""

    seconds: float
    seconds_per_epoch: float  # of the phase that takes longest
    epochs: float


def compute(seconds: float, machine: str, courses: dict[str, Course]) -> Answer:
    """The answer that the budget amounts to, and what fits into it."""
    above = (seconds >= MINUTES_BELOW) + (seconds >= HOURS_BELOW)
    answer = ("minutes", "hours", "ample")[above]
    says = f"The budget is {in_words(seconds)}."
    if courses:
        told = ", ".join(f"{TITLES[key]} {in_words(courses[key].seconds)}" for key in TITLES)
        says += f" Left to run until it stops improving, each would take about: {told}."
        short = [TITLES[key] for key in TITLES if courses[key].seconds > seconds]
        if short:
            says += f" The budget ends {' and '.join(short)} earlier; the best so far counts."
    evidence = {
        "says": says,
        "per_approach": {key: course._asdict() for key, course in courses.items()},
        "machine": machine,
        "budget_seconds": seconds,
    }
    return Answer(answer, evidence)


TITLES = {"transfer": "transfer learning", "hybrid": "hybrid", "fine_tune": "fine-tuning"}


def in_words(seconds: float) -> str:
    """ "4 s", "2 min", "3 h": two digits at most."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.0f} h"


def courses(
    data: Data, key: str, *, stop: Callable[[], bool] = never
) -> Generator[Progress, None, dict[str, Course]]:
    """What each approach would take with the backbone `key` on all of `data`; {} where nothing
    can be learned or `stop` says so."""
    labels = data.train.labels
    if len(np.unique(labels)) < 2:
        return {}
    learn, held = map(len, held_out(parts_of(labels)))
    body = loaded(key).to(device())
    body.prepare(data.train.inputs[:1])  # reads a vocabulary, where there is one
    began = time.perf_counter()
    ready = body.prepare(data.train.inputs[:SOME])
    each_ready = (time.perf_counter() - began) / len(ready)
    each, features = _looked_at(body, ready)
    examples = Examples(ready, torch.from_numpy(labels[:SOME]))

    timed: dict[tuple[str, bool], Timed] = {}
    found = {}
    what_learns = backbones.pick(key).learns
    for number, approach in enumerate(APPROACHES):
        yield Progress(number, len(APPROACHES), time.perf_counter() - began, unit="approaches")
        to_play = phases(approach, data.modality, what_learns)
        in_mirror = approach == "transfer" and data.modality == "images"
        first = learn if approach in ("transfer", "hybrid") else min(learn, CALIBRATION)
        seconds = each_ready * (learn + held + len(data.test.labels))
        seconds += each * (first + held + len(data.test.labels)) * (1 + in_mirror)
        epochs, longest = 0.0, 0.0
        for phase in to_play:
            if stop():
                return {}
            of = phase.learns, approach != "scratch"
            if of not in timed:
                if phase.learns == "head":
                    timed[of] = _head(features.shape[1], learn + held, len(data.classes))
                else:
                    own = fresh(key, pretrained=of[1])
                    thaw(own, phase)
                    timed[of] = _timed(own, examples, features, len(data.classes), phase)
            step, passing = timed[of]
            if phase.learns == "head":
                steps, per_epoch, looks, again = HEAD_STEPS, 1, 0.0, 0.0
            else:
                steps, per_epoch = phase.most_steps(learn), math.ceil(learn / phase.batch)
                looks = min(MOST_LOOKS, max(LOOKS, steps / per_epoch))
                again = steps * math.sqrt((learn + held) / learn)
            look = passing + held * each
            seconds += steps * step + looks * look + again * step
            epochs += steps / per_epoch
            longest = max(longest, per_epoch * step + min(1.0, looks) * look)
        found[approach] = Course(seconds, longest, epochs)
    return found


def _looked_at(body: Body, ready: Inputs) -> tuple[float, torch.Tensor]:
    """Seconds that the features of one example take, and the features."""
    some, durations = torch.arange(min(PROBE, len(ready))), []
    while not durations or (len(durations) < 5 and sum(durations) < TIMED_SECONDS / 2):
        began = time.perf_counter()
        features = torch.cat(list(computed(body, ready, some)))
        durations.append(time.perf_counter() - began)
    each = min(durations) / len(some)
    # Where pictures are made ready when they are first asked for, only the first pass did it.
    return each + (ready.seconds_each if len(durations) > 1 else 0), features


def _head(features: int, learn: int, classes: int) -> Timed:
    """The last layer alone, on as many examples as there are. Dice stand in for their features:
    that takes as long."""
    labels = torch.arange(min(learn, 5000)) % classes
    head = Head(features, classes).to(device())
    stream = teach(
        head,
        torch.randn(len(labels), features, device=device()),
        labels,
        parts_of(labels.numpy()),
        number=0,
        clock=Clock(math.inf),
        until_seconds=math.inf,
        stop=never,
        view=View(labels[:0]),
        viewed=[],
        steps=TIMED,
    )
    return _by_its_events(stream)


def _timed(
    body: Body, examples: Examples, features: torch.Tensor, classes: int, phase: Phase
) -> Timed:
    head = Head(features.shape[1], classes).to(device())
    head.calibrate(features)
    few = torch.arange(min(CHECKS, len(examples)))
    checks = Examples(Some(examples.inputs, few), examples.labels[few])
    return _rehearsed(Model(body, head), examples, checks, phase)


def _rehearsed(model: Model, examples: Examples, checks: Examples, phase: Phase) -> Timed:
    """A few steps of the loop itself, by the clock in its events. What it learns is thrown away."""
    stream = train(
        model,
        examples,
        checks,
        phase,
        number=0,
        clock=Clock(math.inf),
        until_seconds=math.inf,
        stop=never,
        view=View(checks.labels),
        steps=(TIMED, TIMED, TIMED),
    )
    return _by_its_events(stream)


def _by_its_events(stream: Generator[Event, None, Any]) -> Timed:
    steps, looks, before = [], [], 0.0
    with closing(stream):
        for event in stream:
            if isinstance(event, Step):
                steps.append(event.seconds - before)
            elif isinstance(event, Validated):
                looks.append(event.seconds - before)
            before = event.seconds
            if sum(steps[1:]) > TIMED_SECONDS or sum(steps) > 3 * TIMED_SECONDS:
                break
    return Timed(mean(steps[1:] or steps), min(looks))
