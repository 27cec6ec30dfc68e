"""How long what waits will wait: by what such jobs took here of late, else by their budgets."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from trainers import jobs

LOOKED_AT = 30  # jobs of late, of any sort. Ours


@dataclass(frozen=True)
class Wait:
    """How long a run would wait for a worker."""

    ahead: int  # runs that go first, those running included
    seconds: float  # about: reading data is not in a budget, and what went before is no promise


def like(kind: str, plan: Mapping[str, Any]) -> tuple:
    """The same for jobs that should take as long: chance, and who asks, make no difference."""
    return kind, *(str(plan[name]) for name in sorted(plan) if name not in ("seed", "visitor"))


def usual(
    ended: Collection[Mapping[str, Any]], foretold: Collection[tuple[Mapping[str, Any], float]]
) -> dict[tuple, float]:
    """Seconds that jobs alike took: the median of those `ended` (rows of runs), and where none has
    ended yet, what one that runs has `foretold`."""
    took = defaultdict(list)
    for row in ended:
        took[like(row["kind"], row["plan"])].append(row["ended"] - row["claimed"])
    guessed = {like(row["kind"], row["plan"]): seconds for row, seconds in foretold}
    return guessed | {alike: median(seconds) for alike, seconds in took.items()}


def waits(
    order: Sequence[Mapping[str, Any]],
    busy: Collection[Mapping[str, Any]],
    workers: int,
    known: Mapping[tuple, float],
    now: float,
) -> dict[str | None, Wait]:
    """The wait of each row of `order`, the order in which `workers` take them when they are done
    with those that are `busy`. A row without a plan is only thought of, and the last."""
    left = sum(max(0.0, _seconds(row, known) - (now - row["claimed"])) for row in busy)
    found: dict[str | None, Wait] = {}
    for place, row in enumerate(order):
        free = not place and len(busy) < workers
        found[row["id"]] = Wait(0, 0.0) if free else Wait(len(busy) + place, left / workers)
        if "plan" not in row:
            break
        left += _seconds(row, known)
    return found


def _seconds(row: Mapping[str, Any], known: Mapping[tuple, float]) -> float:
    """What the job takes at the most by its budget, or less where such jobs take less."""
    plan, told = row["plan"], jobs.KINDS[row["kind"]].seconds
    each = len(plan["approaches"]) if row["kind"] == "compare" else 1  # seconds of each
    most = told or plan["seconds"] * each
    return min(most, known.get(like(row["kind"], plan), most))
