"""A run or a comparison as a file: made of the store, and read back, also where it is not ours.

The file is JSON: what it is, the plan, and every event. It holds no example of a visitor's own
data, no key of a visitor and no link to a run. Weights are not in it.
"""

import json
import math
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from guide.approaches import APPROACHES
from trainers import datasets, jobs
from trainers.datasets.uploads.storage import UPLOAD_KEY, write_tombstone
from trainers.evaluation.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from trainers.events import (
    KINDS as EVENT_KINDS,
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
from trainers.plan import BadPlan
from trainers.store import END_EVENTS, RunNotFound, Store
from trainers.store.rows import MAX_NAME_CHARS, MAX_NOTE_CHARS
from trainers.store.runs import ImportedRun
from trainers.system.registry import UnknownKey

FORMAT_VERSION = 1  # of the file
MAX_BYTES = 32_000_000  # a run of 3 seconds takes about 30,000. Ours
MAX_RUNS = 20  # runs of a comparison. Ours


class BadFile(ValueError):
    """A file that is no run; the text says what is wrong and what to do."""


# --- out ------------------------------------------------------------------------------------------


def export_run(store: Store, run: str) -> str:
    """The file of a run or a comparison that is over. Raises `NoSuchRun` and `BadFile`."""
    return json.dumps(_build_document(store, run), allow_nan=False)


def _build_document(store: Store, run: str) -> dict[str, Any]:
    found, past = store.get_run(run), store.get_summary(run)
    if not found.is_over:
        raise BadFile("This run is not over yet. Wait for its end, or stop it; then download it.")
    told = [event for _, event in store.read_events(run)]
    parts = [event.run_id for event in told if isinstance(event, ComparisonRunStarted)]
    numbers = {key: str(number) for number, key in enumerate(parts)}
    document = {
        "thaw_run": FORMAT_VERSION,
        "kind": found.kind,
        "title": past.title,
        "name": past.name,
        "note": past.note,
        "created": found.created_at,
        "ended": found.finished_at or found.created_at,
        "plan": found.job.as_json(),
        "events": [
            _rename_runs(_strip_examples(event, past.data), numbers).as_json() for event in told
        ],
    }
    if found.kind == "compare":
        document["plan"]["visitor"] = ""  # a key: whoever has it is taken for the visitor
        document["parts"] = {}
        for key, number in numbers.items():
            try:
                document["parts"][number] = _build_document(store, key)
            except RunNotFound:  # deleted by itself: its score stays in the comparison
                continue
    return document


def _strip_examples(event: Event, data: str) -> Event:
    """The event without examples of a visitor's own data: a file is passed on."""
    if isinstance(event, WatchedExamples) and data.startswith("own-"):
        return replace(event, inputs=[""] * len(event.inputs))
    return event


def _rename_runs(event: Event, names: Mapping[str, str]) -> Event:
    """The event with other ids for the runs of a comparison; "" for one that has none."""
    match event:
        case ComparisonRunStarted() | ComparisonRunDone():
            return replace(event, run_id=names.get(event.run_id, ""))
        case ComparisonDone():
            rows = [row | {"run": names.get(row.get("run"), "")} for row in event.runs]
            return replace(event, runs=rows)
    return event


# --- in -------------------------------------------------------------------------------------------


class _RunFile(BaseModel):
    """What `_document` makes. Of plan and events only that they are objects is held here."""

    model_config = ConfigDict(strict=True)
    thaw_run: Literal[1]
    kind: Literal["run", "compare"]
    title: str = Field(max_length=500)
    name: str = Field(max_length=MAX_NAME_CHARS)
    note: str = Field(max_length=MAX_NOTE_CHARS)
    created: float = Field(ge=0)
    ended: float = Field(ge=0)
    plan: dict[str, Any]
    events: list[dict[str, Any]] = Field(min_length=1)
    parts: dict[str, "_RunFile"] = Field(default={}, max_length=MAX_RUNS)


@dataclass(frozen=True)
class _ParsedFile:
    """A file that was checked. Its data may be unknown here: then `plan` names a sample like it."""

    file: _RunFile
    plan: Any
    events: list[Event]
    parts: dict[str, "_ParsedFile"]


def import_run(store: Store, content: bytes, visitor: str) -> str:
    """Keeps the run in a file as the visitor's own, and hands back its new id. Raises `BadFile`;
    then nothing is kept."""
    return _save(store, _parse(content), visitor)


def _save(store: Store, read: _ParsedFile, visitor: str, parent_id: str | None = None) -> str:
    file, key, now = read.file, secrets.token_urlsafe(16), time.time()
    names = {number: _save(store, part, visitor, key) for number, part in read.parts.items()}
    changes = {"data": file.plan["data"], "fixes": tuple(file.plan.get("mends", ()))}
    if changes["data"] != read.plan.data:
        write_tombstone(changes["data"], datasets.get_dataset(read.plan.data).modality)
    if file.kind == "compare":
        changes["visitor"] = visitor
    # What has no name here is told by the one that it had.
    foreign = changes["data"] != read.plan.data and not file.name
    store.import_run(
        ImportedRun(
            id=key,
            job=replace(read.plan, **changes),
            visitor=visitor,
            events=[_rename_runs(event, names) for event in read.events],
            name=file.title if foreign else file.name,
            note=file.note,
            created_at=min(file.created, now),
            finished_at=min(file.ended, now),
            parent_id=parent_id,
        )
    )
    return key


def _parse(content: bytes) -> _ParsedFile:
    if len(content) > MAX_BYTES:
        raise _bad_file(f"It has more than {MAX_BYTES / 1e6:.0f} MB, and no run takes so much")
    try:
        found = json.loads(
            content,
            parse_constant=_reject_constant,
            parse_float=_parse_finite,
            parse_int=_parse_int,
        )
        if not isinstance(found, dict) or "thaw_run" not in found:
            raise _bad_file("It is not a run of Thaw")
        if found["thaw_run"] != FORMAT_VERSION:
            raise _bad_file("It was made by another version of Thaw")
        return _validate(_RunFile.model_validate(found))
    except BadFile:
        raise
    except RecursionError:
        raise _bad_file("It is nested too deeply") from None
    except ValidationError as error:
        raise _bad_file(_describe_error(error)) from None
    except ValueError as error:  # of Unicode and of JSON
        raise _bad_file(f"It cannot be read as JSON ({error})") from None


def _validate(file: _RunFile, *, part: bool = False) -> _ParsedFile:
    if file.parts and (part or file.kind != "compare"):
        raise _bad_file("It has parts, and is no comparison")
    events = [_parse_event(data, number) for number, data in enumerate(file.events, 1)]
    plan = _parse_plan(file, events)
    parts = {number: _validate(one, part=True) for number, one in file.parts.items()}
    if any(one.file.kind != "run" or one.plan.data != plan.data for one in parts.values()):
        raise _bad_file("A part of the comparison is no run on its data")
    check = _check_run if file.kind == "run" else _check_comparison
    for wrong in check(file, plan, events):
        raise _bad_file(wrong)
    return _ParsedFile(file, plan, events, parts)


def _parse_event(data: dict[str, Any], number: int) -> Event:
    kind = EVENT_KINDS.get(str(data.get("type")))
    if kind is None:
        raise _bad_file(f"Event {number} is of no kind that this version of Thaw knows")
    try:
        return _validate_as(kind, data)
    except ValidationError as error:
        raise _bad_file(_describe_error(error, f"event {number}, {data['type']}")) from None


def _parse_plan(file: _RunFile, events: list[Event]) -> Any:
    """The plan; on data that is not here, with a bundled sample of its kind in its place."""
    settings, data = dict(file.plan), file.plan.get("data")
    try:
        datasets.get_dataset(data)
    except UnknownKey as error:
        modality = _find_modality(file, events)
        if not UPLOAD_KEY.fullmatch(data) or not modality:
            raise _bad_file(str(error)) from None
        _check_fixes(settings.get("mends", []))
        like = next(one for one in datasets.BUNDLED_DATASETS.values() if one.modality == modality)
        settings |= {"data": like.key, "mends": []}
    except (TypeError, AttributeError):
        raise _bad_file("Its plan names no data") from None
    try:
        plan = _validate_as(jobs.KINDS[file.kind].job_type, settings)
        if isinstance(plan, jobs.Comparison):
            plan.make_plans()  # raises where one could never run
    except ValidationError as error:
        raise _bad_file(_describe_error(error, "plan")) from None
    except BadPlan as error:
        raise _bad_file(str(error)) from None
    return plan


def _check_fixes(given: Any) -> None:
    """Those of a plan whose data is not here: no `Plan` looks at them."""
    from trainers.data_checks import FIXABLE_KEYS  # it needs the samples, which take a while

    if not isinstance(given, list) or any(one not in list(FIXABLE_KEYS) for one in given):
        raise _bad_file("Its plan leaves examples out for a reason that Thaw does not know")


def _find_modality(file: _RunFile, events: list[Event]) -> str | None:
    """What a run, or the first part of a comparison, says that its data is."""
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    if started is None:
        told = [data for one in file.parts.values() for data in one.events]
        started = next(
            (_parse_event(data, 1) for data in told if data.get("type") == "started"), None
        )
    known = {sample.modality for sample in datasets.BUNDLED_DATASETS.values()}
    return started.modality if started and started.modality in known else None


# What pages take for granted, by the names of fields: so it holds for events of any kind.
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


def _check_run(file: _RunFile, plan: Any, events: list[Event]) -> Iterator[str]:
    """What is wrong with the events of a run, in words."""
    yield from _check_end(events, (RunFinished, JobFailed, JobCancelled))
    starts = [event for event in events if isinstance(event, RunStarted)]
    if not starts:
        if not isinstance(events[-1], JobFailed | JobCancelled) or len(events) > 1:
            yield "It ends without having started"
        return
    classes, last = starts[0].classes, events[-1]
    watching = next((event for event in events if isinstance(event, WatchedExamples)), None)
    watched = len(watching.labels) if watching else 0
    looks = [event for event in events if isinstance(event, ValidationDone)]
    mapped = next((len(look.map_points) for look in looks if look.map_points), 0)
    if looks and not any(look.is_best for look in looks):
        yield "None of its looks at the checks is the best"
    for number, event in enumerate(events, 1):
        where, fields = f"Event {number} ({event.type})", vars(event)
        given = [label for name in CLASS_INDEX_FIELDS for label in fields.get(name, ())]
        if any(not 0 <= label < len(classes) for label in given):
            yield f"{where} names a class that there is not"
        if any(not 0 <= (fields.get(name) or 0) <= 1 for name in FRACTION_FIELDS):
            yield f"{where} has a share that is not between 0 and 1"
        for names in EQUAL_LENGTH_FIELDS:
            if len({len(fields[name]) for name in names if name in fields}) > 1:
                yield f"{where} has lists of different lengths"
        match event:
            case RunStarted() | RunFinished():
                about = (event.approach, event.data, event.classes)
                if about != (plan.approach, file.plan["data"], classes) or not classes:
                    yield f"{where} is about something else than the plan"
            case PredictionsRecorded():
                for said in (event.confidence, event.calibrated_confidence):
                    if len(said) not in (0, len(event.predictions)) or not _are_fractions(said):
                        yield f"{where} is sure in a way that does not fit its answers"
            case CalibrationDone():
                if (
                    not _are_fractions(event.confidence)
                    or not MIN_TEMPERATURE <= event.temperature <= MAX_TEMPERATURE
                ):
                    yield f"{where} has a sureness or a temperature that cannot be"
            case WatchedExamples():
                pictures = any(shown.startswith("data:") for shown in event.inputs)
                if pictures and not all(map(IMAGE_DATA_URI.fullmatch, event.inputs)):
                    yield f"{where} has a picture that is none"
                if (
                    len(event.map_indices) not in (0, mapped)
                    or min(event.map_indices, default=0) < 0
                ):
                    yield f"{where} has a map that does not fit"
            case PhaseStarted():
                for part in event.blocks:
                    _validate_as(_Block, part)
            case WeightsCompared():
                for part in event.blocks:
                    _validate_as(_ChangedBlock, part)
                    if (part["change"] or 0) < 0:
                        yield f"{where} has a change below zero"
            case ValidationDone():
                if len(event.watched_predictions) != watched or len(event.map_labels) not in (
                    0,
                    mapped,
                ):
                    yield f"{where} does not fit what was watched before"
                if len(event.map_points) not in (0, mapped) or any(
                    len(at) != 2 for at in event.map_points
                ):
                    yield f"{where} has a map that does not fit"
    if isinstance(last, RunFinished):
        rows = [len(row) for row in last.confusion_matrix]
        if rows != [len(classes)] * len(classes) or last.test_examples < 1:
            yield "Its score does not fit its classes"


def _are_fractions(values: list[float]) -> bool:
    return all(0 <= value <= 1 for value in values)


def _check_comparison(file: _RunFile, _: Any, events: list[Event]) -> Iterator[str]:
    """What is wrong with the events of a comparison, in words."""
    yield from _check_end(events, (ComparisonDone, JobFailed, JobCancelled))
    for number, event in enumerate(events, 1):
        where = f"Event {number} ({event.type})"
        named = []
        match event:
            case ComparisonRunStarted() | ComparisonRunDone():
                named = [event.approach]
            case PilotDone():
                named = [event.article_advice, event.advice]
            case ComparisonDone():
                ended = [_validate_as(RunFinished, row) for row in event.runs]
                for row in event.differences_to_advice.values():
                    _validate_as(_Difference, row)
                if event.outcome not in ("right", "wrong", "cannot tell", ""):
                    yield f"{where} has an outcome that there is not"
                if any(one.data != file.plan["data"] for one in ended) or not ended:
                    yield f"{where} is about something else than the plan"
                if any(
                    not 0 <= getattr(one, name) <= 1
                    for one in ended
                    for name in FRACTION_FIELDS[2:]
                ):
                    yield f"{where} has a share that is not between 0 and 1"
                named = [event.article_advice, event.advice, *event.failures]
                named += [*event.differences_to_advice, *(one.approach for one in ended)]
        if unknown := set(named) - set(APPROACHES):
            yield f"{where} names an approach that there is not ({min(unknown)[:40]!r})"


def _check_end(events: list[Event], ends: tuple[type[Event], ...]) -> Iterator[str]:
    if not isinstance(events[-1], ends) or any(type(event) in END_EVENTS for event in events[:-1]):
        yield "It does not end as it should"


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


@cache
def _type_adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def _validate_as(kind: type, data: dict[str, Any]) -> Any:
    """`data` as a `kind`, every field of its type. Raises `ValidationError`, and what `kind` does.
    JSON once more: only there is a list good for a tuple."""
    return _type_adapter(kind).validate_json(json.dumps(data), strict=True)


def _describe_error(error: ValidationError, inside: str = "") -> str:
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), BadPlan):
        return str(own)
    place = ".".join(str(name) for name in first["loc"])[:80]
    return f"In it, {' at '.join(filter(None, [inside, place]))}: {first['msg']}"


def _bad_file(why: str) -> BadFile:
    why = why[:400].rstrip(".")
    return BadFile(
        f"This file cannot be brought in. {why}. Nothing was kept. Choose a file that was "
        "downloaded from Runs, as it was downloaded."
    )


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _parse_finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _parse_int(digits: str) -> int:
    if len(digits) > 16:  # JavaScript counts no further
        raise ValueError(f"{digits[:20]} is too large a number")
    return int(digits)
