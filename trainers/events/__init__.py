"""What happens in a run or another job: frozen dataclasses of plain numbers and text, kept as JSON.

`seconds` is wall time since the run's clock started, which is when data and model are in memory.
Accuracies are between 0 and 1. Classes and examples are numbered from 0.
"""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field

from trainers.events.base import Event
from trainers.events.jobs import (
    JobCancelled,
    JobDone,
    JobFailed,
)
from trainers.events.runs import (
    Baseline,
    CalibrationDone,
    Notice,
    PhaseDone,
    PhaseScheduled,
    PhaseStarted,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunResumed,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
    WeightsCompared,
)
from trainers.events.tasks import (
    ClaimRunDone,
    ClaimRunStarted,
    ClaimTestDone,
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    CurvePoint,
    LearningCurveDone,
    PilotDone,
)
from trainers.system.records import adapter_of

__all__ = [
    "KINDS",
    "AnyEvent",
    "Baseline",
    "CalibrationDone",
    "ClaimRunDone",
    "ClaimRunStarted",
    "ClaimTestDone",
    "ComparisonDone",
    "ComparisonRunDone",
    "ComparisonRunStarted",
    "CurvePoint",
    "Event",
    "JobCancelled",
    "JobDone",
    "JobFailed",
    "LearningCurveDone",
    "Notice",
    "PhaseDone",
    "PhaseScheduled",
    "PhaseStarted",
    "PilotDone",
    "PredictionsRecorded",
    "Progress",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "Stage",
    "Step",
    "ValidationDone",
    "WatchedExamples",
    "WeightsCompared",
    "from_json",
    "from_json_text",
]


def _kinds(base: type[Event]) -> dict[str, type[Event]]:
    kinds = {}
    for kind in base.__subclasses__():
        kinds |= {kind.type: kind} | _kinds(kind)
    return kinds


KINDS = _kinds(Event)  # by tag
AnyEvent = Annotated[reduce(or_, KINDS.values()), Field(discriminator="type")]


def from_json(data: dict[str, Any]) -> Event:
    """Return the event that `as_json` turned into `data`; fields of newer versions are ignored.

    Raises `pydantic.ValidationError`.
    """
    return adapter_of(AnyEvent).validate_python(data)


def from_json_text(text: str | bytes) -> Event:
    """Return the event stored as the JSON `text`."""
    return adapter_of(AnyEvent).validate_json(text)
