"""A plan, executed: `run(plan)` is the whole back end, a stream of events."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trainers import backbones, datasets
from trainers.backbones import compatibility
from trainers.datasets import DatasetSplits
from trainers.events import Event, Progress, Stage
from trainers.networks.encoder import get_device
from trainers.networks.loading import new_encoder, weights_fingerprint
from trainers.plan import Plan
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.feature_cache import FeatureCache
from trainers.training import baselines
from trainers.training.clock import Clock
from trainers.training.features import ComputationCache
from trainers.training.peak_memory import PeakMemory
from trainers.training.recipes import build_phases, shrink_batches
from trainers.training.session import ResolvedPlan, Session
from trainers.training.stages.final_test import (
    calibrate,
    predict_without_training,
    report_test,
    run_test,
)
from trainers.training.stages.prepare import describe_excluded, describe_shortage, prepare
from trainers.training.stages.train_phases import train_phases
from trainers.training.validator import DivergenceError

FACTS_SAMPLE_SIZE = 60  # examples that are compared with the backbone: decoding more takes time


class BadData(ValueError):
    """Data that cannot be learned from; the text says what is wrong and what to do next."""


def never_stop() -> bool:
    return False


def run(
    plan: Plan,
    *,
    should_stop: Callable[[], bool] = never_stop,
    folder: Path | None = None,
    shared: ComputationCache | None = None,
    data: DatasetSplits | None = None,
    checks: bool = True,
) -> Iterator[Event]:
    """Execute `plan` and yield what happens; the last event is `RunFinished`.

    `should_stop` is called between steps: once true, the best weights so far are tested. Closing
    the generator abandons the run: no score. The trained model is written to `folder` as
    model.safetensors, and checkpoints on the way; a run that finds one there resumes from it and
    yields only what is new. Runs that differ in nothing but the approach may have a `shared`
    cache; one with a `folder` and without that cache uses frozen features of earlier runs on the
    disk. `data` stands in for the data that the plan names, such as a part of it. Without `checks`
    there is no validation set: all examples learn.
    Raises `BadData`, `DivergenceError`, `CheckpointError`, and what loading raises.
    """
    started_at = time.monotonic()
    resolved = resolve_plan(plan, data)
    plan, data = resolved.plan, resolved.data
    if plan.approach == "simple":
        notices = [*describe_excluded(plan), *describe_shortage(data, plan)]
        setup_seconds = time.monotonic() - started_at
        yield from baselines.run_classical(
            plan, data, setup_seconds=setup_seconds, notices=notices, folder=folder
        )
        return
    facts = datasets.compute_facts(data, FACTS_SAMPLE_SIZE)
    remarks = compatibility.list_remarks(resolved.backbone, facts)
    encoder = new_encoder(plan.backbone, pretrained=plan.approach != "scratch")
    # Runs that are compared each pay for their features, so they find nothing on the disk.
    disk_cache = None
    if folder and shared is None:
        disk_cache = FeatureCache(plan.data, weights_fingerprint(plan.backbone))
    with PeakMemory() as memory:
        session = Session(
            resolved=resolved,
            encoder=encoder,
            should_stop=should_stop,
            folder=folder,
            cache=shared or ComputationCache(),
            disk_cache=disk_cache,
            peak_memory=memory,
            use_validation=checks,
            setup_seconds=time.monotonic() - started_at,
            notices=list(remarks),
            clock=Clock(plan.seconds),
        )
        try:
            for event in run_stages(session):
                # While a resumed run catches up, its events are old; progress is not.
                if not session.resume_checkpoint or isinstance(event, Stage | Progress):
                    yield event
        except DivergenceError:  # the checkpoint leads there again
            if folder:
                (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
            raise


def resolve_plan(plan: Plan, data: DatasetSplits | None = None) -> ResolvedPlan:
    """Look up what the keys of `plan` name, and load its data. Raises `BadData`."""
    plan = replace(plan, backbone=backbones.pin_revision(plan.backbone))
    backbone = backbones.pick(plan.backbone)
    if plan.approach != "simple":
        backbone.check_downloaded()
    torch.manual_seed(plan.seed)
    if not data:
        dataset = datasets.get_dataset(plan.data)
        data = dataset.load_splits(plan.examples_per_class, plan.seed, plan.fixes)
    check_data(data, plan)
    trainable = backbone.resolve_trainable(plan.trainable, plan.approach)
    phases = build_phases(plan.approach, data.modality, trainable)
    if trainable == "all" and (backbone.image_px or 0) > backbones.MAX_THUMBNAIL_PX:
        phases = tuple(map(shrink_batches, phases))
    return ResolvedPlan(plan, data, backbone, phases, get_device())


def check_data(data: DatasetSplits, plan: Plan) -> None:
    """Raise `BadData` if a score would mean nothing."""
    present = len(np.unique(data.train.labels))
    if plan.approach == "none" and data.class_descriptions and plan.examples_per_class == 0:
        return
    if present < 2:
        raise BadData(
            f"{plan.data} has training examples of {present} class. To tell things apart a model "
            "needs at least two: add examples of another class."
        )


def run_stages(session: Session) -> Iterator[Event]:
    """Yield the events of all stages; those that a resumed run repeats as well."""
    yield from prepare(session)
    if session.plan.approach == "none":
        predictions = yield from predict_without_training(session)
        yield from report_test(session, predictions)
        return
    yield from train_phases(session)
    yield from calibrate(session)
    yield from run_test(session)
