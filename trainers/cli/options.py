"""What a command is asked for: options that several share, and what they name."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

from trainers import backbones, datasets
from trainers.datasets import catalog, uploads
from trainers.jobs import Comparison, LearningCurve
from trainers.plan import BadPlan, Plan
from trainers.store import FINISHED, Run, RunNotFound, get_store

COLUMNS = ("text", "label", "group")  # of a table
CLASSES_TOLD = 12  # of one's own data, before the run

Several = TypeVar("Several", Comparison, LearningCurve)


class NoneFinished(RunNotFound):
    """There is no `last` run."""

    def __str__(self) -> str:
        return "No run was finished in this terminal yet. Start one: python -m trainers run"


# --- options --------------------------------------------------------------------------------------


def data_options(command: argparse.ArgumentParser) -> None:
    """What to look at: a sample, or one's own."""
    command.add_argument("--data", metavar="|".join([*datasets.BUNDLED_DATASETS, "PATH", "own-…"]),
                         help="a sample, or your own: a zip, a table or a folder")  # fmt: skip
    guessed = "of your table, by name or number; guessed by default"
    command.add_argument("--text-column", help=guessed)
    command.add_argument("--label-column", help=guessed)
    command.add_argument("--group-column", help="of your table: scores are compared by it")


def size_options(command: argparse.ArgumentParser, seconds: float, budget: str) -> None:
    """With what, with how much of the data, and how long; the `budget` in words."""
    command.add_argument("--backbone", default="", metavar="|".join(backbones.BACKBONES))
    command.add_argument("--per-class", type=int, help="examples of each class; all by default")
    command.add_argument("--seconds", type=float, default=seconds, help=f"{budget} ({seconds})")
    command.add_argument("--seed", type=int, default=0)


def run_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="its id, or `last`: the newest that this terminal finished")


def json_option(command: argparse.ArgumentParser, words: str = "one event a line") -> None:
    command.add_argument("--json", action="store_true", help=words)


def keys(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


# --- what they name -------------------------------------------------------------------------------


def finished(key: str) -> Run:
    """The run called `key`, or the `last` that this terminal finished. Raises `NoSuchRun`."""
    if key != "last":
        return get_store().get_run(key)
    for run in get_store().list_runs(uploads.LOCAL_VISITOR):
        if run.state == FINISHED:
            return run
    raise NoneFinished(key)


def planned(given: Mapping[str, Any]) -> Plan:
    """The plan that was asked for; data of one's own is read, and it is told what that holds.
    Raises `BadPlan` and `BadUpload`."""
    for name in ("data", "approach"):
        if given[name] is None:
            raise BadPlan(f"Nothing was said about --{name}. Give it, or a --plan.")
    if not is_path(given["data"]):
        return Plan.from_json(given)
    # All else is checked before: reading may take a while.
    unknown = {"backbone": "", "per_class": None, "mends": ()}
    Plan.from_json({**given, **unknown, "data": next(iter(datasets.BUNDLED_DATASETS))})
    told = sys.stderr if given["json"] else sys.stdout
    return Plan.from_json({**given, "data": read(given["data"], told, given)})


def several(kind: type[Several], given: Mapping[str, Any]) -> Several:
    """The job of this `kind`, of all the approaches that were asked for; its data is read, as in
    `planned`. Raises `BadPlan`, `BadUpload` and `NotHere`."""
    first = given["approaches"][0] if given["approaches"] else None
    data = planned({**given, "approach": first}).data
    job = kind.from_json({**given, "data": data, "visitor": uploads.LOCAL_VISITOR})
    for plan in job.plans():
        backbones.pick(plan.backbone).check_downloaded()
    return job


def is_path(data: str) -> bool:
    """Whether `data` is meant as a file or folder; a sample of that name goes first."""
    if data in datasets.BUNDLED_DATASETS or (
        data in catalog.CATALOG and catalog.is_downloaded(data)
    ):
        return False
    return Path(data).exists() or os.sep in data or bool(Path(data).suffix)


def read(path: str, told: TextIO, given: Mapping[str, Any] | None = None) -> str:
    """Reads and keeps data of one's own, tells what it holds, and hands back its key. Columns that
    were not given are guessed. What was read before and has not changed is not read again."""
    from tqdm import tqdm

    named = {f"{what}_column": (given or {}).get(f"{what}_column") for what in COLUMNS}
    if Path(path).exists() and (known := uploads.find_previous_import(Path(path), **named)):
        print(f"{known.title}: read before, as {known.key}. {known.description}", file=told)
        return known.key
    reading = uploads.import_upload(Path(path), **named)
    with tqdm(total=1.0, bar_format="{desc} |{bar:30}|", leave=False, disable=None) as bar:
        while True:
            try:
                progress = next(reading)
            except StopIteration as end:
                key = f"own-{end.value}"
                break
            bar.n = progress.fraction
            bar.set_description(f"Reading: {progress.text}")
    found = datasets.get_dataset(key)
    print(f"{found.title}: {found.description}", file=told)
    for name, learn, test in found.class_counts[:CLASSES_TOLD]:
        print(f"  {name}: {learn:,} to learn from, {test:,} to test", file=told)
    if len(found.class_counts) > CLASSES_TOLD:
        print(f"  … and {len(found.class_counts) - CLASSES_TOLD:,} more classes", file=told)
    for line in found.notices:
        print(f"  {line}", file=told)
    print(
        f"  Kept on this computer as {key}; python -m trainers forget {key} deletes it.", file=told
    )
    return key
