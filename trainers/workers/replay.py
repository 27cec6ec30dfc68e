"""Continue the stored events of a job that was restarted, without repeating any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainers.events import Event, Notice, Progress, RunResumed, RunStarted, Stage
from trainers.system.checkpoint_file import read_checkpoint_header

NODE_LOST_TEXT = "The computer that this ran on was lost. "
INTERRUPTED_TEXT = "This was interrupted. "
RESUME_TEXT = "It goes on from {seconds:.1f} s, where it was last kept."
RESTART_TEXT = "It starts again: nothing had been kept yet."


class EventDeduplicator:
    """Drops the events that a restarted job repeats, and keeps its clock monotonic."""

    # Two events of one type are the same if these fields are, as far as the type has them.
    KEY_FIELDS = ("phase", "step", "steps", "method", "text", "data", "approach",
                  "examples_per_class", "seed", "draw", "index")  # fmt: skip

    def __init__(self, stored: Sequence[Event] = ()) -> None:
        self.seconds = 0.0  # of the latest event
        self._seen_keys: set[tuple] = set()
        for event in stored:
            self.deduplicate(event)

    def deduplicate(self, event: Event) -> Event | None:
        """Return `event`, its time corrected, or None if it was stored before."""
        if not isinstance(event, Stage | Progress):  # these describe the present
            values = (getattr(event, name, None) for name in self.KEY_FIELDS)
            key = (event.type, *(() if isinstance(event, RunStarted) else values))
            if key in self._seen_keys:
                return None
            self._seen_keys.add(key)
        seconds = getattr(event, "seconds", None)
        if seconds is None:
            return event
        self.seconds = max(self.seconds, seconds)
        return event if seconds == self.seconds else replace(event, seconds=self.seconds)


def restart_notice(reason: str, folder: Path | None, seconds: float) -> Notice:
    """Return the event that announces a restart, from the checkpoint in `folder` if any."""
    if folder and (header := read_checkpoint_header(folder)):
        text = reason + RESUME_TEXT.format(seconds=header["seconds"])
        return RunResumed(text, seconds, phase=header["phase"], step=header["step"])
    return Notice(reason + RESTART_TEXT, seconds, is_limitation=False)


def is_node_loss(event: Event) -> bool:
    """Return whether the event says that a node was lost."""
    return isinstance(event, Notice) and event.text.startswith(NODE_LOST_TEXT)
