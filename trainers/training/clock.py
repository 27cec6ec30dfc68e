"""The wall time of a run against its budget."""

import time
from collections.abc import Callable


class Clock:
    """Seconds since the run started. `now` is the source of time; tests hand in their own."""

    def __init__(self, budget_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.budget_seconds = budget_seconds
        self._now = now
        self._started_at = now()
        self._paused_at: float | None = None

    def seconds(self) -> float:
        return self._now() - self._started_at if self._paused_at is None else self._paused_at

    def add_seconds(self, seconds: float) -> None:
        """Charge time that another run has spent: what it computed is not free."""
        self._started_at -= seconds

    def pause_at(self, seconds: float) -> None:
        """Stand still at `seconds` until `resume`: a resumed run has paid for its set-up once."""
        self._paused_at = seconds

    def resume(self) -> None:
        if self._paused_at is not None:
            self._started_at, self._paused_at = self._now() - self._paused_at, None
