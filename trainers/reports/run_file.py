"""A run or a comparison as a file: exported from the store, and imported, also from elsewhere.

The file is JSON: what it is, the plan, and every event. It holds no example of a visitor's own
data, no key of a visitor and no link to a run. Weights are not in it.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainers import datasets, jobs
from trainers.datasets.uploads.storage import UPLOAD_KEY, write_tombstone
from trainers.events import (
    KINDS as EVENT_KINDS,
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    Event,
    RunStarted,
    WatchedExamples,
)
from trainers.plan import BadPlan
from trainers.reports.run_file_checks import check_comparison, check_run, validate_as
from trainers.store import RunNotFound, Store
from trainers.store.rows import MAX_NAME_CHARS, MAX_NOTE_CHARS, new_run_id
from trainers.store.runs import ImportedRun
from trainers.system.registry import UnknownKey

FORMAT_VERSION = 1  # of the file
MAX_BYTES = 32_000_000  # a run of 3 seconds takes about 30,000. Ours
MAX_RUNS = 20  # runs of a comparison. Ours


class BadFile(ValueError):
    """A file that is not a run; the text says what is wrong and what to do."""


# --- out ------------------------------------------------------------------------------------------


def export_run(store: Store, run: str) -> str:
    """Return a finished run or comparison as JSON. Raises `RunNotFound` and `BadFile`."""
    return json.dumps(_build_document(store, run), allow_nan=False)


def _build_document(store: Store, run: str) -> dict[str, Any]:
    job, summary = store.get_run(run), store.get_summary(run)
    if not job.is_over:
        raise BadFile("This run is not over yet. Wait for its end, or stop it; then download it.")
    events = [event for _, event in store.read_events(run)]
    parts = [event.run_id for event in events if isinstance(event, ComparisonRunStarted)]
    numbers = {key: str(number) for number, key in enumerate(parts)}
    document = {
        "thaw_run": FORMAT_VERSION,
        "kind": job.kind,
        "title": summary.title,
        "name": summary.name,
        "note": summary.note,
        "created": job.created_at,
        "ended": job.finished_at or job.created_at,
        "plan": job.job.as_json(),
        "events": [
            _rename_runs(_strip_examples(event, summary.data), numbers).as_json()
            for event in events
        ],
    }
    if job.kind == "compare":
        document["plan"]["visitor"] = ""  # whoever has this id is taken for the visitor
        document["parts"] = {}
        for key, number in numbers.items():
            try:
                document["parts"][number] = _build_document(store, key)
            except RunNotFound:  # was deleted: its score stays in the comparison
                continue
    return document


def _strip_examples(event: Event, data: str) -> Event:
    """Return the event without examples of a visitor's own data: files are passed on."""
    if isinstance(event, WatchedExamples) and data.startswith("own-"):
        return replace(event, inputs=[""] * len(event.inputs))
    return event


def _rename_runs(event: Event, names: Mapping[str, str]) -> Event:
    """Return the event with other ids for the runs of a comparison; "" if one has none."""
    match event:
        case ComparisonRunStarted() | ComparisonRunDone():
            return replace(event, run_id=names.get(event.run_id, ""))
        case ComparisonDone():
            rows = [row | {"run": names.get(row.get("run"), "")} for row in event.runs]
            return replace(event, runs=rows)
    return event


# --- in -------------------------------------------------------------------------------------------


class _RunFile(BaseModel):
    """The document; plan and events are parsed later."""

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
    """A valid file. If its data is unknown here, `plan` names a bundled dataset of its modality."""

    file: _RunFile
    plan: Any
    events: list[Event]
    parts: dict[str, "_ParsedFile"]


def import_run(store: Store, content: bytes, visitor: str) -> str:
    """Store the run in a file as the visitor's own and return its new id.

    Raises `BadFile`, and then stores nothing.
    """
    return _save(store, _parse(content), visitor)


def _save(store: Store, parsed: _ParsedFile, visitor: str, parent_id: str | None = None) -> str:
    file, key, now = parsed.file, new_run_id(), time.time()
    names = {number: _save(store, part, visitor, key) for number, part in parsed.parts.items()}
    changes = {"data": file.plan["data"], "fixes": tuple(file.plan.get("mends", ()))}
    if changes["data"] != parsed.plan.data:
        write_tombstone(changes["data"], datasets.get_dataset(parsed.plan.data).modality)
    if file.kind == "compare":
        changes["visitor"] = visitor
    # Data that is unknown here has no title: the run keeps the one that it had.
    foreign = changes["data"] != parsed.plan.data and not file.name
    store.import_run(
        ImportedRun(
            id=key,
            job=replace(parsed.plan, **changes),
            visitor=visitor,
            events=[_rename_runs(event, names) for event in parsed.events],
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
        document = json.loads(
            content,
            parse_constant=_reject_constant,
            parse_float=_parse_finite,
            parse_int=_parse_int,
        )
        if not isinstance(document, dict) or "thaw_run" not in document:
            raise _bad_file("It is not a run of Thaw")
        if document["thaw_run"] != FORMAT_VERSION:
            raise _bad_file("It was made by another version of Thaw")
        return _validate(_RunFile.model_validate(document))
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
    parts = {number: _validate(part_file, part=True) for number, part_file in file.parts.items()}
    if any(run.file.kind != "run" or run.plan.data != plan.data for run in parts.values()):
        raise _bad_file("A part of the comparison is no run on its data")
    check = check_run if file.kind == "run" else check_comparison
    for problem in check(plan, file.plan["data"], events):
        raise _bad_file(problem)
    return _ParsedFile(file, plan, events, parts)


def _parse_event(data: dict[str, Any], number: int) -> Event:
    kind = EVENT_KINDS.get(str(data.get("type")))
    if kind is None:
        raise _bad_file(f"Event {number} is of no kind that this version of Thaw knows")
    try:
        return validate_as(kind, data)
    except ValidationError as error:
        raise _bad_file(_describe_error(error, f"event {number}, {data['type']}")) from None


def _parse_plan(file: _RunFile, events: list[Event]) -> Any:
    """Return the plan; on unknown data, with a bundled dataset of its modality instead."""
    settings, data = dict(file.plan), file.plan.get("data")
    try:
        datasets.get_dataset(data)
    except UnknownKey as error:
        modality = _find_modality(file, events)
        if not UPLOAD_KEY.fullmatch(data) or not modality:
            raise _bad_file(str(error)) from None
        _check_fixes(settings.get("mends", []))
        bundled = datasets.BUNDLED_DATASETS.values()
        similar = next(dataset for dataset in bundled if dataset.modality == modality)
        settings |= {"data": similar.key, "mends": []}
    except (TypeError, AttributeError):
        raise _bad_file("Its plan names no data") from None
    try:
        plan = validate_as(jobs.KINDS[file.kind].job_type, settings)
        if isinstance(plan, jobs.Comparison):
            plan.make_plans()  # raises if one could never run
    except ValidationError as error:
        raise _bad_file(_describe_error(error, "plan")) from None
    except BadPlan as error:
        raise _bad_file(str(error)) from None
    return plan


def _check_fixes(fixes: Any) -> None:
    """Check the fixes of a plan whose data is unknown here, which no `Plan` checks."""
    from trainers.data_checks import FIXABLE_KEYS  # importing the checks is slow

    if not isinstance(fixes, list) or any(key not in list(FIXABLE_KEYS) for key in fixes):
        raise _bad_file("Its plan leaves examples out for a reason that Thaw does not know")


def _find_modality(file: _RunFile, events: list[Event]) -> str | None:
    """Return the modality of the data, as a run or the first part of a comparison has it."""
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    if started is None:
        records = [record for part in file.parts.values() for record in part.events]
        started = next(
            (_parse_event(record, 1) for record in records if record.get("type") == "started"),
            None,
        )
    known = {sample.modality for sample in datasets.BUNDLED_DATASETS.values()}
    return started.modality if started and started.modality in known else None


def _describe_error(error: ValidationError, inside: str = "") -> str:
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), BadPlan):
        return str(own)
    place = ".".join(str(name) for name in first["loc"])[:80]
    return f"In it, {' at '.join(filter(None, [inside, place]))}: {first['msg']}"


def _bad_file(reason: str) -> BadFile:
    reason = reason[:400].rstrip(".")
    return BadFile(
        f"This file cannot be brought in. {reason}. Nothing was kept. Choose a file that was "
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
