"""Fixtures that several test modules of the datasets use."""

from tests.support.publisher import publisher

__all__ = ["publisher"]
