"""Measure the advice: every approach on many data sets, and what following each policy costs.

A cell of the grid is one data set at one volume and seed. Each result is written at once, so an
interrupted benchmark continues where it stopped.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean

from guide import Answers, advise
from guide.approaches import APPROACHES
from trainers import datasets
from trainers.evaluation.metrics import compare_paired
from trainers.evaluation.verdict import ADVISABLE
from trainers.events import PredictionsRecorded, RunFinished
from trainers.plan import Plan
from trainers.system.atomic import write_text
from trainers.system.paths import data_dir
from trainers.system.streams import drain
from trainers.tasks.compare import infer_answers
from trainers.tasks.pilot import run_pilot
from trainers.training.features import ComputationCache
from trainers.training.run import BadData, never_stop, run
from trainers.workers.executor import get_executor

TIE_MARGIN = 0.01  # an accuracy this close to the best counts as equal
FULL_GRID = {"volumes": (5, 20, 100), "seeds": (0, 1, 2), "seconds": 60.0}
# What the CS231n course notes recommend: a linear head for few examples, else fine-tuning. (Their
# third advice, a head on earlier layers for few and dissimilar examples, is not offered here.)
CS231N_RULES = {"limited": "transfer", "moderate": "fine_tune", "large": "fine_tune"}


@dataclass(frozen=True)
class Grid:
    """Which cells to measure."""

    data: Sequence[str]
    volumes: Sequence[int]  # examples per class
    seeds: Sequence[int]
    seconds: float  # budget of each run
    pilot_seconds: float

    def cell_paths(self) -> dict[tuple[str, int, int], Path]:
        """Return {(data, examples per class, seed): where the cell's result is kept}."""
        folder = data_dir() / "bench"
        return {
            (data, volume, seed): folder
            / f"{data}-{volume}-{seed}-{self.seconds:g}-{self.pilot_seconds:g}.cell.json"
            for data in self.data
            for volume in self.volumes
            for seed in self.seeds
        }


@dataclass(frozen=True)
class GridCell:
    """The results on one data set at one volume and seed."""

    data: str
    title: str
    examples_per_class: int
    seed: int
    seconds: float  # budget of each run
    pilot_budget_seconds: float
    answers: dict[str, str]  # to the guide's questions
    rule_advice: str
    recommended: str  # after the pilot run
    pilot_seconds: float  # that it took
    correct: dict[str, list[int]]  # approach -> 1 for each test example that was right, else 0
    run_seconds: dict[str, float]  # approach -> seconds
    pilot_correct: dict[str, list[int]] = field(default_factory=dict)

    @property
    def policies(self) -> dict[str, tuple[str, float]]:
        """{policy: (the approach it recommends, what following it costs in seconds)}"""
        recommended = {
            "rules alone": (self.rule_advice, 0.0),
            "rules and pilot": (self.recommended, self.pilot_seconds),
            "CS231n": (CS231N_RULES.get(self.answers["data_volume"], "transfer"), 0.0),
        }
        recommended |= {f"always {key}": (key, 0.0) for key in ADVISABLE}
        return {
            policy: (key, extra + self.run_seconds[key])
            for policy, (key, extra) in recommended.items()
        }

    def accuracy(self, approach: str) -> float:
        return mean(self.correct[approach])

    @property
    def best(self) -> str:
        return max(ADVISABLE, key=lambda key: (self.accuracy(key), -self.run_seconds[key]))

    def regret(self, approach: str) -> float:
        """Return how much accuracy `approach` loses against the best one, 0 or more."""
        return self.accuracy(self.best) - self.accuracy(approach)

    def is_tie(self, approach: str) -> bool:
        """Return whether `approach` is within a point of the best, or inside the test's noise."""
        lead = compare_paired(self.correct[self.best], self.correct[approach])
        return self.regret(approach) <= TIE_MARGIN or lead.low <= 0


def load_cells(grid: Grid) -> list[GridCell]:
    """Return the cells of `grid` that were measured on this computer."""
    return [
        GridCell(**json.loads(path.read_text("utf-8")))
        for path in grid.cell_paths().values()
        if path.exists()
    ]


def measure_cells(grid: Grid) -> Iterator[str]:
    """Measure the cells of `grid` that are missing, and yield a line for each."""
    missing = [
        partial(_measure_and_save, path, *cell, grid)
        for cell, path in grid.cell_paths().items()
        if not path.exists()
    ]
    for item in get_executor().map_streams(missing):
        if item and item[1]:
            yield item[1]


def _measure_and_save(
    path: Path, data: str, volume: int, seed: int, grid: Grid
) -> Iterator[str | None]:
    plan = Plan(
        data=data,
        approach="transfer",
        examples_per_class=volume,
        seed=seed,
        seconds=grid.seconds,
    )
    subtask = partial(measure_cell, pilot_seconds=grid.pilot_seconds)
    try:
        cell = yield from get_executor().submit(subtask, plan, should_stop=never_stop)
    except BadData as error:
        yield str(error)
        return
    write_text(path, json.dumps(asdict(cell)))
    yield describe_cell(cell)


def measure_cell(
    plan: Plan, *, pilot_seconds: float, should_stop: Callable[[], bool]
) -> Generator[None, None, GridCell]:
    """Return the cell of `plan`'s data, volume and seed. It yields nothing: executors run
    streams."""
    yield from ()
    dataset = datasets.get_dataset(plan.data)
    data = dataset.load_splits(plan.examples_per_class, plan.seed)
    answers = {key: answer.answer for key, answer in infer_answers(data, plan.seconds).items()}
    rule_advice = advise(Answers(**answers)).approach
    started_at = time.monotonic()
    pilot = drain(
        run_pilot(plan, data, rule_advice, seconds=pilot_seconds, should_stop=should_stop)
    )
    pilot_took = time.monotonic() - started_at
    correct: dict[str, list[int]] = {}
    run_seconds: dict[str, float] = {}
    cache = ComputationCache()
    for approach in ADVISABLE:
        for event in run(replace(plan, approach=approach), shared=cache):
            if isinstance(event, PredictionsRecorded):
                pairs = zip(event.labels, event.predictions, strict=True)
                correct[approach] = [int(label == prediction) for label, prediction in pairs]
            elif isinstance(event, RunFinished):
                run_seconds[approach] = event.seconds
    count = min(map(len, correct.values()))
    return GridCell(
        data=plan.data,
        title=dataset.title,
        examples_per_class=plan.examples_per_class,
        seed=plan.seed,
        seconds=plan.seconds,
        pilot_budget_seconds=pilot_seconds,
        answers=answers,
        rule_advice=rule_advice,
        recommended=pilot.recommended,
        pilot_seconds=pilot_took,
        correct={approach: flags[:count] for approach, flags in correct.items()},
        run_seconds=run_seconds,
        pilot_correct={key: [int(flag) for flag in flags] for key, flags in pilot.correct.items()},
    )


def describe_cell(cell: GridCell) -> str:
    scores = ", ".join(f"{key} {cell.accuracy(key):.1%}" for key in ADVISABLE)
    return (
        f"{cell.title}, {cell.examples_per_class} per class, seed {cell.seed}: {scores}; "
        f"rules: {cell.rule_advice}, with the pilot run: {cell.recommended}"
    )


def format_table(cells: Sequence[GridCell]) -> str:
    """Return two Markdown tables: every cell, and what each policy loses on average."""
    if not cells:
        return "Nothing has been measured yet."
    rows = [
        "| data | per class | seed | transfer | fine-tuning | hybrid | best | rules | regret "
        "| and pilot | regret |",
        "|" + "---|" * 11,
    ]
    for cell in cells:
        scores = " | ".join(f"{100 * cell.accuracy(key):.1f}" for key in ADVISABLE)
        rows.append(
            f"| {cell.title} | {cell.examples_per_class} | {cell.seed} | {scores} "
            f"| {_approach_title(cell.best)} "
            f"| {_approach_title(cell.rule_advice)} | {100 * cell.regret(cell.rule_advice):.1f} "
            f"| {_approach_title(cell.recommended)} | {100 * cell.regret(cell.recommended):.1f} |"
        )
    rows += [
        "",
        "| advice | mean regret, points | worst | within 1 point or the noise | mean seconds |",
        "|" + "---|" * 5,
    ]
    for policy in cells[0].policies:
        choices = [cell.policies[policy] for cell in cells]
        regrets = [cell.regret(key) for cell, (key, _) in zip(cells, choices, strict=True)]
        ties = mean(cell.is_tie(key) for cell, (key, _) in zip(cells, choices, strict=True))
        rows.append(
            f"| {policy} | {100 * mean(regrets):.2f} | {100 * max(regrets):.1f} | {ties:.0%} "
            f"| {mean(cost for _, cost in choices):.1f} |"
        )
    return "\n".join(rows)


def _approach_title(approach: str) -> str:
    return APPROACHES[approach].title.lower()
