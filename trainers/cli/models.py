"""Commands that use a trained model: predict, export, report, fairness, forgetting."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from trainers.cli.commands import Command, examples
from trainers.cli.options import find_finished_run, json_option, run_argument
from trainers.cli.output import follow, start_job
from trainers.cli.predict import BadPrediction, Question, predict_to_terminal
from trainers.cli.views import draw_forgetting
from trainers.datasets.uploads import LOCAL_VISITOR, BadUpload
from trainers.evaluation.abstention import DEFAULT_ACCURACY_PERCENT
from trainers.evaluation.subgroups import (
    SubgroupScore,
    describe_class_mix,
    describe_gaps,
    find_gaps,
    score_classes,
    score_groups,
)
from trainers.events import JobDone, PredictionsRecorded, RunFinished
from trainers.jobs import ForgettingTest
from trainers.reports.mistakes import ExamplesUnavailable, load_test_examples
from trainers.store import get_store
from trainers.workers.execute import describe_failure

PATH = click.Path(path_type=Path)


@click.command(
    cls=Command,
    epilog=examples(
        'thaw predict last --text "Where is my parcel?"',
        "thaw predict last --file cat.jpg --file dog.jpg",
        "thaw predict last --csv in.csv --column message --to out.csv",
    ),
)
@run_argument
@click.option("--text", multiple=True, help="Repeat it for more texts.")
@click.option("--file", "files", multiple=True, type=PATH, help="A picture or a text file.")
@click.option("--csv", "table", type=PATH, metavar="IN", help="A table with a column of texts.")
@click.option("--column", help="Of the table; guessed by default.")
@click.option("--to", type=PATH, metavar="OUT", help="Where the table with predictions goes.")
@click.option(
    "--min-accuracy",
    type=float,
    default=DEFAULT_ACCURACY_PERCENT,
    show_default=True,
    help="Per cent of predictions that should be right; others become 'not sure'. 0: predict all.",
)
def predict(
    run: str,
    text: tuple[str, ...],
    files: tuple[Path, ...],
    table: Path | None,
    column: str | None,
    to: Path | None,
    min_accuracy: float,
) -> int:
    """Predict classes with a trained model.

    RUN is the id of a finished run, or `last`: the newest that this terminal finished.
    """
    try:
        question = Question(find_finished_run(run), text, files, table, column, min_accuracy)
        question.check(has_output=to is not None)
        question.read()
    except (BadPrediction, BadUpload, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        predict_to_terminal(question, to)
    except Exception as error:  # the user gets a sentence, whatever went wrong
        print(describe_failure(error), file=sys.stderr)
        return 1
    return 0


@click.command(cls=Command, epilog=examples("thaw export last --to model.zip --onnx"))
@run_argument
@click.option("--to", type=PATH, required=True, metavar="FILE.zip")
@click.option("--onnx", is_flag=True, help="Add the model as ONNX.")
def export(run: str, to: Path, onnx: bool) -> int:
    """Pack a trained model, to use it without Thaw.

    RUN is the id of a finished run, or `last`: the newest that this terminal finished.
    """
    key = find_finished_run(run).id
    # Imported only now: a wrong id should not wait for torch.
    from trainers.export.bundle import export_bundle

    try:
        export_bundle(key, to, onnx=onnx)
    except Exception as error:  # the user gets a sentence, whatever went wrong
        print(describe_failure(error), file=sys.stderr)
        return 1
    print(f"{to}: {to.stat().st_size / 1e6:,.1f} MB. Unpack it; its README.md says how to use it.")
    return 0


@click.command(cls=Command, epilog=examples("thaw report last --to report.html"))
@run_argument
@click.option("--to", type=PATH, required=True, metavar="FILE.html")
def report(run: str, to: Path) -> int:
    """Write a run as one page, to print or send.

    RUN is the id of a finished run, or `last`: the newest that this terminal finished.
    """
    finished = find_finished_run(run)
    # Imported only now: a wrong id should not wait for what a report needs.
    from trainers.reports.report import ReportUnavailable, render_stored_report

    try:
        to.write_text(render_stored_report(finished), "utf-8")
    except ReportUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{to} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    print(f"{to}: open it in a browser, print it, or send it.")
    return 0


@click.command(cls=Command, epilog=examples("thaw forgetting last"))
@run_argument
@json_option()
def forgetting(run: str, as_json: bool) -> int:
    """Measure what a backbone forgot while it was fine-tuned.

    RUN is the id of a finished run, or `last`: the newest that this terminal finished.
    """
    _, stream = start_job(ForgettingTest(key=find_finished_run(run).id, visitor=LOCAL_VISITOR))
    return follow(stream, JobDone, None if as_json else draw_forgetting)


@click.command(cls=Command, epilog=examples("thaw fairness last"))
@run_argument
@json_option("Print the scores as JSON.")
def fairness(run: str, as_json: bool) -> int:
    """Score each class and group of a run apart.

    RUN is the id of a finished run, or `last`: the newest that this terminal finished.
    """
    finished = find_finished_run(run)
    events = [event for _, event in get_store().read_events(finished.id)]
    recorded = next((event for event in events if isinstance(event, PredictionsRecorded)), None)
    end = events[-1] if events else None
    if recorded is None or not isinstance(end, RunFinished):
        print("That run has no test predictions. Choose a run that finished.", file=sys.stderr)
        return 2
    scores = {"class": score_classes(recorded, end.classes)}
    if finished.job.data.startswith("own-"):
        try:
            split = load_test_examples(finished.job, recorded, end.classes)
            if split.group_names:
                scores["group"] = score_groups(recorded, split.groups, split.group_names)
        except ExamplesUnavailable as error:
            print(f"Scores of groups are not available. {error}", file=sys.stderr)
    if as_json:
        print(json.dumps({kind: _to_dict(rows, kind) for kind, rows in scores.items()}, indent=2))
        return 0
    print(f"{end.test_correct} of {end.test_examples} right.")
    for kind, rows in scores.items():
        _print_scores(rows, kind, end.test_accuracy)
    return 0


def _to_dict(rows: Sequence[SubgroupScore], kind: str) -> dict:
    gaps = find_gaps(rows)
    return {
        "scores": [row._asdict() for row in rows],
        "gaps": [gap._asdict() for gap in gaps],
        "words": describe_gaps(rows, gaps, kind),
    }


def _print_scores(rows: Sequence[SubgroupScore], kind: str, overall: float) -> None:
    width = max(len(row.name) for row in rows)
    print(f"\n{kind:{width}}  {'right':>6}  {'of':>5}  95 % interval")
    for row in rows:
        if row.tests:
            interval = f"{row.low:.0%} to {row.high:.0%}"
            print(f"{row.name:{width}}  {row.share:>6.0%}  {row.tests:>5}  {interval}")
        else:
            print(f"{row.name:{width}}  none in the test")
    lines = describe_gaps(rows, find_gaps(rows), kind)
    if kind == "group":
        lines += filter(None, (describe_class_mix(row, overall) for row in rows))
    for line in lines:
        print(f"- {line}")
