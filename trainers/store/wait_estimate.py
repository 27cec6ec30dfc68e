"""How long what waits will wait: by what such jobs took here of late, else by their budgets."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from trainers import jobs

RECENT_JOBS = 30  # jobs of late, of any sort. Ours


@dataclass(frozen=True)
class WaitEstimate:
    """How long a run would wait for a worker."""

    position: int  # runs that go first, those running included
    seconds: float  # about: reading data is not in a budget, and what went before is no promise


class TypicalDurations(NamedTuple):
    """What jobs took of late."""

    seconds: dict[tuple, float]  # of those with the same settings
    budget_fraction: dict[
        tuple, float
    ]  # of its budget that such a run used, with whatever settings


def workload_key(kind: str, plan: Mapping[str, Any]) -> tuple:
    """The same for jobs that should take as long: chance, and who asks, make no difference."""
    return kind, *(str(plan[name]) for name in sorted(plan) if name not in ("seed", "visitor"))


def _similar_workload_key(kind: str, plan: Mapping[str, Any]) -> tuple:
    return kind, plan.get("data"), plan.get("approach")


def estimate_durations(
    ended: Collection[Mapping[str, Any]], foretold: Collection[tuple[Mapping[str, Any], float]]
) -> TypicalDurations:
    """Of the rows of runs that `ended`; and where none with the same settings has, of those that
    run and have `foretold` their seconds."""
    took, shares = defaultdict(list), defaultdict(list)
    for row in ended:
        seconds = row["finished_at"] - row["started_at"]
        if seconds < 0:  # the clock was set back meanwhile
            continue
        took[workload_key(row["kind"], row["job"])].append(seconds)
        if told := budget_seconds(row):
            shares[_similar_workload_key(row["kind"], row["job"])].append(seconds / told)
    guessed = {workload_key(row["kind"], row["job"]): seconds for row, seconds in foretold}
    return TypicalDurations(
        guessed | {alike: median(some) for alike, some in took.items()},
        {near: median(some) for near, some in shares.items()},
    )


def estimate_waits(
    order: Sequence[Mapping[str, Any]],
    busy: Collection[Mapping[str, Any]],
    workers: int,
    known: TypicalDurations,
    now: float,
) -> dict[str | None, WaitEstimate]:
    """The wait of each row of `order`, the order in which `workers` take them when they are done
    with those that are `busy`. A row without a plan is only thought of, and the last."""
    passed = [max(0.0, now - row["started_at"]) for row in busy]  # clocks are set back
    each = zip(busy, passed, strict=True)
    left = sum(max(0.0, _estimate_seconds(row, known) - seconds) for row, seconds in each)
    found: dict[str | None, WaitEstimate] = {}
    for place, row in enumerate(order):
        free = not place and len(busy) < workers
        found[row["id"]] = (
            WaitEstimate(0, 0.0) if free else WaitEstimate(len(busy) + place, left / workers)
        )
        if "job" not in row:
            break
        left += _estimate_seconds(row, known)
    return found


def _estimate_seconds(row: Mapping[str, Any], known: TypicalDurations) -> float:
    """What the job will hold a worker for, about: never longer than its budget."""
    most = budget_seconds(row)
    if (alike := workload_key(row["kind"], row["job"])) in known.seconds:
        return min(most, known.seconds[alike])
    return most * min(
        1.0, known.budget_fraction.get(_similar_workload_key(row["kind"], row["job"]), 1.0)
    )


def budget_seconds(row: Mapping[str, Any]) -> float:
    """The most seconds that a job may hold a worker; `row` has its kind and its plan as JSON."""
    plan, told = row["job"], jobs.KINDS[row["kind"]].typical_seconds
    each = len(plan["approaches"]) if row["kind"] == "compare" else 1  # seconds of each
    return told or plan["seconds"] * each
