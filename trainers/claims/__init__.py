"""The article's claims (guide/claims.py), as runs: which are made, what each leaves, and the
results that ship. Light: pages read this.

`thaw claims --write` makes results.json anew.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from guide.claims import CLAIMS
from trainers import datasets
from trainers.plan import BadPlan, Plan
from trainers.system.registry import look_up

HOLDS, PARTLY, FAILS, UNKNOWN = OUTCOMES = (
    "holds",
    "holds partly",
    "does not hold here",
    "cannot tell yet",
)


class Arm(NamedTuple):
    """One of the ways that are held against each other."""

    approach: str
    examples_per_class: int
    seconds: float  # its budget
    trainable: str = "auto"


class Comparison(NamedTuple):
    """Ways held against each other on one data set; with each seed another choice of examples."""

    data: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = (0, 1)


def _make_comparisons(data: str, *arms: Arm) -> tuple[Comparison, ...]:
    return tuple(Comparison(key, arms) for key in data.split())


# Budgets are ceilings. Few and small runs, since somebody waits: sizes, seeds and seconds are ours.
# The first arm of two is the one that the claim speaks for.
EXPERIMENTS: Mapping[str, tuple[Comparison, ...]] = {
    # Transfer learning goes first: what a process sets up once counts against it. From scratch gets
    # the time of the README's table: with half of it digits were still at 22 % (there: 94), and any
    # saving looks large.
    "training-time": tuple(
        Comparison(data, (Arm("transfer", 50, 12), Arm("scratch", 50, 30)), seeds)
        for data, seeds in (
            ("digits", (0, 1)),
            ("cells", (0, 1)),
            ("messages", (0,)),
            ("pydocs", (0,)),
        )
    ),
    "minimal-data": _make_comparisons(
        "cells messages finance triage", Arm("fine_tune", 10, 15, "lora"), Arm("none", 10, 12)
    ),
    "limited-data": _make_comparisons(
        "digits cells messages triage", Arm("transfer", 10, 12), Arm("fine_tune", 10, 15)
    ),
    "moderate-data": _make_comparisons(
        "digits cells messages triage", Arm("fine_tune", 50, 20), Arm("transfer", 50, 12)
    ),
    "compute": _make_comparisons(
        "digits messages", Arm("transfer", 50, 12), Arm("fine_tune", 50, 20)
    ),
    "specificity": _make_comparisons(
        "vehicles cells messages triage", Arm("fine_tune", 20, 15), Arm("transfer", 20, 12)
    ),
    "hybrid": (
        *_make_comparisons("vehicles cells", Arm("hybrid", 50, 20), Arm("fine_tune", 50, 20)),
        *_make_comparisons("messages", Arm("hybrid", 20, 20), Arm("fine_tune", 20, 20)),
    ),
    "few-shot": (
        *_make_comparisons("digits cells", Arm("none", 5, 12), Arm("simple", 50, 8)),
        *_make_comparisons(
            "messages triage", Arm("none", 0, 12), Arm("none", 5, 12), Arm("simple", 50, 8)
        ),
    ),
}


def list_comparisons(claim: str) -> tuple[Comparison, ...]:
    """The contests of a claim. Raises `UnknownKey`, naming one that exists."""
    return EXPERIMENTS[look_up(CLAIMS, claim, "claim").key]


def max_seconds(claim: str) -> float:
    """The seconds that its runs take at most, together."""
    return sum(
        arm.seconds * len(contest.seeds)
        for contest in list_comparisons(claim)
        for arm in contest.arms
    )


def build_plans(claim: str, seconds: float | None = None) -> list[Plan]:
    """The runs that test `claim`, those that are compared one after the other. With `seconds` for
    all together each gets the same share less; never more. Raises `BadPlan` and `UnknownKey`."""
    share = 1.0
    if seconds is not None:
        if seconds <= 0:
            raise BadPlan(f"The budget is {seconds:g} seconds. It must be above 0.")
        share = min(1.0, seconds / max_seconds(claim))
    given = [
        Plan(
            data=contest.data,
            approach=arm.approach,
            examples_per_class=arm.examples_per_class,
            seconds=arm.seconds * share,
            seed=seed,
            trainable=arm.trainable,
        )
        for contest in list_comparisons(claim)
        for seed in contest.seeds
        for arm in contest.arms
    ]
    # What needs no examples is the same every time.
    return [plan for plan in given if plan.examples_per_class or plan.seed == 0]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result of one run of an experiment, stored as JSON."""

    data: str
    approach: str
    per_class: int
    seed: int
    classes: int
    right: tuple[bool, ...]  # of each test example, in the order of the test
    seconds: float
    checks: int  # examples held out to see when to stop
    cut_short: bool = False  # with more time it might have come further
    first_seconds: float = 0.0  # until the first step: all examples looked at once
    # The looks at the checks that were better than all before: (seconds, share right).
    looks: tuple[tuple[float, float], ...] = ()

    def as_json(self) -> dict[str, Any]:
        right = "".join(str(int(one)) for one in self.right)
        return asdict(self) | {"right": right, "looks": [list(look) for look in self.looks]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunResult":
        right = tuple(one == "1" for one in data["right"])
        looks = tuple((seconds, share) for seconds, share in data["looks"])
        return replace(cls(**data), right=right, looks=looks)


class Verdict(NamedTuple):
    outcome: str  # of OUTCOMES
    text: str  # a sentence, then a line for each thing found
    numbers: dict[str, list[dict]]  # "scores" and "found": see judge.py


def dataset_title(data: str) -> str:
    """Return the title of a dataset of an experiment."""
    return datasets.get_dataset(data).title


RESULTS_PATH = Path(__file__).with_name("results.json")


def load_results() -> dict[str, dict]:
    """The results that come with Thaw: claim -> its `Judged` event as JSON, and "command"."""
    return json.loads(RESULTS_PATH.read_text(encoding="utf-8")) if RESULTS_PATH.exists() else {}


def save_result(result: dict) -> None:
    """Make `result` the one of its claim that comes with Thaw; the others stay."""
    every = load_results() | {result["claim"]: result}
    ordered = {key: every[key] for key in CLAIMS if key in every}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in ordered.items())
    RESULTS_PATH.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
