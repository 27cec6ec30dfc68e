"""Options that several commands share, and what they stand for: data, plans, jobs and runs."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from guide.approaches import APPROACHES
from trainers import backbones, datasets
from trainers.cli.commands import KeyList, Tuning, complete_keys
from trainers.datasets import catalog, uploads
from trainers.jobs import Comparison, LearningCurve
from trainers.plan import BadPlan, Plan
from trainers.store import FINISHED, Run, RunNotFound, get_store

COLUMNS = ("text", "label", "group")  # of a table
MAX_LISTED_CLASSES = 12

MultiRunJob = TypeVar("MultiRunJob", Comparison, LearningCurve)
Decorator = Callable[[Any], Any]


class NoFinishedRun(RunNotFound):
    """There is no `last` run."""

    def __str__(self) -> str:
        return "No run was finished in this terminal yet. Start one: thaw run"


# --- options --------------------------------------------------------------------------------------


def data_options(command: Any) -> Any:
    """Add the options that choose a data set, or a file of one's own."""
    guessed = "of your table, by name or number; guessed by default"
    for option in (
        click.option("--group-column", help="Column of groups; their scores are compared."),
        click.option("--label-column", help=f"Column of labels {guessed}."),
        click.option("--text-column", help=f"Column of texts {guessed}."),
        click.option(
            "--data",
            metavar="KEY|PATH",
            shell_complete=complete_keys(lambda: datasets.BUNDLED_DATASETS),
            help="A data set (see `thaw datasets`), or your own zip, table or folder.",
        ),
    ):
        command = option(command)
    return command


def run_options(seconds: float, budget: str) -> Decorator:
    """Return a decorator that adds backbone, examples, time and seed; `budget` says what the time
    is for."""
    options = (
        click.option("--seed", type=int, default=0, show_default=True),
        click.option(
            "--seconds", type=float, default=seconds, show_default=True, help=f"{budget}."
        ),
        click.option("--examples-per-class", type=int, help="All by default."),
        click.option(
            "--backbone",
            default="",
            metavar="KEY",
            shell_complete=complete_keys(lambda: backbones.BACKBONES),
            help="The pre-trained model, see `thaw backbones`. By default the bundled one.",
        ),
    )

    def decorate(command: Any) -> Any:
        for option in options:
            command = option(command)
        return command

    return decorate


def approaches_option(default: tuple[str, ...]) -> Decorator:
    return click.option(
        "--approaches",
        type=KeyList(),
        default=default,
        metavar="KEY,KEY",
        shell_complete=complete_keys(lambda: APPROACHES),
        help=f"By default {','.join(default)}.",
    )


approach_option = click.option(
    "--approach",
    metavar="|".join(APPROACHES),
    shell_complete=complete_keys(lambda: APPROACHES),
)
tuning_option = click.option(
    "--tuning",
    type=Tuning(),
    default="auto",
    show_default=True,
    help="What fine-tuning changes: LoRA adapters, or all weights.",
)
fixes_option = click.option(
    "--fixes",
    type=KeyList(),
    default=(),
    metavar="KEY,KEY",
    help="Findings to fix in your own data, see `thaw advise`.",
)
run_argument = click.argument("run", metavar="RUN")


def json_option(text: str = "Print one event per line, as JSON.") -> Decorator:
    return click.option("--json", "as_json", is_flag=True, help=text)


# --- what they stand for --------------------------------------------------------------------------


def find_finished_run(key: str) -> Run:
    """Return the run called `key`; `last` is the newest that this terminal finished.

    Raises `RunNotFound`.
    """
    if key != "last":
        return get_store().get_run(key)
    for run in get_store().list_runs(uploads.LOCAL_VISITOR):
        if run.state == FINISHED:
            return run
    raise NoFinishedRun(key)


def make_plan(args: Mapping[str, Any]) -> Plan:
    """Return the plan that the options ask for. A file of one's own is imported first.

    Raises `BadPlan` and `BadUpload`.
    """
    for name in ("data", "approach"):
        if not args[name]:
            raise BadPlan(f"--{name} is missing. Give it, or a --plan.")
    settings = {
        "approach": args["approach"],
        "backbone": args["backbone"],
        "examples_per_class": args.get("examples_per_class"),
        "seconds": args["seconds"],
        "seed": args.get("seed", 0),
        "trainable": args.get("tuning", "auto"),
        "fixes": args.get("fixes", ()),
    }
    if not is_path(args["data"]):
        return Plan(data=args["data"], **settings)
    # Everything that does not need the data is checked first, because an import may take a while.
    unchecked = {"backbone": "", "examples_per_class": None, "fixes": ()}
    Plan(data=next(iter(datasets.BUNDLED_DATASETS)), **settings | unchecked)
    out = sys.stderr if args["as_json"] else sys.stdout
    return Plan(data=import_path(args["data"], out, args), **settings)


def make_job(kind: type[MultiRunJob], args: Mapping[str, Any], **more: Any) -> MultiRunJob:
    """Return a job of `kind` over `--approaches`. Raises what `make_plan` does, and
    `BackboneNotDownloaded`."""
    plan = make_plan({**args, "approach": next(iter(args["approaches"]), None)})
    job = kind(
        data=plan.data,
        visitor=uploads.LOCAL_VISITOR,
        approaches=args["approaches"],
        backbone=args["backbone"],
        examples_per_class=args["examples_per_class"],
        seconds=args["seconds"],
        seed=args["seed"],
        **more,
    )
    for plan in job.make_plans():
        backbones.pick(plan.backbone).check_downloaded()
    return job


def is_path(data: str) -> bool:
    """Return whether `data` means a file or folder. A data set of that name goes first."""
    if data in datasets.BUNDLED_DATASETS or (
        data in catalog.CATALOG and catalog.is_downloaded(data)
    ):
        return False
    return Path(data).exists() or os.sep in data or bool(Path(data).suffix)


def import_path(path: str, out: TextIO, args: Mapping[str, Any] | None = None) -> str:
    """Import the file or folder at `path`, print to `out` what it holds, and return its key.

    Columns that `args` does not name are guessed. An unchanged file is not imported again.
    Raises `BadUpload`.
    """
    from tqdm import tqdm

    columns = {f"{column}_column": (args or {}).get(f"{column}_column") for column in COLUMNS}
    if Path(path).exists() and (known := uploads.find_previous_import(Path(path), **columns)):
        print(f"{known.title}: already imported as {known.key}. {known.description}", file=out)
        return known.key
    steps = uploads.import_upload(Path(path), **columns)
    with tqdm(total=1.0, bar_format="{desc} |{bar:30}|", leave=False, disable=None) as bar:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                key = f"own-{end.value}"
                break
            bar.n = progress.fraction
            bar.set_description(f"Reading: {progress.text}")
    _print_dataset(datasets.get_dataset(key), out)
    return key


def _print_dataset(dataset: Any, out: TextIO) -> None:
    print(f"{dataset.title}: {dataset.description}", file=out)
    for name, train, test in dataset.class_counts[:MAX_LISTED_CLASSES]:
        print(f"  {name}: {train:,} for training, {test:,} for the test", file=out)
    if len(dataset.class_counts) > MAX_LISTED_CLASSES:
        print(f"  … and {len(dataset.class_counts) - MAX_LISTED_CLASSES:,} more classes", file=out)
    for line in dataset.notices:
        print(f"  {line}", file=out)
    key = dataset.key
    print(f"  Kept on this computer as {key}. To delete it: thaw delete-data {key}", file=out)
