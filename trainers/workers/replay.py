"""One story of a job that was lost and begun again: nothing is told twice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainers.events import Event, Notice, Progress, RunResumed, RunStarted, Stage
from trainers.training.checkpoint_file import read_checkpoint_header

NODE_LOST_TEXT, INTERRUPTED_TEXT = (
    "The computer that this ran on was lost. ",
    "This was interrupted. ",
)
RESUME_TEXT = "It goes on from {seconds:.1f} s, where it was last kept."
RESTART_TEXT = "It starts again: nothing had been kept yet."


class EventDeduplicator:
    """Passes on what was not told before, by a clock that never runs backwards: what is told again
    by a job that was lost and begun again."""

    KEY_FIELDS = ("phase", "step", "steps", "method", "text", "data", "approach",
                  "examples_per_class", "seed", "draw", "index")  # fmt: skip

    def __init__(self, told: Sequence[Event] = ()) -> None:
        self.seconds = 0.0  # told so far
        self._seen_keys: set[tuple] = set()
        for event in told:
            self.deduplicate(event)

    def deduplicate(self, event: Event) -> Event | None:
        """`event` as it is to be told; None where it was."""
        if not isinstance(event, Stage | Progress):  # these say what happens now
            named = (getattr(event, name, None) for name in self.KEY_FIELDS)
            key = (event.type, *(() if isinstance(event, RunStarted) else named))
            if key in self._seen_keys:
                return None
            self._seen_keys.add(key)
        seconds = getattr(event, "seconds", None)
        if seconds is None:
            return event
        self.seconds = max(self.seconds, seconds)
        return event if seconds == self.seconds else replace(event, seconds=self.seconds)


def restart_notice(why: str, folder: Path | None, told_seconds: float) -> Notice:
    """What to say of a job that begins again, by the clock that was told."""
    if folder and (at := read_checkpoint_header(folder)):
        text = why + RESUME_TEXT.format(seconds=at["seconds"])
        return RunResumed(text, told_seconds, phase=at["phase"], step=at["step"])
    return Notice(why + RESTART_TEXT, told_seconds, is_limitation=False)


def is_node_loss(event: Event) -> bool:
    return isinstance(event, Notice) and event.text.startswith(NODE_LOST_TEXT)
