"""`python -m trainers bench`: how fast Thaw is, beside what it is measured against.

Each row of the table is a script in the repository's tests/bench/ with `measure(rounds)`, which
yields `Row`s. Both sides are timed in turn, A B A B, so that a noisy machine hits both alike.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from trainers.system.registry import UnknownKey, build_registry, look_up
from trainers.system.settings import get_settings

SCRIPTS_DIR = Path(__file__).parents[2] / "tests" / "bench"
REPORTED_PACKAGES = "torch", "torchvision", "transformers", "peft"


class BadBench(RuntimeError):
    """A row that cannot be measured here; the text says why, and what to do next."""


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One line of the table."""

    what: str
    against: str
    ours_seconds: float  # median
    theirs_seconds: float
    ratio: float  # of the medians, whichever way round `goal` has it
    spread: tuple[float, float]  # least and greatest ratio of a round
    goal: str
    met: bool | None  # None: reported, no goal
    note: str = ""  # accuracies, versions, what holds it back


class BenchScript(NamedTuple):
    key: str
    file: str  # in tests/bench, without .py
    needs_data: bool  # THAW_TEST_DATA


BENCHMARKS = build_registry(
    BenchScript("frozen", "frozen_loop", True),
    BenchScript("step", "plain_step", False),
    BenchScript("peers", "peers_row", True),
    BenchScript("click", "click_to_score", False),
    BenchScript("peak", "peak_share", False),
)


def time_alternately(
    rounds: int, ours: Callable[[int], float], theirs: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Seconds of each side, asked with the number of the round; who goes first alternates."""
    mine, other = [], []
    for number in range(rounds):
        sides = [(ours, mine), (theirs, other)]
        for side, taken in sides if number % 2 == 0 else sides[::-1]:
            taken.append(side(number))
    return mine, other


def compare_speedup(ours: Sequence[float], theirs: Sequence[float], goal: float) -> dict:
    """Fields of a `Row` whose goal is to be `goal` times as fast."""
    ratio = median(theirs) / median(ours)
    return _summarise_times(
        ours, theirs, ratio, [b / a for a, b in zip(ours, theirs, strict=True)]
    ) | {
        "goal": f"at least {goal:g}x faster",
        "met": ratio >= goal,
    }


def compare_slowdown(
    ours: Sequence[float], theirs: Sequence[float], goal: float, plus_seconds: float = 0.0
) -> dict:
    """Fields of a `Row` whose goal is to take at most `goal` times as long, `plus_seconds` more."""
    ratio = median(ours) / median(theirs)
    most = f"at most {goal:g}x" + (f" + {plus_seconds:g} s" if plus_seconds else "")
    return _summarise_times(
        ours, theirs, ratio, [a / b for a, b in zip(ours, theirs, strict=True)]
    ) | {
        "goal": most,
        "met": median(ours) <= goal * median(theirs) + plus_seconds,
    }


def _summarise_times(
    ours: Sequence[float], theirs: Sequence[float], ratio: float, each: Sequence[float]
) -> dict:
    return {
        "ours_seconds": median(ours),
        "theirs_seconds": median(theirs),
        "ratio": ratio,
        "spread": (min(each), max(each)),
    }


def select_benchmarks(only: Sequence[str]) -> list[BenchScript]:
    """The rows called `only`, in the order of the table; all where none is named. Raises
    `UnknownKey`."""
    asked = [look_up(BENCHMARKS, key, "row of the bench").key for key in only]
    return [row for key, row in BENCHMARKS.items() if not asked or key in asked]


def run_benchmark(row: BenchScript, rounds: int) -> Iterator[BenchRow]:
    """What the script of `row` finds. Raises `BadBench`."""
    file = SCRIPTS_DIR / f"{row.file}.py"
    if not file.is_file():
        raise BadBench(
            f"The bench {row.key!r} needs Thaw's repository: there is no {file.name} in "
            "tests/bench. Clone it, and run this in its folder."
        )
    if row.needs_data and not get_settings().test_data:
        raise BadBench(
            f"The bench {row.key!r} needs data that Thaw does not bring. Set THAW_TEST_DATA to "
            "its folder, or name other rows with --only."
        )
    if str(SCRIPTS_DIR) not in sys.path:
        sys.path.append(str(SCRIPTS_DIR))  # scripts share peers.py
    spec = importlib.util.spec_from_file_location(row.file, file)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    yield from script.measure(rounds)


def format_table(rows: Sequence[BenchRow]) -> str:
    """Markdown."""
    lines = [
        "| what | against | ours | theirs | ratio (rounds) | goal | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        met = {True: "yes", False: "**no**", None: "–"}[row.met]
        what = f"{row.what} ({row.note})" if row.note else row.what
        low, high = row.spread
        lines.append(
            f"| {what} | {row.against} | {_format_seconds(row.ours_seconds)} "
            f"| {_format_seconds(row.theirs_seconds)} | {row.ratio:.2f} ({low:.2f} to {high:.2f}) "
            f"| {row.goal} | {met} |"
        )
    return "\n".join(lines)


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def describe_machine() -> dict[str, str]:
    """Where it was measured, and with what."""
    import torch

    found = {
        "processor": _processor_name(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1),
        "threads": str(torch.get_num_threads()),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
    }
    for name in REPORTED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def _processor_name() -> str:
    told = Path("/proc/cpuinfo")
    if told.is_file():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def add(commands: argparse._SubParsersAction) -> None:
    """The subcommand."""
    bench = commands.add_parser("bench", help="how fast a run is, beside other ways to do it")
    bench.add_argument("--only", nargs="+", default=[], metavar="ROW", help=" ".join(BENCHMARKS))
    bench.add_argument("--rounds", type=int, default=3, help="of both sides, in turn (3)")
    bench.add_argument("--json", action="store_true", help="one row a line")


def run(given: Mapping[str, Any]) -> int:
    """Prints the table; 2, and one line, where a row is not known; 1 where one could not be
    measured."""
    rounds, as_json = given["rounds"], given["json"]
    try:
        scripts = select_benchmarks(given["only"])
    except UnknownKey as error:
        print(error, file=sys.stderr)
        return 2
    if rounds < 1:
        print(f"{rounds} rounds were asked for. Give 1 or more.", file=sys.stderr)
        return 2
    rows, missing = [], False
    for script in scripts:
        try:
            for row in run_benchmark(script, rounds):
                rows.append(row)
                _print_row(row, as_json=as_json)
        except BadBench as error:
            print(error, file=sys.stderr)
            missing = True
    if not as_json:
        print(format_table(rows))
        print("\n" + ", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    return 1 if missing else 0


def _print_row(row: BenchRow, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(row) | {"machine": describe_machine()}), flush=True)
    else:  # it takes long: what is there is seen at once
        print(f"{row.what}: {row.ratio:.2f}", file=sys.stderr, flush=True)
