"""`thaw predict`: what to ask a trained model, and its predictions as text or as a table."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trainers import backbones
from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, sanitize_line
from trainers.evaluation.abstention import choose_threshold, find_calibration
from trainers.serving import Prediction, RawInput, batch_inputs, pack_inputs
from trainers.serving.drift import MIN_ANSWERS, describe_drift, detect_drift
from trainers.serving.tables import read_table, write_csv
from trainers.store import FINISHED, Run, get_store

MAX_SHOWN_CLASSES = 3
RESULT_COLUMNS = ("answer", "likeliest", "sureness")


class BadPrediction(ValueError):
    """A question that the model cannot answer. The text says why."""


@dataclass
class Question:
    """Texts, files or a table for the model of `run`."""

    run: Run
    texts: Sequence[str] = ()
    files: Sequence[Path] = ()
    table_file: Path | None = None
    column: str | None = None  # of the table; None: guessed
    min_accuracy: float = 0.0  # per cent; 0: always predict
    inputs: list[RawInput] = field(default_factory=list)  # texts and files, then the table's rows
    table: Any = None

    @property
    def classes(self) -> list[str]:
        return self.run.result["classes"]

    @property
    def names(self) -> list[str]:
        """Return the name of each text and file in the output."""
        return [sanitize_line(str(name)) for name in (*self.texts, *self.files)]

    @property
    def modality(self) -> str:
        return backbones.pick(self.run.job.backbone).modality

    @cached_property
    def min_confidence(self) -> float:
        """Below it a prediction becomes "not sure". -1: never."""
        calibration = find_calibration([e for _, e in get_store().read_events(self.run.id)])
        measured = calibration and calibration.confidence and self.run.job.approach != "none"
        if not self.min_accuracy or not measured:
            return -1.0
        accuracy = self.min_accuracy / 100
        return choose_threshold(
            calibration.confidence, calibration.correct, accuracy
        ).min_confidence

    def check(self, *, has_output: bool) -> None:
        """Raises `BadPrediction` if the options do not fit each other or the model."""
        run = self.run
        if run.kind != "run" or run.state != FINISHED:
            raise BadPrediction(f"{run.id} is not a finished run ({run.kind}, {run.state}).")
        has_table = self.table_file is not None
        if not (self.texts or self.files or has_table) or has_table != has_output:
            raise BadPrediction("Give --text or --file, or --csv with --to.")
        if not 0 <= self.min_accuracy < 100:
            raise BadPrediction(
                f"--min-accuracy is {self.min_accuracy:g}. It must be from 0 to below 100."
            )
        if self.modality == "images" and (self.texts or has_table):
            raise BadPrediction("This model reads pictures: give --file.")

    def read(self) -> None:
        """Fill `inputs` and `table`. Raises `BadPrediction`, `BadUpload` and `OSError`."""
        self.inputs = [*self.texts, *map(self._read_file, self.files)]
        if self.table_file is None:
            return
        self.table = read_table(self.table_file.name, self.table_file.read_bytes())
        for notice in self.table.notices:
            print(notice, file=sys.stderr)
        column = self._find_column(self.table.names, self.table.text_column)
        self.inputs += [row[column] for row in self.table.rows]

    def _read_file(self, file: Path) -> RawInput:
        if self.modality == "text":
            return file.read_text("utf-8", "replace")
        with file.open("rb") as opened:
            content = opened.read(MAX_IMAGE_BYTES + 1)
        if len(content) > MAX_IMAGE_BYTES:
            raise BadPrediction(
                f"{sanitize_line(str(file))} is too large for a picture. Save it smaller."
            )
        return content

    def _find_column(self, names: Sequence[str], guessed: int) -> int:
        if self.column is None:
            return guessed
        if self.column not in names:
            raise BadPrediction(
                f"The table has no column {sanitize_line(self.column)!r}. "
                f"It has: {', '.join(names)}."
            )
        return list(names).index(self.column)


def predict_to_terminal(question: Question, to: Path | None) -> None:
    """Print the predictions for texts and files, write those for the table to `to`, and print
    whether the inputs drift from the test's."""
    answers, test_answers = _ask_model(question.run.id, question.inputs)
    classes, least = question.classes, question.min_confidence
    names = question.names
    for name, answer in zip(names, answers[: len(names)], strict=True):
        line = format_prediction(answer, classes, least)
        print(f"{name}: {line}" if len(names) > 1 else line)
    if question.table:
        rows = [
            [*row, *_cells(answer, classes, least)]
            for row, answer in zip(question.table.rows, answers[len(names) :], strict=True)
        ]
        to.write_text(write_csv([*question.table.names, *RESULT_COLUMNS], rows), "utf-8")
        print(f"{len(rows):,} rows answered: {to}")
    if test_answers:
        distinct = dict(zip(question.inputs, answers, strict=True)).values()
        valid = [answer for answer in distinct if not answer.error]
        labels = [sanitize_line(name) for name in classes]
        print(*describe_drift(detect_drift(valid, test_answers), labels, len(valid)), sep="\n")


def format_prediction(answer: Prediction, classes: Sequence[str], min_confidence: float) -> str:
    """Return the prediction on one line."""
    if answer.error:
        return answer.error
    order = sorted(range(len(classes)), key=lambda label: -answer.sureness[label])
    best = ", ".join(
        f"{sanitize_line(classes[label])} {answer.sureness[label]:.2f}"
        for label in order[:MAX_SHOWN_CLASSES]
    )
    if answer.unlike:
        likeliest = sanitize_line(classes[order[0]])
        return f"unlike what it learned from (it would say {likeliest})"
    return f"not sure ({best})" if answer.sureness[order[0]] < min_confidence else best


def _cells(answer: Prediction, classes: Sequence[str], min_confidence: float) -> list[str | float]:
    if answer.error:
        return ["", "", ""]
    likeliest, confidence = classes[answer.label], answer.sureness[answer.label]
    if answer.unlike:
        return ["unlike what it learned from", likeliest, ""]
    shown = "not sure" if confidence < min_confidence else likeliest
    return [shown, likeliest, round(confidence, 4)]


def _ask_model(run: str, inputs: Sequence[RawInput]) -> tuple[list[Prediction], list[Prediction]]:
    """Return the predictions for `inputs`; and, for many inputs, those for the test examples."""
    # Imported only now: wrong options should not wait for torch.
    from trainers.serving.server import ModelCache, handle_request

    cache = ModelCache()

    def ask(verb: str, batch: Sequence[RawInput] = ()) -> list[Prediction]:
        packed, blobs = pack_inputs(batch)
        request = {"verb": verb, "run": run, "inputs": packed, "options": {}}
        rows = handle_request(cache, request, blobs, lambda text, share: None)
        return [Prediction.from_dict(row) for row in rows]

    answers = [answer for batch in batch_inputs(inputs) for answer in ask("answer", batch)]
    return answers, ask("tested") if len(set(inputs)) >= MIN_ANSWERS else []
