"""`thaw bench`: how fast Thaw is, next to what it is measured against.

Each row of the table is a script in the repository's tests/bench/ with `measure(rounds, quick)`,
which yields `BenchRow`s. Both sides are timed in turn, A B A B, so that a noisy machine slows both.
"""

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

from trainers.system.registry import UnknownKey, build_registry, look_up
from trainers.system.settings import get_settings

SCRIPTS_DIR = Path(__file__).parents[2] / "tests" / "bench"
REPORTED_PACKAGES = "torch", "torchvision", "transformers", "peft"


class BadBench(RuntimeError):
    """A row that cannot be measured here. The text says why, and what to do next."""


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
    """A script in tests/bench/, and how long it takes on two cores without a GPU."""

    key: str
    file: str  # without .py
    needs_data: bool  # THAW_TEST_DATA
    setup_seconds: int
    round_seconds: int
    quick_seconds: int  # with --quick


BENCHMARKS = build_registry(
    BenchScript("frozen", "frozen_loop", True, 10, 95, 30),
    BenchScript("step", "plain_step", False, 10, 30, 15),
    BenchScript("peers", "peers_row", True, 60, 320, 60),
    BenchScript("click", "click_to_score", False, 20, 4, 25),
    BenchScript("peak", "peak_share", False, 30, 30, 30),
)
TABLE_HEAD = (
    "| what | against | ours | theirs | ratio (rounds) | goal | met |",
    "|---|---|---|---|---|---|---|",
)


def time_alternately(
    rounds: int, ours: Callable[[int], float], theirs: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Return the seconds of each side, called with the round; who goes first alternates."""
    our_seconds, their_seconds = [], []
    for number in range(rounds):
        sides = [(ours, our_seconds), (theirs, their_seconds)]
        for measure, seconds in sides if number % 2 == 0 else sides[::-1]:
            seconds.append(measure(number))
    return our_seconds, their_seconds


def compare_speedup(ours: Sequence[float], theirs: Sequence[float], goal: float) -> dict:
    """Return the fields of a `BenchRow` whose goal is to be `goal` times as fast."""
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
    """Return the fields of a `BenchRow` whose goal is `goal` times as long + `plus_seconds`."""
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
    """Return the scripts called `only` in the order of the table, or all if there are none.

    Raises `UnknownKey`.
    """
    chosen = [look_up(BENCHMARKS, key, "row of the bench").key for key in only]
    return [row for key, row in BENCHMARKS.items() if not chosen or key in chosen]


def run_benchmark(row: BenchScript, rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:
    """Yield the rows that the script of `row` measures. Raises `BadBench`."""
    file = SCRIPTS_DIR / f"{row.file}.py"
    if not file.is_file():
        raise BadBench(
            f"The row {row.key!r} needs a clone of Thaw's repository: tests/bench/{file.name} is "
            "missing."
        )
    if row.needs_data and not get_settings().test_data:
        raise BadBench(
            f"The row {row.key!r} needs data that does not come with Thaw. Set THAW_TEST_DATA to "
            "its folder, or name other rows."
        )
    if str(SCRIPTS_DIR) not in sys.path:
        sys.path.append(str(SCRIPTS_DIR))  # peers_row.py imports peers.py
    spec = importlib.util.spec_from_file_location(row.file, file)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    yield from script.measure(rounds, quick=quick)


def format_row(row: BenchRow) -> str:
    """Return one line of the table, as Markdown."""
    met = {True: "yes", False: "**no**", None: "–"}[row.met]
    what = f"{row.what} ({row.note})" if row.note else row.what
    low, high = row.spread
    return (
        f"| {what} | {row.against} | {_format_seconds(row.ours_seconds)} "
        f"| {_format_seconds(row.theirs_seconds)} | {row.ratio:.2f} ({low:.2f} to {high:.2f}) "
        f"| {row.goal} | {met} |"
    )


def _describe_duration(scripts: Sequence[BenchScript], rounds: int, *, quick: bool) -> str:
    seconds = sum(
        script.quick_seconds if quick else script.setup_seconds + rounds * script.round_seconds
        for script in scripts
    )
    duration = f"{seconds} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
    return f"This takes about {duration} on two cores. Rows appear as they are measured."


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def describe_machine() -> dict[str, str]:
    """Return the hardware and the versions that a measurement depends on."""
    import torch

    machine = {
        "processor": _processor_name(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1),
        "threads": str(torch.get_num_threads()),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
    }
    for name in REPORTED_PACKAGES:
        try:
            machine[name] = version(name)
        except PackageNotFoundError:
            machine[name] = "none"
    return machine


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def run_benchmarks(keys: Sequence[str], rounds: int, *, quick: bool, as_json: bool) -> int:
    """Measure the rows `keys` and print each as soon as it is there.

    Returns the exit code: 2 where a key or `rounds` is wrong, 1 where a row could not be measured.
    """
    try:
        scripts = select_benchmarks(keys)
    except UnknownKey as error:
        print(error, file=sys.stderr)
        return 2
    if rounds < 1:
        print(f"--rounds is {rounds}. It must be 1 or more.", file=sys.stderr)
        return 2
    rounds = 1 if quick else rounds
    print(_describe_duration(scripts, rounds, quick=quick), file=sys.stderr, flush=True)
    is_complete = True
    if not as_json:
        print("\n".join(TABLE_HEAD), flush=True)
    for script in scripts:
        try:
            for row in run_benchmark(script, rounds, quick=quick):
                print(
                    json.dumps(asdict(row) | {"machine": describe_machine()})
                    if as_json
                    else format_row(row),
                    flush=True,
                )
        except BadBench as error:
            print(error, file=sys.stderr)
            is_complete = False
    if not as_json:
        print("\n" + ", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    return 0 if is_complete else 1
