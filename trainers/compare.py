"""Every approach on the same split, backbone and budget, one after another."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from guide import Answers, advise
from guide.questions import UNSURE
from trainers.engine.execute import execute
from trainers.events import (
    Answered,
    Cancelled,
    Compared,
    Event,
    Failed,
    Finished,
    LaneDone,
    LaneStarted,
    Stage,
)
from trainers.home import run_folder
from trainers.jobs import Comparison
from trainers.run import Shared, run
from trainers.store import Store, store
from trainers.verdict import judge

OURS = (LaneStarted, LaneDone, Stage, Compared, Cancelled)


def compare(
    job: Comparison, *, stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of a comparison; its runs are runs of their own, which tell theirs.

    `stop` ends the present run early, with a score, and starts no other. Raises `BadPlan`.
    """
    for event in lanes(job, stop=stop):
        if isinstance(event, OURS) and not isinstance(event, Stage):
            yield event


def lanes(job: Comparison, *, stop: Callable[[], bool]) -> Iterator[Event]:
    """The same, with the events of each run in its place: what a terminal shows."""
    began, runs, shared = time.monotonic(), store(), Shared()
    plans = job.plans()
    summaries: list[dict] = []
    failed: dict[str, str] = {}
    right: dict[str, list[bool]] = {}
    for lane, plan in enumerate(plans):
        if stop():
            break
        key = runs.start(plan, job.visitor, worker="comparison")
        yield LaneStarted(plan.approach, key, lane, len(plans), time.monotonic() - began)
        for event in _lane(runs, key, plan, shared, stop):
            yield event
            match event:
                case Answered():
                    pairs = zip(event.labels, event.answers, strict=True)
                    right[plan.approach] = [label == answer for label, answer in pairs]
                case Finished():
                    summaries.append(event.as_json() | {"run": key})
                case Failed():
                    failed[plan.approach] = event.text
                    right.pop(plan.approach, None)
                case Cancelled():
                    failed[plan.approach] = "cancelled"
                    right.pop(plan.approach, None)
        yield LaneDone(plan.approach, key, time.monotonic() - began)
    if not right:
        yield Cancelled(time.monotonic() - began)
        return
    verdict = judge(job.advised or job.advised_article, right)
    yield Compared(
        runs=summaries,
        failed=failed,
        advised_article=job.advised_article,
        advised=job.advised or job.advised_article,
        best=verdict.best,
        outcome=verdict.outcome,
        verdict=verdict.words,
        against_advised={key: found._asdict() for key, found in verdict.against_advised.items()},
        visible=verdict.visible,
        seconds=time.monotonic() - began,
    )


def _lane(
    runs: Store, key: str, plan, shared: Shared, stop: Callable[[], bool]
) -> Iterator[Event]:
    def runner(plan, *, stop: Callable[[], bool], folder: Path | None) -> Iterator[Event]:
        return run(plan, stop=lambda: stop() or whole(), folder=folder, shared=shared)

    whole = stop
    yield from execute(runs, key, plan, runner, run_folder(key))


def advised_by(answers: dict[str, str]) -> str:
    """What the article's rules say to these answers; "" where none was given."""
    given = Answers.of(answers)
    return advise(given).approach if any(one != UNSURE for one in asdict(given).values()) else ""


def with_advice(job: Comparison, answers: dict[str, str]) -> Comparison:
    return replace(job, advised_article=advised_by(answers))
