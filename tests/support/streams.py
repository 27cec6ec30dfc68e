"""Generators that yield events and return a result."""

from collections.abc import Generator
from typing import Any


def collect(stream: Generator[Any, None, Any]) -> tuple[list, Any]:
    """Return everything that `stream` yields, and its return value."""
    events = []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return events, end.value
