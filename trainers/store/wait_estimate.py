"""Estimate queue waiting times from recent durations, falling back to the budget.

Rows are those of `runs`, with at least "kind" and "job" (as JSON).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from trainers import jobs

RECENT_JOBS = 30  # finished jobs of any kind that count as recent


@dataclass(frozen=True)
class WaitEstimate:
    """How long a run would wait for a worker."""

    position: int  # runs served before it, including those running
    seconds: float  # approximate: reading data is not part of a budget


class TypicalDurations(NamedTuple):
    """Medians over recent jobs."""

    seconds: dict[tuple, float]  # by `workload_key`
    budget_fraction: dict[tuple, float]  # of the budget that was used, by data and approach


def workload_key(kind: str, job: Mapping[str, Any]) -> tuple:
    """Return a key that jobs of the same workload share; seed and visitor make no difference."""
    return kind, *(str(job[name]) for name in sorted(job) if name not in ("seed", "visitor"))


def _similar_workload_key(kind: str, job: Mapping[str, Any]) -> tuple:
    return kind, job.get("data"), job.get("approach")


def estimate_durations(
    finished: Collection[Mapping[str, Any]], running: Collection[tuple[Mapping[str, Any], float]]
) -> TypicalDurations:
    """Return the typical durations of `finished` rows.

    `running` rows with the seconds that they estimated stand in where none has finished.
    """
    durations, fractions = defaultdict(list), defaultdict(list)
    for row in finished:
        seconds = row["finished_at"] - row["started_at"]
        if seconds < 0:  # the clock was set back meanwhile
            continue
        durations[workload_key(row["kind"], row["job"])].append(seconds)
        if budget := budget_seconds(row):
            fractions[_similar_workload_key(row["kind"], row["job"])].append(seconds / budget)
    estimated = {workload_key(row["kind"], row["job"]): seconds for row, seconds in running}
    return TypicalDurations(
        estimated | {key: median(values) for key, values in durations.items()},
        {key: median(values) for key, values in fractions.items()},
    )


def estimate_waits(
    order: Sequence[Mapping[str, Any]],
    busy: Collection[Mapping[str, Any]],
    workers: int,
    durations: TypicalDurations,
    now: float,
) -> dict[str | None, WaitEstimate]:
    """Return the wait of each row of `order` by its id.

    `order` is the order in which the workers serve the rows once they are done with the `busy`
    ones. A row without a job stands for a run that is not queued yet; it must be the last.
    """
    elapsed = [max(0.0, now - row["started_at"]) for row in busy]  # clocks are set back
    left = sum(
        max(0.0, _estimate_seconds(row, durations) - seconds)
        for row, seconds in zip(busy, elapsed, strict=True)
    )
    waits: dict[str | None, WaitEstimate] = {}
    for position, row in enumerate(order):
        if position == 0 and len(busy) < workers:
            waits[row["id"]] = WaitEstimate(0, 0.0)
        else:
            waits[row["id"]] = WaitEstimate(len(busy) + position, left / workers)
        if "job" not in row:
            break
        left += _estimate_seconds(row, durations)
    return waits


def _estimate_seconds(row: Mapping[str, Any], durations: TypicalDurations) -> float:
    """Return about how long the job will hold a worker: never longer than its budget."""
    budget = budget_seconds(row)
    key = workload_key(row["kind"], row["job"])
    if key in durations.seconds:
        return min(budget, durations.seconds[key])
    similar = _similar_workload_key(row["kind"], row["job"])
    return budget * min(1.0, durations.budget_fraction.get(similar, 1.0))


def budget_seconds(row: Mapping[str, Any]) -> float:
    """Return the most seconds that a job may hold a worker."""
    job, typical = row["job"], jobs.KINDS[row["kind"]].typical_seconds
    runs = len(job["approaches"]) if row["kind"] == "compare" else 1
    return typical or job["seconds"] * runs
