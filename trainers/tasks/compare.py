"""Every approach on the same split, backbone and budget: one after another, or on a cluster."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from guide import Answers, advise
from trainers import backbones, datasets
from trainers.data_checks import answers
from trainers.data_checks.specificity import MAX_EXAMPLES, answer_specificity
from trainers.datasets import DatasetSplits, uploads
from trainers.evaluation.verdict import judge
from trainers.events import (
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    Event,
    JobCancelled,
    JobFailed,
    PilotDone,
    PredictionsRecorded,
    RunFinished,
    Stage,
)
from trainers.jobs import Comparison
from trainers.networks.encoder import get_device
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.reports.wrong_advice import explain_wrong_advice
from trainers.store import get_store
from trainers.store.engine import retry
from trainers.system.paths import run_dir
from trainers.tasks import timing
from trainers.tasks.pilot import run_pilot
from trainers.training.features import ComputationCache
from trainers.training.frozen_features import extract_frozen_features
from trainers.workers.execute import execute
from trainers.workers.executor import get_executor

FEATURE_SECONDS = 3.0
PREPARATION_STAGES = ("answers", "trial")  # stages before the first run
COMPARISON_EVENTS = (PilotDone, ComparisonRunStarted, ComparisonRunDone, ComparisonDone)


def compare(
    job: Comparison, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of a comparison; its runs are runs of their own, which tell theirs.

    `stop` ends the present run early, with a score, and starts no other. Raises `BadPlan`.
    """
    yield from filter(
        is_comparison_event, run_lanes(job, should_stop=should_stop, part_of=folder and folder.name)
    )


def is_comparison_event(event: Event | None) -> bool:
    """Whether `event` is the comparison's, not one of its runs'; so is None, from a cluster."""
    if isinstance(event, Stage):
        return event.key in PREPARATION_STAGES
    return event is None or isinstance(event, COMPARISON_EVENTS)


def run_lanes(
    job: Comparison, *, should_stop: Callable[[], bool], part_of: str | None = None
) -> Iterator[Event]:
    """The same, with the events of each run in its place: what a terminal shows. `part_of`: the
    comparison's id, where it has one. Without a run to compare there is no last word."""
    began, shared, plans, runs = time.monotonic(), ComputationCache(), job.make_plans(), get_store()
    # Who they are is nobody's business where it is prepared: it may be another computer.
    before = yield from get_executor().submit(
        prepare_comparison, replace(job, visitor=""), should_stop=should_stop
    )
    job, given = replace(before.job, visitor=job.visitor), before.given
    known, tried = before.known, before.tried
    summaries: list[dict] = []
    failed: dict[str, str] = {}
    right: dict[str, list[bool]] = {}
    keys: dict[str, str] = {}

    def lane(number: int, plan: Plan) -> Iterator[Event]:
        if should_stop():
            return
        begin = partial(runs.enqueue, plan, job.visitor, worker="comparison", part_of=part_of)
        key = retry(begin)
        yield ComparisonRunStarted(plan.approach, key, number, len(plans), time.monotonic() - began)
        runner = partial(_run_lane, whole=should_stop, shared=shared)
        yield from execute(runs, key, plan, runner, run_dir(key))
        yield ComparisonRunDone(plan.approach, key, time.monotonic() - began)

    for told in get_executor().map_streams([partial(lane, *given) for given in enumerate(plans)]):
        number, event = told or (0, None)
        yield event
        approach = plans[number].approach
        match event:
            case ComparisonRunStarted():
                keys[approach] = event.run_id
            case PredictionsRecorded():
                pairs = zip(event.labels, event.predictions, strict=True)
                right[approach] = [label == answer for label, answer in pairs]
            case RunFinished():
                summaries.append(event.as_json() | {"run": keys[approach]})
            case JobFailed():
                failed[approach] = event.text
                right.pop(approach, None)
            case JobCancelled():
                failed[approach] = "cancelled"
                right.pop(approach, None)
    if not right:
        return
    advised = job.advice or job.article_advice
    verdict, article = judge(advised, right), judge(job.article_advice, right)
    why = explain_wrong_advice(
        verdict,
        article,
        advised=advised,
        article_advice=job.article_advice,
        answers=given,
        measured={key: one.answer for key, one in known.items()},
        says={key: one.evidence["says"] for key, one in known.items()},
        tried=tried,
    )
    order = [plan.approach for plan in plans]
    yield ComparisonDone(
        runs=sorted(summaries, key=lambda one: order.index(one["approach"])),
        failures=failed,
        article_advice=job.article_advice,
        advice=advised,
        best_approach=verdict.best,
        outcome=verdict.outcome,
        verdict=verdict.words,
        differences_to_advice={
            key: found._asdict() for key, found in verdict.against_advised.items()
        },
        detectable_difference=verdict.detectable_difference,
        seconds=time.monotonic() - began,
        required_test_size=verdict.required_test_size,
        answers=given,
        answers_source="visitor" if job.answers else "data" if given else "",
        measured_answers={
            key: {"answer": one.answer, "says": one.evidence["says"]} for key, one in known.items()
        },
        article_outcome=article.outcome,
        diagnosis=why.diagnosis,
        diagnosis_text=why.reason,
        next_steps=why.next_steps,
    )


def _run_lane(
    plan: Plan,
    *,
    should_stop: Callable[[], bool],
    folder: Path,
    whole: Callable[[], bool],
    shared: ComputationCache,
) -> Iterator[Event | None]:
    """A run that also ends when the `whole` does."""
    return get_executor().run(
        plan, should_stop=lambda: should_stop() or whole(), cache=shared, folder=folder
    )


@dataclass(frozen=True)
class Preparation:
    """What is known before the runs."""

    job: Comparison  # with what is advised
    guide_answers: dict[str, str] = field(default_factory=dict)  # answers that the rules went by
    measured_answers: dict[str, answers.Answer] = field(default_factory=dict)  # as measured
    pilot_examples: int = 0  # left-out examples of the trial


def prepare_comparison(
    job: Comparison, *, should_stop: Callable[[], bool]
) -> Generator[Event, None, Preparation]:
    """The answers to the guide's questions and the trial, where they are wanted."""
    began = time.monotonic()
    known: dict[str, answers.Answer] = {}
    given: dict[str, str] = {}
    data = datasets.get_dataset(job.data).load_splits(job.examples_per_class, job.seed, job.fixes)
    if not job.article_advice:
        yield Stage("answers", "Answering the guide's questions from the data", 0.0)
        known = infer_answers(data, job.seconds)
        given = job.answers or {key: one.answer for key, one in known.items()}
        known |= load_data_quality(job)
        job = replace(job, article_advice=advise(Answers.from_mapping(given)).approach)
    if job.advice or not job.pilot_seconds:
        return Preparation(job, given, known)
    plan = job.make_plans()[0]
    tried = yield from run_pilot(
        plan, data, job.article_advice, seconds=job.pilot_seconds, should_stop=should_stop
    )
    asked = min(map(len, tried.right.values()))
    yield PilotDone(
        correct={key: sum(right) for key, right in tried.right.items()},
        validation_examples=asked,
        article_advice=tried.rule_advice,
        advice=tried.recommended,
        summary=tried.words,
        seconds=time.monotonic() - began,
    )
    return Preparation(replace(job, advice=tried.recommended), given, known, asked)


def infer_answer_keys(data: DatasetSplits, seconds: float) -> dict[str, str]:
    """The answers of `answered`, without what they rest on."""
    return {key: one.answer for key, one in infer_answers(data, seconds).items()}


def infer_answers(data: DatasetSplits, seconds: float) -> dict[str, answers.Answer]:
    """The guide's answers as far as a few seconds tell them: how many examples, how special the
    task is to the bundled backbone, and what the budget amounts to."""
    row = backbones.get_bundled(data.modality)
    inputs = data.train.inputs[:MAX_EXAMPLES]
    looking = extract_frozen_features(
        shared_encoder(row.key).to(get_device()), inputs, seconds=FEATURE_SECONDS
    )
    features = _drain(looking) if len(inputs) else np.empty((0, row.width), np.float32)
    return {
        "modality": answers.answer_modality(data),
        "data_volume": answers.answer_data_volume(data),
        "specificity": answer_specificity(data, features, datasets.compute_facts(data)),
        "compute": timing.answer_compute(seconds, get_device().type, {}),
    }


def load_data_quality(job: Comparison) -> dict[str, answers.Answer]:
    """How clean data of one's own is, where it was looked over and is used as it is."""
    own_data = isinstance(datasets.get_dataset(job.data), uploads.UploadedDataset) and not job.fixes
    if not own_data or not (found := uploads.load_check(job.data)):
        return {}
    key = "data_quality"
    return {key: answers.Answer(found["answers"][key], found["evidence"][key])}


def _drain(stream: Generator[Event, None, Any]) -> Any:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value
