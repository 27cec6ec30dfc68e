"""How long what waits will wait: by what such jobs took here of late, else by their budgets."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from trainers import jobs

LOOKED_AT = 30  # jobs of late, of any sort. Ours


@dataclass(frozen=True)
class Wait:
    """How long a run would wait for a worker."""

    ahead: int  # runs that go first, those running included
    seconds: float  # about: reading data is not in a budget, and what went before is no promise


class Usual(NamedTuple):
    """What jobs took of late."""

    seconds: dict[tuple, float]  # of those with the same settings
    share: dict[tuple, float]  # of its budget that such a run used, with whatever settings


def like(kind: str, plan: Mapping[str, Any]) -> tuple:
    """The same for jobs that should take as long: chance, and who asks, make no difference."""
    return kind, *(str(plan[name]) for name in sorted(plan) if name not in ("seed", "visitor"))


def _near(kind: str, plan: Mapping[str, Any]) -> tuple:
    return kind, plan.get("data"), plan.get("approach")


def usual(
    ended: Collection[Mapping[str, Any]], foretold: Collection[tuple[Mapping[str, Any], float]]
) -> Usual:
    """Of the rows of runs that `ended`; and where none with the same settings has, of those that
    run and have `foretold` their seconds."""
    took, shares = defaultdict(list), defaultdict(list)
    for row in ended:
        seconds = row["ended"] - row["claimed"]
        if seconds < 0:  # the clock was set back meanwhile
            continue
        took[like(row["kind"], row["plan"])].append(seconds)
        if told := budget(row):
            shares[_near(row["kind"], row["plan"])].append(seconds / told)
    guessed = {like(row["kind"], row["plan"]): seconds for row, seconds in foretold}
    return Usual(
        guessed | {alike: median(some) for alike, some in took.items()},
        {near: median(some) for near, some in shares.items()},
    )


def waits(
    order: Sequence[Mapping[str, Any]],
    busy: Collection[Mapping[str, Any]],
    workers: int,
    known: Usual,
    now: float,
) -> dict[str | None, Wait]:
    """The wait of each row of `order`, the order in which `workers` take them when they are done
    with those that are `busy`. A row without a plan is only thought of, and the last."""
    passed = [max(0.0, now - row["claimed"]) for row in busy]  # clocks are set back
    each = zip(busy, passed, strict=True)
    left = sum(max(0.0, _seconds(row, known) - seconds) for row, seconds in each)
    found: dict[str | None, Wait] = {}
    for place, row in enumerate(order):
        free = not place and len(busy) < workers
        found[row["id"]] = Wait(0, 0.0) if free else Wait(len(busy) + place, left / workers)
        if "plan" not in row:
            break
        left += _seconds(row, known)
    return found


def _seconds(row: Mapping[str, Any], known: Usual) -> float:
    """What the job will hold a worker for, about: never longer than its budget."""
    most = budget(row)
    if (alike := like(row["kind"], row["plan"])) in known.seconds:
        return min(most, known.seconds[alike])
    return most * min(1.0, known.share.get(_near(row["kind"], row["plan"]), 1.0))


def budget(row: Mapping[str, Any]) -> float:
    """The most seconds that a job may hold a worker; `row` has its kind and its plan as JSON."""
    plan, told = row["plan"], jobs.KINDS[row["kind"]].seconds
    each = len(plan["approaches"]) if row["kind"] == "compare" else 1  # seconds of each
    return told or plan["seconds"] * each
