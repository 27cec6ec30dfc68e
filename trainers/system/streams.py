"""Generators that yield progress and return a result."""

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")


def drain(stream: Generator[object, None, Result]) -> Result:
    """Run `stream` to its end, ignore what it yields, and return its return value."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value
