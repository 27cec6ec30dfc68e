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
from trainers.data_checks.specificity import answer_specificity
from trainers.datasets import DatasetSplits, uploads
from trainers.events import Event, JobCancelled, JobDone, Notice, Progress, Stage
from trainers.jobs import DataCheck
from trainers.networks.encoder import get_device
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.tasks import timing
from trainers.training import frozen_features

MAX_FEATURE_EXAMPLES = 2000  # training examples whose features are computed, at most
FEATURE_SECONDS = 6.0
CHECK_SECONDS = 5.0


class CheckStopped(Exception):
    """The visitor no longer waits."""


def run_data_check(
    job: DataCheck, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Yield the events of a data check: a `Stage` for each part, and `JobDone` at the end.

    trainers/jobs.py says what its result is. Raises `BadPlan`, `BadUpload`,
    `BackboneNotDownloaded`.
    """
    look = _DataCheckRunner(job, should_stop)
    try:
        yield from look.run()
    except CheckStopped:
        yield JobCancelled(look.elapsed_seconds())


class _DataCheckRunner:
    """One checkup on its way."""

    def __init__(self, job: DataCheck, should_stop: Callable[[], bool]) -> None:
        self.job, self.should_stop = job, should_stop
        self.started_at = time.monotonic()

    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.started_at

    def start_stage(self, key: str, text: str) -> Stage:
        if self.should_stop():
            raise CheckStopped
        return Stage(key, text, self.elapsed_seconds())

    def relay_progress(self, part: Generator[Progress, None, Any]) -> Generator[Event, None, Any]:
        """Return the result of `part`, and yield its progress by the clock of the job.

        The result of a part that was stopped may be incomplete, so it is not used.
        """
        while True:
            try:
                progress = next(part)
            except StopIteration as end:
                return end.value
            if self.should_stop():
                part.close()
                raise CheckStopped
            yield replace(progress, seconds=self.elapsed_seconds())

    def run(self) -> Iterator[Event]:
        job = self.job
        # What a run could not use is refused here, in the same words.
        plan = Plan(data=job.data, approach="transfer", backbone=job.backbone, seconds=job.seconds)
        backbone = backbones.pick(plan.backbone)
        backbone.check_downloaded()
        yield self.start_stage("read", "Fetching the examples")
        sample = datasets.get_dataset(job.data)
        data = sample.load_splits()
        facts = datasets.compute_facts(data)

        yield self.start_stage("features", "Looking at examples with the bundled model, as it is")
        seen = yield from self.relay_progress(_extract_features(data))
        if len(seen) < len(data.train.labels):
            yield Notice(
                f"Of {len(data.train.labels):,} training examples the bundled model looked at "
                f"{len(seen):,}, always the same ones.",
                self.elapsed_seconds(),
            )
        yield self.start_stage("findings", "Looking for faults")
        found = yield from self.relay_progress(
            data_checks.run_checks(sample, data, seen, CHECK_SECONDS)
        )

        yield self.start_stage("specificity", "Measuring how special the task is")
        special = answer_specificity(data, seen, facts)
        yield self.start_stage("pace", "Timing a few steps of each approach on this computer")
        courses = yield from self.relay_progress(timing.estimate_training(data, plan.backbone))
        given = {
            "modality": answers.answer_modality(data),
            "data_volume": answers.answer_data_volume(data),
            "data_quality": answers.answer_data_quality(found),
            "compute": timing.answer_compute(job.seconds, get_device().type, courses),
            "specificity": special,
        }
        result = {
            "findings": [one.as_json() for one in found],
            "checked": list(data_checks.describe_checks(data.modality)),
            "answers": {key: one.answer for key, one in given.items()} | {"reuse": UNSURE},
            "evidence": {key: one.evidence for key, one in given.items()},
            "facts": asdict(facts) | {"remarks": list(compatibility.list_remarks(backbone, facts))},
        }
        if isinstance(sample, uploads.UploadedDataset):
            uploads.save_check(job.data, result)
        yield JobDone(result, self.elapsed_seconds())


def _extract_features(data: DatasetSplits) -> Generator[Progress, None, np.ndarray]:
    """Return the last layer's features of the first training examples, by the bundled backbone."""
    row = backbones.get_bundled(data.modality)
    inputs = data.train.inputs[:MAX_FEATURE_EXAMPLES]
    if not len(inputs):
        return np.empty((0, row.width), np.float32)
    encoder = shared_encoder(row.key).to(get_device())
    features = yield from frozen_features.extract_frozen_features(
        encoder, inputs, seconds=FEATURE_SECONDS
    )
    return encoder.keep_last_layer(features)
