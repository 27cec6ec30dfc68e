"""A data set looked over: is it fit, and what are the answers to the guide's questions?"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from guide.questions import UNSURE
from trainers import backbones, data_checks, datasets
from trainers.backbones import compatibility
from trainers.data_checks import answers
from trainers.data_checks.specificity import specificity
from trainers.datasets import Data, uploads
from trainers.events import Cancelled, Done, Event, Notice, Progress, Stage
from trainers.jobs import Checkup
from trainers.networks.encoder import device
from trainers.networks.loading import loaded
from trainers.plan import Plan
from trainers.tasks import timing
from trainers.training import frozen_features

LOOKED_AT = 2000  # training examples whose features are computed, at most
FEATURE_SECONDS = 6.0
HEALTH_SECONDS = 5.0


class Stopped(Exception):
    """The visitor no longer waits."""


def checkup(
    job: Checkup, *, stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of a look at a data set: a `Stage` for each part, the last is `Done`, with what
    trainers/jobs.py says. Raises `BadPlan`, `BadUpload`, `NotHere`."""
    look = _Look(job, stop)
    try:
        yield from look.events()
    except Stopped:
        yield Cancelled(look.seconds())


class _Look:
    """One checkup on its way."""

    def __init__(self, job: Checkup, stop: Callable[[], bool]) -> None:
        self.job, self.stop = job, stop
        self.began = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def stage(self, key: str, text: str) -> Stage:
        if self.stop():
            raise Stopped
        return Stage(key, text, self.seconds())

    def following(self, part: Generator[Progress, None, Any]) -> Generator[Event, None, Any]:
        """What `part` hands back; its progress by the clock of the whole. A part that is stopped
        in the middle need not be whole, so it is not used."""
        while True:
            try:
                progress = next(part)
            except StopIteration as end:
                return end.value
            if self.stop():
                part.close()
                raise Stopped
            yield replace(progress, seconds=self.seconds())

    def events(self) -> Iterator[Event]:
        job = self.job
        # What a run could not use is refused here, in the same words.
        plan = Plan(data=job.data, approach="transfer", backbone=job.backbone, seconds=job.seconds)
        backbone = backbones.pick(plan.backbone)
        backbone.check_here()
        yield self.stage("read", "Fetching the examples")
        sample = datasets.pick(job.data)
        data = sample.data()
        facts = datasets.facts_of(data)

        yield self.stage("features", "Looking at examples with the bundled model, as it is")
        seen = yield from self.following(_frozen(data))
        if len(seen) < len(data.train.labels):
            yield Notice(
                f"Of {len(data.train.labels):,} training examples the bundled model looked at "
                f"{len(seen):,}, always the same ones.",
                self.seconds(),
            )
        yield self.stage("findings", "Looking for faults")
        found = yield from self.following(data_checks.findings(sample, data, seen, HEALTH_SECONDS))

        yield self.stage("specificity", "Measuring how special the task is")
        special = specificity(data, seen, facts)
        yield self.stage("pace", "Timing a few steps of each approach on this computer")
        courses = yield from self.following(timing.courses(data, plan.backbone))
        given = {
            "modality": answers.modality(data),
            "data_volume": answers.data_volume(data),
            "data_quality": answers.data_quality(found),
            "compute": timing.compute(job.seconds, device().type, courses),
            "specificity": special,
        }
        result = {
            "findings": [one.as_json() for one in found],
            "checked": list(data_checks.checked(data.modality)),
            "answers": {key: one.answer for key, one in given.items()} | {"reuse": UNSURE},
            "evidence": {key: one.evidence for key, one in given.items()},
            "facts": asdict(facts) | {"remarks": list(compatibility.remarks(backbone, facts))},
        }
        if isinstance(sample, uploads.Own):
            uploads.keep_check(job.data, result)
        yield Done(result, self.seconds())


def _frozen(data: Data) -> Generator[Progress, None, np.ndarray]:
    """Features of the first training examples, by the bundled backbone, in a few seconds."""
    row = backbones.bundled(data.modality)
    inputs = data.train.inputs[:LOOKED_AT]
    if not len(inputs):
        return np.empty((0, row.features), np.float32)
    return (yield from frozen_features.frozen(loaded(row.key).to(device()), inputs,
                                       seconds=FEATURE_SECONDS))  # fmt: skip
