"""Test one of the article's claims: run its experiment, then judge the results."""

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

PROGRESS_SECONDS = 0.5  # a worker notices Cancel between two events
VERSIONED_PACKAGES = ("thaw-guide", "torch", "transformers", "peft")


def run_claim(
    job: ClaimTest, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Yield the events of a claim's experiment; the last is `ClaimTestDone`.

    Its runs are not stored. `should_stop` ends the experiment with the runs that are complete, or
    with `JobCancelled` if there are none. Raises `UnknownKey`, `BadPlan`, and what a run raises.
    """
    started_at, results = time.monotonic(), []
    plans = build_plans(job.key, job.seconds)
    for index, plan in enumerate(plans):
        if should_stop():
            break
        facts = {
            "data": plan.data,
            "approach": plan.approach,
            "examples_per_class": plan.examples_per_class,
            "seed": plan.seed,
            "index": index,
            "total": len(plans),
        }
        yield ClaimRunStarted(**facts, seconds=time.monotonic() - started_at)
        events, progress_at = [], time.monotonic()
        for event in run(plan, should_stop=should_stop):
            events.append(event)
            if time.monotonic() - progress_at > PROGRESS_SECONDS:
                progress_at = time.monotonic()
                yield Progress(index, len(plans), progress_at - started_at, "runs")
        if events[-1].stopped_by_user:
            break
        results.append(summarise_run(plan, events))
        correct = results[-1].right
        yield ClaimRunDone(
            **facts,
            correct=sum(correct),
            test_examples=len(correct),
            seconds=time.monotonic() - started_at,
        )
    if not results:
        yield JobCancelled(time.monotonic() - started_at)
        return
    verdict = judge(job.key, results)
    yield ClaimTestDone(
        claim=job.key,
        outcome=verdict.outcome,
        summary=verdict.text,
        numbers=verdict.numbers,
        runs=[result.as_json() for result in results],
        is_complete=len(results) == len(plans),
        budget_seconds=job.seconds,
        machine=describe_machine(),
        versions=package_versions(),
        date=datetime.now(UTC).date().isoformat(),
        seconds=time.monotonic() - started_at,
    )


def summarise_run(plan: Plan, events: list[Event]) -> RunResult:
    """Return what the judge needs of a finished run.

    The line "without training" is computed for the visitor only, so its time is subtracted.
    """
    facts, curve = {}, []  # curve: (seconds, accuracy) of each new best validation
    previous_seconds = baseline_seconds = first_phase_seconds = 0.0
    for event in events:
        match event:
            case RunStarted():
                facts = {"classes": len(event.classes), "checks": event.validation_examples}
            case Baseline():
                baseline_seconds = event.seconds - previous_seconds
            case PhaseStarted() if not first_phase_seconds:
                first_phase_seconds = event.seconds - baseline_seconds
            case ValidationDone() if not curve or event.accuracy > curve[-1][1]:
                curve.append((round(event.seconds - baseline_seconds, 3), event.accuracy))
            case PhaseDone():
                facts["cut_short"] = not event.has_converged
            case PredictionsRecorded():
                pairs = zip(event.labels, event.predictions, strict=True)
                facts["right"] = tuple(label == prediction for label, prediction in pairs)
            case RunFinished():
                facts["seconds"] = round(event.seconds, 3)
        previous_seconds = getattr(event, "seconds", previous_seconds)
    return RunResult(
        data=plan.data,
        approach=plan.approach,
        per_class=plan.examples_per_class,
        seed=plan.seed,
        first_seconds=round(first_phase_seconds, 3),
        looks=tuple(curve),
        **facts,
    )


def describe_machine() -> str:
    """Return this computer in a line: processor, cores, device, operating system."""
    cores = usable = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on every system; fewer if the process is pinned
        usable = len(os.sched_getaffinity(0))
    text = f"{cores} cores" if usable == cores else f"{usable} of {cores} cores"
    return f"{_cpu_name()}, {text}, {get_device().type}, {platform.system()}"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a result."""
    versions = {"python": platform.python_version()}
    for name in VERSIONED_PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a folder without installing
            continue
    return versions
