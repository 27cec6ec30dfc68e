"""How any job ends."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from trainers.events.base import Event
from trainers.system.records import stored_as


@dataclass(frozen=True)
class JobDone(Event):
    """The end of a job that is no run; see trainers/jobs.py."""

    type: Literal["done"] = field(default="done", kw_only=True)
    result: Annotated[dict, stored_as("found")]  # plain values; each kind of job has its own
    seconds: float


@dataclass(frozen=True)
class JobFailed(Event):
    """The run ended without a score, or the job without a result."""

    type: Literal["failed"] = field(default="failed", kw_only=True)
    text: str  # what was asked, what is wrong, what to do next
    seconds: float


@dataclass(frozen=True)
class JobCancelled(Event):
    type: Literal["cancelled"] = field(default="cancelled", kw_only=True)
    seconds: float
