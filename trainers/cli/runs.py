"""Commands that start runs, and that list them: run, compare, curve, resume, runs."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from trainers.cli.commands import Command, CommandGroup, examples
from trainers.cli.options import (
    approach_option,
    approaches_option,
    data_options,
    fixes_option,
    json_option,
    make_job,
    make_plan,
    run_argument,
    run_options,
    tuning_option,
)
from trainers.cli.output import follow, printable, start_job
from trainers.cli.views import draw_comparison, draw_curve, draw_run
from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.events import ComparisonDone, Event, LearningCurveDone, RunFinished
from trainers.jobs import Comparison, LearningCurve
from trainers.plan import BadPlan, Plan
from trainers.store import get_store
from trainers.store.resume import resume_run
from trainers.system.paths import run_dir
from trainers.workers.execute import execute

EXPORT_HINT = "To use the model without Thaw: thaw export {} --to model.zip"


@click.command(
    cls=Command,
    epilog=examples(
        "thaw run --data digits --approach hybrid",
        "thaw run --data photos.zip --approach transfer --seconds 60",
        "thaw run --plan plan.json --json",
    ),
)
@data_options
@approach_option
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    help="A plan to repeat (`repeat` in a run's last event), or - for stdin. Replaces the rest.",
)
@run_options(30, "Time budget")
@fixes_option
@tuning_option
@json_option()
def run(plan_file: str | None, **args: Any) -> int:
    """Train with one approach on one data set, and test the model."""
    plan = make_plan(args) if plan_file is None else _read_plan(plan_file)
    key, stream = start_job(plan)
    return _follow_run(key, stream, plan, as_json=args["as_json"])


def _follow_run(key: str, stream: Iterator[Event], plan: Plan, *, as_json: bool) -> int:
    code = follow(stream, RunFinished, None if as_json else partial(draw_run, plan=plan))
    if not code and not as_json:
        print(EXPORT_HINT.format(key))
    return code


def _read_plan(file: str) -> Plan:
    """Raises `BadPlan`."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return Plan.from_json(json.loads(text))
    except BadPlan:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadPlan(
            f"{file} holds no plan ({reason}). Save `repeat` of a run's last event."
        ) from None


@click.command(
    cls=Command,
    epilog=examples(
        "thaw compare --data digits --examples-per-class 20",
        "thaw compare --data reviews.csv --approaches transfer,hybrid --pilot-seconds 0",
    ),
)
@data_options
@approaches_option(Comparison.approaches)
@run_options(30, "Time budget of each run")
@click.option(
    "--pilot-seconds",
    type=float,
    default=20,
    show_default=True,
    help="Time of the pilot run on training examples, before the comparison. 0: none.",
)
@json_option()
def compare(pilot_seconds: float, **args: Any) -> int:
    """Compare approaches on the same examples, and judge the advice."""
    job = make_job(Comparison, args, pilot_seconds=pilot_seconds)
    # Imported only now: a wrong option should not wait for torch.
    from trainers.tasks.compare import is_comparison_event, run_lanes

    def runner(
        job: Comparison, *, should_stop: Callable[[], bool], folder: Path
    ) -> Iterator[Event]:
        return run_lanes(job, should_stop=should_stop, parent_id=folder.name)

    _, stream = start_job(job, runner, keeps=is_comparison_event)
    return follow(stream, ComparisonDone, None if args["as_json"] else draw_comparison)


@click.command(cls=Command, epilog=examples("thaw curve --data digits --seconds 60"))
@data_options
@approaches_option(LearningCurve.approaches)
@run_options(60, "Time budget of all runs together")
@json_option()
def curve(**args: Any) -> int:
    """Draw learning curves: would more data help?"""
    job = make_job(LearningCurve, args)
    # Imported only now: a wrong option should not wait for torch.
    from trainers.tasks.learning_curve import run_learning_curve

    stream = run_learning_curve(job, should_stop=lambda: False)
    return follow(stream, LearningCurveDone, None if args["as_json"] else draw_curve)


@click.command(cls=Command, epilog=examples("thaw resume last"))
@run_argument
@json_option()
def resume(run: str, as_json: bool) -> int:
    """Continue an interrupted run from its last checkpoint.

    RUN is its id, or `last`: the newest run that this terminal started.
    """
    store = get_store()
    store.fail_stale_runs()  # the process may have been killed a moment ago
    if run == "last":
        newest = store.list_runs(LOCAL_VISITOR, limit=1)
        run = newest[0].id if newest else ""
    interrupted = store.get_run(run)
    key = resume_run(store, run, interrupted.visitor, worker=LOCAL_VISITOR)
    # Imported only now: a wrong id should not wait for torch.
    from trainers.training.run import run as run_plan

    stream = execute(store, key, interrupted.job, run_plan, run_dir(key))
    return _follow_run(key, stream, interrupted.job, as_json=as_json)


# --- the list -------------------------------------------------------------------------------------


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=examples(
        "thaw runs --search digits",
        "thaw runs export last-run-id --to run.json",
        "thaw runs import run.json",
    ),
)
@click.option("--search", default="", metavar="WORDS", help="In name, note, approach and data.")
@click.option("--limit", type=int, default=20, show_default=True, help="The newest first.")
@json_option("Print one run per line, as JSON.")
@click.pass_context
def runs(ctx: click.Context, search: str, limit: int, as_json: bool) -> None:
    """List the runs of everybody on this computer, or move a run as a file."""
    if ctx.invoked_subcommand is None:
        _print_runs(search, limit, as_json=as_json)


def _print_runs(search: str, limit: int, *, as_json: bool) -> None:
    page, total = get_store().list_history(None, search=search, limit=max(1, limit))
    for row in page:
        if as_json:
            created = {"created": row.created_at}  # the key stays as it was
            fields = asdict(row)
            del fields["created_at"]
            print(json.dumps(fields | created | {"title": row.title}))
            continue
        score = "" if row.score is None else f"{row.score:.0%} right"
        duration = "" if row.seconds is None else f"{row.seconds:.0f} s"
        created = f"{datetime.fromtimestamp(row.created_at):%Y-%m-%d %H:%M}"
        print(
            f"{row.id}  {created}  {row.state:9}  {score:>10}  {duration:>6}  "
            f"{printable(row.title)}"
        )
    if not total:
        print("No run matches." if search else "No runs yet.", file=sys.stderr)
    if not as_json and total > len(page):
        print(f"… and {total - len(page):,} more: --limit {total}, or --search WORDS")


@runs.command("export", cls=Command)
@click.argument("run", metavar="RUN")
@click.option("--to", metavar="FILE", default="-", help="By default, print it.")
def export_file(run: str, to: str) -> int:
    """Write a run to a file. RUN is its id, as `thaw runs` lists it."""
    # Imported only now: a list should not wait for what checks files.
    from trainers.reports.run_file import BadFile, export_run

    try:
        text = export_run(get_store(), run)
        if to == "-":
            print(text)
        else:
            Path(to).write_text(text, encoding="utf-8")
            print(f"Written to {to}, {len(text) / 1e6:.1f} MB.")
    except (BadFile, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


@runs.command("import", cls=Command)
@click.argument("file")
def import_file(file: str) -> int:
    """Add the run in FILE (- for stdin) to the runs of this computer."""
    from trainers.reports.run_file import MAX_BYTES, BadFile, import_run

    try:
        with sys.stdin.buffer if file == "-" else open(file, "rb") as opened:
            content = opened.read(MAX_BYTES + 1)  # one byte more shows that it is too large
        key = import_run(get_store(), content, visitor=LOCAL_VISITOR)
    except (BadFile, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    row = get_store().get_summary(key)
    kind = "run" if row.kind == "run" else "compare"
    print(f"{row.title} is kept as {key}. In the app: /{kind}?{kind}={key}")
    return 0
