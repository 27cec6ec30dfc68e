"""How good is the advice? Every approach on many data sets, and what following it would have cost.

A cell is a data set at a volume and a seed. Its result is written as soon as it is there, so that
a bench that was cut off goes on where it was.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from guide import Answers, advise
from guide.approaches import APPROACHES
from trainers import datasets
from trainers.evaluation.metrics import paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import Answered, Finished
from trainers.plan import Plan
from trainers.system.atomic import write_text
from trainers.system.paths import home
from trainers.tasks.compare import measured
from trainers.tasks.executor import pool
from trainers.tasks.pilot import trial
from trainers.training.features import Shared
from trainers.training.run import BadData, never, run

NEAR = 0.01  # of the best, in shares: as good
FULL = {"volumes": (5, 20, 100), "seeds": (0, 1, 2), "seconds": 60.0}  # the grid on request
# What CS231n's notes say: a linear head on few examples, else fine-tuning. (Its third advice for
# few and unlike ones, a head on earlier layers, is none of our approaches.)
CS231N = {"limited": "transfer", "moderate": "fine_tune", "large": "fine_tune"}


@dataclass(frozen=True)
class Cell:
    """One data set at one volume and seed, and all that was found."""

    data: str
    title: str
    per_class: int
    seed: int
    seconds: float  # budget of each run
    trial_seconds: float
    answers: dict[str, str]
    article: str  # advised by the article's rules
    trusted: str  # ... and after the trial
    trial_took: float
    right: dict[str, list[int]]  # approach -> 1 for each test example that it had right
    took: dict[str, float]  # seconds
    tried: dict[str, list[int]] = field(default_factory=dict)  # `right`, in the trial

    @property
    def policies(self) -> dict[str, tuple[str, float]]:
        """Whose advice -> the approach, and what it costs in seconds."""
        advised = {
            "rules alone": (self.article, 0.0),
            "rules and trial": (self.trusted, self.trial_took),
            "CS231n": (CS231N.get(self.answers["data_volume"], "transfer"), 0.0),
        }
        advised |= {f"always {key}": (key, 0.0) for key in ADVISABLE}
        return {whose: (key, more + self.took[key]) for whose, (key, more) in advised.items()}

    def accuracy(self, approach: str) -> float:
        return mean(self.right[approach])

    @property
    def best(self) -> str:
        return max(ADVISABLE, key=lambda key: (self.accuracy(key), -self.took[key]))

    def regret(self, approach: str) -> float:
        """Share of the test that the best had right beyond this one: 0 or more."""
        return self.accuracy(self.best) - self.accuracy(approach)

    def as_good(self, approach: str) -> bool:
        """Within a point of the best, or inside the noise of the test."""
        behind = paired(self.right[self.best], self.right[approach])
        return self.regret(approach) <= NEAR or behind.low <= 0


def _place(data: str, per_class: int, seed: int, seconds: float, trial_seconds: float):
    name = f"{data}-{per_class}-{seed}-{seconds:g}-{trial_seconds:g}.json"
    return home() / "bench" / name


def _grid(keys: Sequence[str], volumes: Sequence[int], seeds: Sequence[int]) -> Iterator[tuple]:
    return ((key, per_class, seed) for key in keys for per_class in volumes for seed in seeds)


def known(
    keys: Sequence[str],
    *,
    volumes: Sequence[int],
    seeds: Sequence[int],
    seconds: float,
    trial_seconds: float,
) -> list[Cell]:
    """The cells of the grid that were measured on this computer."""
    places = [_place(*cell, seconds, trial_seconds) for cell in _grid(keys, volumes, seeds)]
    return [Cell(**json.loads(place.read_text("utf-8"))) for place in places if place.exists()]


def cells(
    keys: Sequence[str],
    *,
    volumes: Sequence[int],
    seeds: Sequence[int],
    seconds: float,
    trial_seconds: float,
) -> Iterator[str]:
    """Measures what is missing of the grid, and says so, a line a cell."""
    places = {cell: _place(*cell, seconds, trial_seconds) for cell in _grid(keys, volumes, seeds)}
    missing = [
        partial(_cell, place, *cell, seconds, trial_seconds)
        for cell, place in places.items()
        if not place.exists()
    ]
    for told in pool().together(missing):
        if told and told[1]:
            yield told[1]


def _cell(
    place: Path, key: str, per_class: int, seed: int, seconds: float, trial_seconds: float
) -> Iterator[str | None]:
    plan = Plan(data=key, approach="transfer", per_class=per_class, seed=seed, seconds=seconds)
    work = partial(measuring, trial_seconds=trial_seconds)
    try:
        cell = yield from pool().elsewhere(work, plan, stop=never)
    except BadData as error:
        yield str(error)
        return
    write_text(place, json.dumps(asdict(cell)))
    yield in_words(cell)


def measuring(
    plan: Plan, *, trial_seconds: float, stop: Callable[[], bool]
) -> Generator[None, None, Cell]:
    """`measure`, as a pool has it done: it tells nothing."""
    yield from ()
    return measure(plan.data, plan.per_class, plan.seed, plan.seconds, trial_seconds)


def measure(key: str, per_class: int, seed: int, seconds: float, trial_seconds: float) -> Cell:
    plan = Plan(data=key, approach="transfer", per_class=per_class, seed=seed, seconds=seconds)
    data = datasets.pick(key).data(per_class, seed)
    answers = measured(data, seconds)
    article = advise(Answers(**answers)).approach
    began = time.monotonic()
    stream = trial(plan, data, article, seconds=trial_seconds, stop=lambda: False)
    tried = _last(stream)
    trial_took = time.monotonic() - began
    right: dict[str, list[int]] = {}
    took: dict[str, float] = {}
    shared = Shared()
    for approach in ADVISABLE:
        own = Plan(data=key, approach=approach, per_class=per_class, seed=seed, seconds=seconds)
        for event in run(own, shared=shared):
            if isinstance(event, Answered):
                pairs = zip(event.labels, event.answers, strict=True)
                right[approach] = [int(label == answer) for label, answer in pairs]
            elif isinstance(event, Finished):
                took[approach] = event.seconds
    asked = min(map(len, right.values()))
    return Cell(
        data=key,
        title=datasets.pick(key).title,
        per_class=per_class,
        seed=seed,
        seconds=seconds,
        trial_seconds=trial_seconds,
        answers=answers,
        article=article,
        trusted=tried.trusted,
        trial_took=trial_took,
        right={approach: one[:asked] for approach, one in right.items()},
        took=took,
        tried={key: [int(one) for one in answers] for key, answers in tried.right.items()},
    )


def _last(stream: Any) -> Any:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value


def in_words(cell: Cell) -> str:
    scores = ", ".join(f"{key} {cell.accuracy(key):.1%}" for key in ADVISABLE)
    return (
        f"{cell.title}, {cell.per_class} each, seed {cell.seed}: {scores}; rules say "
        f"{cell.article}, with the trial {cell.trusted}"
    )


def as_table(found: Sequence[Cell]) -> str:
    """All cells, and what each policy would have lost; Markdown."""
    if not found:
        return "Nothing was measured yet."
    rows = [
        "| data | each | seed | transfer | fine-tuning | hybrid | best | rules | regret "
        "| and trial | regret |",
        "|" + "---|" * 11,
    ]
    for cell in found:
        scores = " | ".join(f"{100 * cell.accuracy(key):.1f}" for key in ADVISABLE)
        rows.append(
            f"| {cell.title} | {cell.per_class} | {cell.seed} | {scores} | {_named(cell.best)} "
            f"| {_named(cell.article)} | {100 * cell.regret(cell.article):.1f} "
            f"| {_named(cell.trusted)} | {100 * cell.regret(cell.trusted):.1f} |"
        )
    rows += [
        "",
        "| advice | mean regret, points | worst | within 1 point or the noise | mean seconds |",
        "|" + "---|" * 5,
    ]
    for whose in found[0].policies:
        followed = [cell.policies[whose] for cell in found]
        regrets = [cell.regret(key) for cell, (key, _) in zip(found, followed, strict=True)]
        good = mean(cell.as_good(key) for cell, (key, _) in zip(found, followed, strict=True))
        rows.append(
            f"| {whose} | {100 * mean(regrets):.2f} | {100 * max(regrets):.1f} | {good:.0%} "
            f"| {mean(cost for _, cost in followed):.1f} |"
        )
    return "\n".join(rows)


def _named(approach: str) -> str:
    return APPROACHES[approach].title.lower()
