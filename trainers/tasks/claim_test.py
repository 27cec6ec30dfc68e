"""A claim, tested: the runs of its experiment one after the other, then the verdict."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trainers.claims import RunResult, build_plans
from trainers.claims.judge import judge
from trainers.events import (
    Baseline,
    ClaimRunDone,
    ClaimRunStarted,
    ClaimTestDone,
    Event,
    JobCancelled,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunStarted,
    ValidationDone,
)
from trainers.jobs import ClaimTest
from trainers.networks.encoder import get_device
from trainers.plan import Plan
from trainers.training.run import run

PROGRESS_SECONDS = 0.5
VERSIONED_PACKAGES = ("thaw", "torch", "transformers", "peft")


def run_claim(
    job: ClaimTest, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of a claim's experiment; the last is `Judged`. Its runs are kept nowhere else.

    `stop` ends it with what was measured whole; `Cancelled`, where that is nothing. Raises
    `UnknownKey`, `BadPlan`, and what a run raises.
    """
    began, results = time.monotonic(), []
    to_run = build_plans(job.key, job.seconds)
    for number, plan in enumerate(to_run):
        if should_stop():
            break
        facts = {"data": plan.data, "approach": plan.approach, "per_class": plan.examples_per_class}
        facts |= {"seed": plan.seed, "number": number, "total": len(to_run)}
        yield ClaimRunStarted(**facts, seconds=time.monotonic() - began)
        events, told = [], time.monotonic()
        for event in run(plan, should_stop=should_stop):
            events.append(event)
            if time.monotonic() - told > PROGRESS_SECONDS:  # between events a worker hears Cancel
                told = time.monotonic()
                yield Progress(number, len(to_run), told - began, "runs")
        if events[-1].stopped:
            break
        results.append(summarise_run(plan, events))
        right = results[-1].right
        yield ClaimRunDone(
            **facts, correct=sum(right), test_examples=len(right), seconds=time.monotonic() - began
        )
    if not results:
        yield JobCancelled(time.monotonic() - began)
        return
    verdict = judge(job.key, results)
    yield ClaimTestDone(
        claim=job.key,
        outcome=verdict.outcome,
        summary=verdict.text,
        numbers=verdict.numbers,
        runs=[one.as_json() for one in results],
        is_complete=len(results) == len(to_run),
        budget_seconds=job.seconds,
        machine=describe_machine(),
        versions=package_versions(),
        date=datetime.now(UTC).date().isoformat(),
        seconds=time.monotonic() - began,
    )


def summarise_run(plan: Plan, events: list[Event]) -> RunResult:
    """What a finished run leaves. The line "without training" is drawn for the visitor: its time
    is no part of any approach's, so the looks are set back by it."""
    facts, looks, before, drawing, first = {}, [], 0.0, 0.0, 0.0
    for event in events:
        match event:
            case RunStarted():
                facts = {"classes": len(event.classes), "checks": event.validation_examples}
            case Baseline():
                drawing = event.seconds - before
            case PhaseStarted() if not first:
                first = event.seconds - drawing
            case ValidationDone() if not looks or event.accuracy > looks[-1][1]:
                looks.append((round(event.seconds - drawing, 3), event.accuracy))
            case PhaseDone():
                facts["cut_short"] = not event.has_converged
            case PredictionsRecorded():
                pairs = zip(event.labels, event.predictions, strict=True)
                facts["right"] = tuple(label == answer for label, answer in pairs)
            case RunFinished():
                facts["seconds"] = round(event.seconds, 3)
        before = event.seconds if hasattr(event, "seconds") else before
    return RunResult(
        data=plan.data,
        approach=plan.approach,
        per_class=plan.examples_per_class,
        seed=plan.seed,
        first_seconds=round(first, 3),
        looks=tuple(looks),
        **facts,
    )


def describe_machine() -> str:
    """The computer in a line: its processor, cores, and what trains."""
    cores = usable = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on every system; fewer, where it was pinned
        usable = len(os.sched_getaffinity(0))
    told = f"{cores} cores" if usable == cores else f"{usable} of {cores} cores"
    return f"{_cpu_name()}, {told}, {get_device().type}, {platform.system()}"


def _cpu_name() -> str:
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Of Python, and of what learns."""
    found = {"python": platform.python_version()}
    for name in VERSIONED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a folder, never installed
            continue
    return found
