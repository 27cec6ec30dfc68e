"""A trained model, asked: `python -m trainers try last --text "Where is it?"`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainers import backbones
from trainers.cli.options import finished, run_option
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, sanitize_line
from trainers.evaluation.abstention import (
    DEFAULT_ACCURACY_PERCENT,
    choose_threshold,
    find_calibration,
)
from trainers.serving import Prediction, RawInput, batch_inputs, pack_inputs
from trainers.serving.drift import MIN_ANSWERS, describe_drift, detect_drift
from trainers.serving.tables import read_table, write_csv
from trainers.store import FINISHED, Run, get_store
from trainers.workers.execute import describe_failure

TOP = 3


class CannotTry(ValueError):
    """What was asked for cannot be tried; the text says why."""


def add(commands: Any) -> None:
    command = commands.add_parser("try", help="ask a finished run's model")
    run_option(command)
    command.add_argument("--text", action="append", default=[], help="again for each more")
    command.add_argument("--file", action="append", default=[], type=Path,
                         help="a picture, or a text")  # fmt: skip
    command.add_argument("--csv", type=Path, metavar="IN", help="a table with a column of texts")
    command.add_argument("--column", help="of the table; guessed by default")
    command.add_argument("--to", type=Path, metavar="OUT", help="where the answered table goes")
    command.add_argument("--precision", type=float, default=DEFAULT_ACCURACY_PERCENT,
                         help="percent of the answers that should be right (90), else: not sure; "
                         "0: answer always")  # fmt: skip


def run(given: dict[str, Any]) -> int:
    """2, and one line, for what could not be asked for; 1 where there is no answer."""
    text, file, csv = given["text"], given["file"], given["csv"]
    to, precision = given["to"], given["precision"]
    try:
        found = _whole(finished(given["run"]))
        modality = _modality(found)
        if not (text or file or csv) or (csv is None) != (to is None):
            raise CannotTry("Give --text or --file, or --csv with --to.")
        if not 0 <= precision < 100:
            raise CannotTry(f"--precision is {precision:g}. It must be from 0 to below 100.")
        if modality == "images" and (text or csv):
            raise CannotTry("This model reads pictures: give --file.")
        names = [sanitize_line(one) for one in text] + [sanitize_line(str(one)) for one in file]
        inputs: list[RawInput] = [*text, *(_content(one, modality) for one in file)]
        table = read_table(csv.name, csv.read_bytes()) if csv else None
        for notice in table.notices if table else ():
            print(notice, file=sys.stderr)
        place = _place(table.names, given["column"], table.text_column) if table else 0
    except (CannotTry, BadUpload, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        asked = [*inputs, *(row[place] for row in table.rows)] if table else inputs
        answers, tested = _answers(found.id, asked)
    except Exception as error:  # it must end with a word, whatever happened in it
        print(describe_failure(error), file=sys.stderr)
        return 1
    classes, least = found.result["classes"], _least(found, precision)
    for name, answer in zip(names, answers[: len(names)], strict=True):
        print(f"{name}: {told(answer, classes, least)}" if len(names) > 1 else
              told(answer, classes, least))  # fmt: skip
    if table:
        rows = [
            [*row, *_cells(answer, classes, least)]
            for row, answer in zip(table.rows, answers[len(names) :], strict=True)
        ]
        to.write_text(write_csv([*table.names, "answer", "likeliest", "sureness"], rows), "utf-8")
        print(f"{len(rows):,} rows answered: {to}")
    if tested:
        alone = [one for one in dict(zip(asked, answers, strict=True)).values() if not one.error]
        shown = [sanitize_line(name) for name in classes]
        print(*describe_drift(detect_drift(alone, tested), shown, len(alone)), sep="\n")
    return 0


def told(answer: Prediction, classes: Sequence[str], least: float) -> str:
    """The answer on a line."""
    if answer.error:
        return answer.error
    order = sorted(range(len(classes)), key=lambda place: -answer.sureness[place])
    best = ", ".join(
        f"{sanitize_line(classes[at])} {answer.sureness[at]:.2f}" for at in order[:TOP]
    )
    if answer.unlike:
        return f"unlike what it learned from (it would say {sanitize_line(classes[order[0]])})"
    return f"not sure ({best})" if answer.sureness[order[0]] < least else best


def _cells(answer: Prediction, classes: Sequence[str], least: float) -> list[str | float]:
    if answer.error:
        return ["", "", ""]
    best, sure = classes[answer.label], answer.sureness[answer.label]
    if answer.unlike:
        return ["unlike what it learned from", best, ""]
    return ["not sure" if sure < least else best, best, round(sure, 4)]


def _whole(run: Run) -> Run:
    if run.kind != "run" or run.state != FINISHED:
        raise CannotTry(f"{run.id} is no finished run ({run.kind}, {run.state}).")
    return run


def _modality(run: Run) -> str:
    return backbones.pick(run.plan.backbone).modality


def _content(file: Path, modality: str) -> RawInput:
    if modality == "text":
        return file.read_text("utf-8", "replace")
    with file.open("rb") as opened:
        content = opened.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise CannotTry(f"{sanitize_line(str(file))} is too large for a picture. Save it smaller.")
    return content


def _place(names: Sequence[str], column: str | None, guessed: int) -> int:
    if column is None:
        return guessed
    if column not in names:
        raise CannotTry(
            f"The table has no column {sanitize_line(column)!r}. It has: {', '.join(names)}."
        )
    return list(names).index(column)


def _least(run: Run, precision: float) -> float:
    """Below it: not sure. -1 where that was not measured, or all should be answered."""
    measured = find_calibration([event for _, event in get_store().read_events(run.id)])
    if not (precision and measured and measured.confidence) or run.plan.approach == "none":
        return -1.0
    return choose_threshold(measured.confidence, measured.correct, precision / 100).min_confidence


def _answers(run: str, inputs: Sequence[RawInput]) -> tuple[list[Prediction], list[Prediction]]:
    """An answer to each; and, where they are many, those to examples of the test."""
    from trainers.serving.server import ModelCache, handle_request

    warm = ModelCache()

    def ask(verb: str, part: Sequence[RawInput] = ()) -> list[Prediction]:
        given, blobs = pack_inputs(part)
        question = {"verb": verb, "run": run, "inputs": given, "options": {}}
        return [
            Prediction.from_dict(one)
            for one in handle_request(warm, question, blobs, lambda text, share: None)
        ]

    answers = [one for part in batch_inputs(inputs) for one in ask("answer", part)]
    return answers, ask("tested") if len(set(inputs)) >= MIN_ANSWERS else []
