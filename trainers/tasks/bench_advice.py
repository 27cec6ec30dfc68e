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
from trainers.evaluation.metrics import compare_paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import PredictionsRecorded, RunFinished
from trainers.plan import Plan
from trainers.system.atomic import write_text
from trainers.system.paths import data_dir
from trainers.tasks.compare import infer_answer_keys
from trainers.tasks.pilot import run_pilot
from trainers.training.features import ComputationCache
from trainers.training.run import BadData, never_stop, run
from trainers.workers.executor import get_executor

TIE_MARGIN = 0.01  # of the best, in shares: as good
FULL_GRID = {"volumes": (5, 20, 100), "seeds": (0, 1, 2), "seconds": 60.0}  # the grid on request
# What CS231n's notes say: a linear head on few examples, else fine-tuning. (Its third advice for
# few and unlike ones, a head on earlier layers, is none of our approaches.)
CS231N_RULES = {"limited": "transfer", "moderate": "fine_tune", "large": "fine_tune"}


@dataclass(frozen=True)
class GridCell:
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
            "CS231n": (CS231N_RULES.get(self.answers["data_volume"], "transfer"), 0.0),
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

    def is_tie(self, approach: str) -> bool:
        """Within a point of the best, or inside the noise of the test."""
        behind = compare_paired(self.right[self.best], self.right[approach])
        return self.regret(approach) <= TIE_MARGIN or behind.low <= 0


def _cell_path(data: str, per_class: int, seed: int, seconds: float, trial_seconds: float):
    name = f"{data}-{per_class}-{seed}-{seconds:g}-{trial_seconds:g}.json"
    return data_dir() / "bench" / name


def _iterate_grid(
    keys: Sequence[str], volumes: Sequence[int], seeds: Sequence[int]
) -> Iterator[tuple]:
    return ((key, per_class, seed) for key in keys for per_class in volumes for seed in seeds)


def load_cells(
    keys: Sequence[str],
    *,
    volumes: Sequence[int],
    seeds: Sequence[int],
    seconds: float,
    trial_seconds: float,
) -> list[GridCell]:
    """The cells of the grid that were measured on this computer."""
    places = [
        _cell_path(*cell, seconds, trial_seconds) for cell in _iterate_grid(keys, volumes, seeds)
    ]
    return [GridCell(**json.loads(place.read_text("utf-8"))) for place in places if place.exists()]


def measure_cells(
    keys: Sequence[str],
    *,
    volumes: Sequence[int],
    seeds: Sequence[int],
    seconds: float,
    trial_seconds: float,
) -> Iterator[str]:
    """Measures what is missing of the grid, and says so, a line a cell."""
    places = {
        cell: _cell_path(*cell, seconds, trial_seconds)
        for cell in _iterate_grid(keys, volumes, seeds)
    }
    missing = [
        partial(_measure_and_save, place, *cell, seconds, trial_seconds)
        for cell, place in places.items()
        if not place.exists()
    ]
    for told in get_executor().map_streams(missing):
        if told and told[1]:
            yield told[1]


def _measure_and_save(
    place: Path, key: str, per_class: int, seed: int, seconds: float, trial_seconds: float
) -> Iterator[str | None]:
    plan = Plan(
        data=key, approach="transfer", examples_per_class=per_class, seed=seed, seconds=seconds
    )
    work = partial(stream_cell, trial_seconds=trial_seconds)
    try:
        cell = yield from get_executor().submit(work, plan, should_stop=never_stop)
    except BadData as error:
        yield str(error)
        return
    write_text(place, json.dumps(asdict(cell)))
    yield describe_cell(cell)


def stream_cell(
    plan: Plan, *, trial_seconds: float, should_stop: Callable[[], bool]
) -> Generator[None, None, GridCell]:
    """`measure`, as a pool has it done: it tells nothing."""
    yield from ()
    return measure_cell(plan.data, plan.examples_per_class, plan.seed, plan.seconds, trial_seconds)


def measure_cell(
    key: str, per_class: int, seed: int, seconds: float, trial_seconds: float
) -> GridCell:
    plan = Plan(
        data=key, approach="transfer", examples_per_class=per_class, seed=seed, seconds=seconds
    )
    data = datasets.get_dataset(key).load_splits(per_class, seed)
    answers = infer_answer_keys(data, seconds)
    article = advise(Answers(**answers)).approach
    began = time.monotonic()
    stream = run_pilot(plan, data, article, seconds=trial_seconds, should_stop=lambda: False)
    tried = _drain(stream)
    trial_took = time.monotonic() - began
    right: dict[str, list[int]] = {}
    took: dict[str, float] = {}
    shared = ComputationCache()
    for approach in ADVISABLE:
        own = Plan(
            data=key, approach=approach, examples_per_class=per_class, seed=seed, seconds=seconds
        )
        for event in run(own, shared=shared):
            if isinstance(event, PredictionsRecorded):
                pairs = zip(event.labels, event.predictions, strict=True)
                right[approach] = [int(label == answer) for label, answer in pairs]
            elif isinstance(event, RunFinished):
                took[approach] = event.seconds
    asked = min(map(len, right.values()))
    return GridCell(
        data=key,
        title=datasets.get_dataset(key).title,
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


def _drain(stream: Any) -> Any:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value


def describe_cell(cell: GridCell) -> str:
    scores = ", ".join(f"{key} {cell.accuracy(key):.1%}" for key in ADVISABLE)
    return (
        f"{cell.title}, {cell.per_class} each, seed {cell.seed}: {scores}; rules say "
        f"{cell.article}, with the trial {cell.trusted}"
    )


def format_table(found: Sequence[GridCell]) -> str:
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
            f"| {cell.title} | {cell.per_class} | {cell.seed} | {scores} | {_approach_title(cell.best)} "
            f"| {_approach_title(cell.article)} | {100 * cell.regret(cell.article):.1f} "
            f"| {_approach_title(cell.trusted)} | {100 * cell.regret(cell.trusted):.1f} |"
        )
    rows += [
        "",
        "| advice | mean regret, points | worst | within 1 point or the noise | mean seconds |",
        "|" + "---|" * 5,
    ]
    for whose in found[0].policies:
        followed = [cell.policies[whose] for cell in found]
        regrets = [cell.regret(key) for cell, (key, _) in zip(found, followed, strict=True)]
        good = mean(cell.is_tie(key) for cell, (key, _) in zip(found, followed, strict=True))
        rows.append(
            f"| {whose} | {100 * mean(regrets):.2f} | {100 * max(regrets):.1f} | {good:.0%} "
            f"| {mean(cost for _, cost in followed):.1f} |"
        )
    return "\n".join(rows)


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower()
