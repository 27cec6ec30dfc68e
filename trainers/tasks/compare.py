"""Compare approaches on the same split, with the same backbone and budget for each."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

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
from trainers.system.streams import drain
from trainers.tasks import timing
from trainers.tasks.pilot import run_pilot
from trainers.training.features import ComputationCache
from trainers.training.frozen_features import extract_frozen_features
from trainers.workers.execute import execute
from trainers.workers.executor import get_executor

FEATURE_SECONDS = 3.0  # for measuring how specialized the task is
PREPARATION_STAGES = ("answers", "trial")  # stages before the first run
COMPARISON_EVENTS = (PilotDone, ComparisonRunStarted, ComparisonRunDone, ComparisonDone)


def compare(
    job: Comparison, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Yield the events of a comparison. Its runs are runs of their own, with their own events.

    `should_stop` ends the run in progress early, with a score, and starts no other.
    Raises `BadPlan`.
    """
    parent_id = folder.name if folder else None
    yield from filter(
        is_comparison_event, run_lanes(job, should_stop=should_stop, parent_id=parent_id)
    )


def is_comparison_event(event: Event | None) -> bool:
    """Return whether `event` belongs to the comparison and not to one of its runs.

    So does None, which an executor yields when there is no news.
    """
    if isinstance(event, Stage):
        return event.key in PREPARATION_STAGES
    return event is None or isinstance(event, COMPARISON_EVENTS)


def run_lanes(
    job: Comparison, *, should_stop: Callable[[], bool], parent_id: str | None = None
) -> Iterator[Event]:
    """Yield the events of a comparison and, between them, those of its runs.

    `parent_id` is the comparison's own id, if it has one. Without a single finished run there is
    no `ComparisonDone`.
    """
    started_at = time.monotonic()
    cache, store, plans = ComputationCache(), get_store(), job.make_plans()

    def run_lane(index: int, plan: Plan) -> Iterator[Event]:
        if should_stop():
            return
        enqueue = partial(
            store.enqueue, plan, job.visitor, worker="comparison", parent_id=parent_id
        )
        run_id = retry(enqueue)
        elapsed = time.monotonic() - started_at
        yield ComparisonRunStarted(plan.approach, run_id, index, len(plans), elapsed)
        runner = partial(_run_plan, stop_all=should_stop, cache=cache)
        yield from execute(store, run_id, plan, runner, run_dir(run_id))
        yield ComparisonRunDone(plan.approach, run_id, time.monotonic() - started_at)

    # The visitor's id is removed: preparing may happen on another computer.
    preparation = yield from get_executor().submit(
        prepare_comparison, replace(job, visitor=""), should_stop=should_stop
    )
    outcomes = _Outcomes()
    lanes = [partial(run_lane, index, plan) for index, plan in enumerate(plans)]
    for item in get_executor().map_streams(lanes):
        index, event = item or (0, None)
        yield event
        outcomes.add(plans[index].approach, event)
    if outcomes.correct:
        order = [plan.approach for plan in plans]
        yield _conclude(preparation, outcomes, order, time.monotonic() - started_at)


def _run_plan(
    plan: Plan,
    *,
    should_stop: Callable[[], bool],
    folder: Path,
    stop_all: Callable[[], bool],
    cache: ComputationCache,
) -> Iterator[Event | None]:
    """Run one plan; it also stops when the whole comparison is stopped."""
    return get_executor().run(
        plan, should_stop=lambda: should_stop() or stop_all(), cache=cache, folder=folder
    )


@dataclass
class _Outcomes:
    """The outcomes of a comparison's runs, by approach."""

    run_ids: dict[str, str] = field(default_factory=dict)
    summaries: dict[str, dict] = field(default_factory=dict)  # `RunFinished` as JSON, with "run"
    correct: dict[str, list[bool]] = field(default_factory=dict)  # one per test example
    failures: dict[str, str] = field(default_factory=dict)  # the reason

    def add(self, approach: str, event: Event | None) -> None:
        match event:
            case ComparisonRunStarted():
                self.run_ids[approach] = event.run_id
            case PredictionsRecorded():
                pairs = zip(event.labels, event.predictions, strict=True)
                self.correct[approach] = [label == prediction for label, prediction in pairs]
            case RunFinished():
                self.summaries[approach] = event.as_json() | {"run": self.run_ids[approach]}
            case JobFailed():
                self._fail(approach, event.text)
            case JobCancelled():
                self._fail(approach, "cancelled")

    def _fail(self, approach: str, reason: str) -> None:
        self.failures[approach] = reason
        self.correct.pop(approach, None)


@dataclass(frozen=True)
class Preparation:
    """What is known before the runs start."""

    job: Comparison  # with its advice filled in
    guide_answers: dict[str, str] = field(default_factory=dict)  # that the rules used
    measured_answers: dict[str, answers.Answer] = field(default_factory=dict)  # from the data
    pilot_examples: int = 0  # validation examples of the pilot run


def _conclude(
    preparation: Preparation, outcomes: _Outcomes, order: list[str], seconds: float
) -> ComparisonDone:
    """Return the verdict on the advice; `order` is that of the approaches."""
    job, measured = preparation.job, preparation.measured_answers
    advice = job.advice or job.article_advice
    verdict = judge(advice, outcomes.correct)
    article_verdict = judge(job.article_advice, outcomes.correct)
    evidence = {key: answer.evidence["says"] for key, answer in measured.items()}
    explanation = explain_wrong_advice(
        verdict,
        article_verdict,
        advised=advice,
        advised_article=job.article_advice,
        answers=preparation.guide_answers,
        measured={key: answer.answer for key, answer in measured.items()},
        says=evidence,
        tried=preparation.pilot_examples,
    )
    source = "data" if preparation.guide_answers else ""
    return ComparisonDone(
        runs=[outcomes.summaries[key] for key in order if key in outcomes.summaries],
        failures=outcomes.failures,
        article_advice=job.article_advice,
        advice=advice,
        best_approach=verdict.best,
        outcome=verdict.outcome,
        verdict=verdict.words,
        differences_to_advice={
            key: difference._asdict() for key, difference in verdict.against_advised.items()
        },
        detectable_difference=verdict.detectable_difference,
        seconds=seconds,
        required_test_size=verdict.required_test_size,
        answers=preparation.guide_answers,
        answers_source="visitor" if job.answers else source,
        measured_answers={
            key: {"answer": answer.answer, "says": evidence[key]}
            for key, answer in measured.items()
        },
        article_outcome=article_verdict.outcome,
        diagnosis=explanation.diagnosis,
        diagnosis_text=explanation.reason,
        next_steps=explanation.next_steps,
    )


# --- before the runs -----------------------------------------------------------------------------


def prepare_comparison(
    job: Comparison, *, should_stop: Callable[[], bool]
) -> Generator[Event, None, Preparation]:
    """Answer the guide's questions from the data and do a pilot run, if the job asks for them."""
    started_at = time.monotonic()
    measured: dict[str, answers.Answer] = {}
    guide_answers: dict[str, str] = {}
    data = datasets.get_dataset(job.data).load_splits(job.examples_per_class, job.seed, job.fixes)
    if not job.article_advice:
        yield Stage("answers", "Answering the guide's questions from the data", 0.0)
        measured = infer_answers(data, job.seconds)
        guide_answers = job.answers or {key: answer.answer for key, answer in measured.items()}
        measured |= load_data_quality(job)
        job = replace(job, article_advice=advise(Answers.from_mapping(guide_answers)).approach)
    if job.advice or not job.pilot_seconds:
        return Preparation(job, guide_answers, measured)
    pilot = yield from run_pilot(
        job.make_plans()[0],
        data,
        job.article_advice,
        seconds=job.pilot_seconds,
        should_stop=should_stop,
    )
    yield PilotDone(
        correct={key: sum(correct) for key, correct in pilot.correct.items()},
        validation_examples=pilot.validation_examples,
        article_advice=pilot.rule_advice,
        advice=pilot.recommended,
        summary=pilot.summary,
        seconds=time.monotonic() - started_at,
    )
    job = replace(job, advice=pilot.recommended)
    return Preparation(job, guide_answers, measured, pilot.validation_examples)


def infer_answers(data: DatasetSplits, seconds: float) -> dict[str, answers.Answer]:
    """Return the guide's answers as far as the data and a few seconds of measuring give them.

    They say how many examples there are, how specialized the task is for the bundled backbone, and
    what a budget of `seconds` amounts to.
    """
    backbone = backbones.get_bundled(data.modality)
    inputs = data.train.inputs[:MAX_EXAMPLES]
    if len(inputs):
        encoder = shared_encoder(backbone.key).to(get_device())
        features = drain(extract_frozen_features(encoder, inputs, seconds=FEATURE_SECONDS))
        features = encoder.keep_last_layer(features)
    else:
        features = np.empty((0, backbone.width), np.float32)
    return {
        "modality": answers.answer_modality(data),
        "data_volume": answers.answer_data_volume(data),
        "specificity": answer_specificity(data, features, datasets.compute_facts(data)),
        "compute": timing.answer_compute(seconds, get_device().type, {}),
    }


def load_data_quality(job: Comparison) -> dict[str, answers.Answer]:
    """Return how clean uploaded data is, if it was checked and is used without fixes; else {}."""
    is_upload = isinstance(datasets.get_dataset(job.data), uploads.UploadedDataset)
    if not is_upload or job.fixes or not (check := uploads.load_check(job.data)):
        return {}
    key = "data_quality"
    return {key: answers.Answer(check["answers"][key], check["evidence"][key])}
