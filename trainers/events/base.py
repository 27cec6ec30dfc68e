"""The base class of all events."""

from dataclasses import dataclass
from typing import ClassVar

from trainers.system.records import JsonRecord


@dataclass(frozen=True)
class Event(JsonRecord):
    """A fact about a run."""

    type: ClassVar[str]  # which kind it is; stored events hold it, so never rename one
