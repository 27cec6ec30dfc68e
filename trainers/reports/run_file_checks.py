"""What the events of an imported run must fulfil, beyond the types of their fields.

Pages take it for granted: labels name existing classes, shares are between 0 and 1, lists that
belong together have the same length, and the end fits the beginning.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from guide.approaches import APPROACHES
from trainers.evaluation.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from trainers.events import (
    CalibrationDone,
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    Event,
    JobCancelled,
    JobFailed,
    PhaseStarted,
    PilotDone,
    PredictionsRecorded,
    RunFinished,
    RunStarted,
    ValidationDone,
    WatchedExamples,
    WeightsCompared,
)
from trainers.store import END_EVENTS

# By the names of fields, so that they hold for events of any kind.
CLASS_INDEX_FIELDS = (
    "labels",
    "predictions",
    "watched_predictions",
    "map_labels",
    "map_predictions",
)
FRACTION_FIELDS = ("accuracy", "train_accuracy", "test_accuracy", "test_accuracy_low",
          "test_accuracy_high", "macro_f1")  # fmt: skip
EQUAL_LENGTH_FIELDS = (
    ("indices", "inputs", "labels"),
    ("labels", "predictions"),
    ("watched_predictions", "confidence"),
    ("map_labels", "map_predictions"),
    ("confidence", "correct"),
)
IMAGE_DATA_URI = re.compile(r"(data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]*)?")


class _Block(TypedDict):
    name: str
    parameters: int
    learnable: int


class _ChangedBlock(_Block):
    change: float | None


class _Difference(TypedDict):
    difference: float
    low: float
    high: float


def check_run(plan: Any, data: str, events: list[Event]) -> Iterator[str]:
    """Yield what is wrong with the events of a run, in words. `data` is the key in the file."""
    yield from _check_end(events, (RunFinished, JobFailed, JobCancelled))
    starts = [event for event in events if isinstance(event, RunStarted)]
    if not starts:
        if not isinstance(events[-1], JobFailed | JobCancelled) or len(events) > 1:
            yield "It ends without having started"
        return
    classes, last = starts[0].classes, events[-1]
    watching = next((event for event in events if isinstance(event, WatchedExamples)), None)
    watched = len(watching.labels) if watching else 0
    evaluations = [event for event in events if isinstance(event, ValidationDone)]
    mapped = next(
        (len(evaluation.map_points) for evaluation in evaluations if evaluation.map_points), 0
    )
    if evaluations and not any(evaluation.is_best for evaluation in evaluations):
        yield "None of its looks at the checks is the best"
    for number, event in enumerate(events, 1):
        where, fields = f"Event {number} ({event.type})", vars(event)
        labels = [label for name in CLASS_INDEX_FIELDS for label in fields.get(name, ())]
        if any(not 0 <= label < len(classes) for label in labels):
            yield f"{where} names a class that there is not"
        if any(not 0 <= (fields.get(name) or 0) <= 1 for name in FRACTION_FIELDS):
            yield f"{where} has a share that is not between 0 and 1"
        for names in EQUAL_LENGTH_FIELDS:
            if len({len(fields[name]) for name in names if name in fields}) > 1:
                yield f"{where} has lists of different lengths"
        match event:
            case RunStarted() | RunFinished():
                subject = (event.approach, event.data, event.classes)
                if subject != (plan.approach, data, classes) or not classes:
                    yield f"{where} is about something else than the plan"
            case PredictionsRecorded():
                for values in (event.confidence, event.calibrated_confidence):
                    if len(values) not in (0, len(event.predictions)) or not _are_fractions(values):
                        yield f"{where} is sure in a way that does not fit its answers"
            case CalibrationDone():
                if (
                    not _are_fractions(event.confidence)
                    or not MIN_TEMPERATURE <= event.temperature <= MAX_TEMPERATURE
                ):
                    yield f"{where} has a sureness or a temperature that cannot be"
            case WatchedExamples():
                pictures = any(content.startswith("data:") for content in event.inputs)
                if pictures and not all(map(IMAGE_DATA_URI.fullmatch, event.inputs)):
                    yield f"{where} has a picture that is none"
                if (
                    len(event.map_indices) not in (0, mapped)
                    or min(event.map_indices, default=0) < 0
                ):
                    yield f"{where} has a map that does not fit"
            case PhaseStarted():
                for block in event.blocks:
                    validate_as(_Block, block)
            case WeightsCompared():
                for block in event.blocks:
                    validate_as(_ChangedBlock, block)
                    if (block["change"] or 0) < 0:
                        yield f"{where} has a change below zero"
            case ValidationDone():
                if len(event.watched_predictions) != watched or len(event.map_labels) not in (
                    0,
                    mapped,
                ):
                    yield f"{where} does not fit what was watched before"
                if len(event.map_points) not in (0, mapped) or any(
                    len(point) != 2 for point in event.map_points
                ):
                    yield f"{where} has a map that does not fit"
    if isinstance(last, RunFinished):
        rows = [len(row) for row in last.confusion_matrix]
        if rows != [len(classes)] * len(classes) or last.test_examples < 1:
            yield "Its score does not fit its classes"


def _are_fractions(values: list[float]) -> bool:
    return all(0 <= value <= 1 for value in values)


def check_comparison(_: Any, data: str, events: list[Event]) -> Iterator[str]:
    """Yield what is wrong with the events of a comparison, in words."""
    yield from _check_end(events, (ComparisonDone, JobFailed, JobCancelled))
    for number, event in enumerate(events, 1):
        where = f"Event {number} ({event.type})"
        approaches = []
        match event:
            case ComparisonRunStarted() | ComparisonRunDone():
                approaches = [event.approach]
            case PilotDone():
                approaches = [event.article_advice, event.advice]
            case ComparisonDone():
                ended = [validate_as(RunFinished, row) for row in event.runs]
                for row in event.differences_to_advice.values():
                    validate_as(_Difference, row)
                if event.outcome not in ("right", "wrong", "cannot tell", ""):
                    yield f"{where} has an outcome that there is not"
                if any(run.data != data for run in ended) or not ended:
                    yield f"{where} is about something else than the plan"
                if any(
                    not 0 <= getattr(run, name) <= 1
                    for run in ended
                    for name in FRACTION_FIELDS[2:]
                ):
                    yield f"{where} has a share that is not between 0 and 1"
                approaches = [event.article_advice, event.advice, *event.failures]
                approaches += [*event.differences_to_advice, *(run.approach for run in ended)]
        if unknown := set(approaches) - set(APPROACHES):
            yield f"{where} names an approach that there is not ({min(unknown)[:40]!r})"


def _check_end(events: list[Event], ends: tuple[type[Event], ...]) -> Iterator[str]:
    if not isinstance(events[-1], ends) or any(type(event) in END_EVENTS for event in events[:-1]):
        yield "It does not end as it should"


@cache
def _type_adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def validate_as(kind: type, data: dict[str, Any]) -> Any:
    """Return `data` as a `kind`. Raises `ValidationError`, and what `kind` raises.

    Every field must have its very type. By way of JSON: only there a list is valid for a tuple.
    """
    return _type_adapter(kind).validate_json(json.dumps(data), strict=True)
