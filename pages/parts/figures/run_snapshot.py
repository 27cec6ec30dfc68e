"""A run as a page tells it: its events folded into what can be drawn. Pure."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainers.events import (
    Answered,
    Baseline,
    Calibrated,
    Cancelled,
    Changed,
    Event,
    Failed,
    Finished,
    Notice,
    PhaseDone,
    PhaseStarted,
    Progress,
    Stage,
    Started,
    Step,
    Validated,
    Watched,
)
from trainers.reports import sentences
from trainers.reports.sentences import duration
from trainers.store import QUEUED, Run, Wait


@dataclass
class Story:
    """Everything is None or empty until its event has come."""

    started: Started | None = None
    stage: Stage | None = None
    progress: Progress | None = None
    baseline: Baseline | None = None
    watched: Watched | None = None
    answered: Answered | None = None
    end: Finished | Failed | Cancelled | None = None
    phases: list[PhaseStarted] = field(default_factory=list)
    done: dict[int, PhaseDone] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    looks: list[Validated] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    calibrated: Calibrated | None = None
    changed: Changed | None = None
    seconds: float = 0.0  # of the last event, but for an end without a score


def told(events: Sequence[Event]) -> Story:
    """The story of a run so far."""
    story = Story()
    for event in events:
        if not isinstance(event, Failed | Cancelled):  # told from outside, by another clock
            story.seconds = getattr(event, "seconds", story.seconds)
        match event:
            case Started():
                story.started = event
            case Stage():
                story.stage, story.progress = event, None
            case Progress():
                story.progress = event
            case Baseline():
                story.baseline = event
            case Watched():
                story.watched = event
            case Answered():
                story.answered = event
            case PhaseStarted():
                story.phases.append(event)
            case PhaseDone():
                story.done[event.phase] = event
            case Step():
                story.steps.append(event)
            case Validated():
                story.looks.append(event)
            case Notice():
                story.notices.append(event)
            case Calibrated():
                story.calibrated = event
            case Changed():
                story.changed = event
            case Finished() | Failed() | Cancelled():
                story.end = event
    return story


def status(story: Story, run: Run, wait: Wait | None, ready: bool) -> str:
    """One line that is always true: what is happening, and how long it may still take."""
    match story.end:
        case Finished():
            early = (
                " You stopped it early; the best so far was tested." if story.end.stopped else ""
            )
            return f"Finished in {story.end.seconds:.1f} seconds.{early}"
        case Failed():
            return "This run ended without a score."
        case Cancelled():
            return "Cancelled: no score."
    if run.state == QUEUED:
        if not ready and story.notices:  # which say why
            return "Waiting: nothing can train at the moment."
        if not ready:
            return "Warming up: the training process is starting. This takes a few seconds, once."
        if wait and wait.ahead:
            return f"Waiting: {in_line(wait)}"
        return "Waiting for a free training process."
    if story.started is None:
        return "Reading the data and the model."
    left = max(0.0, story.started.budget_seconds - elapsed(story, run))
    what = story.stage.text if story.stage else "Getting ready"
    if story.phases and story.stage and story.stage.key == "phase":
        number = len(story.phases)
        if run_phases(story) > 1:
            what = f"Part {number} of {run_phases(story)}: {what[0].lower()}{what[1:]}"
        if story.looks:
            what += f", pass {max(1, round(story.looks[-1].epoch))} over the examples"
    elif story.progress:
        what += f", {story.progress.done:,} of {story.progress.total:,}"
    stopping = " Stopping…" if run.stop else ""
    return f"{what}. At most {left:.0f} seconds left.{stopping}"


def run_phases(story: Story) -> int:
    """How many phases the approach has."""
    return 2 if story.started and story.started.approach == "hybrid" else 1


def elapsed(story: Story, run: Run) -> float:
    """Seconds on the run's clock now, 0 before it starts; between events the wall clock runs on."""
    if story.started is None:
        return 0.0
    if isinstance(story.end, Finished):
        return story.end.seconds
    if story.end:
        return min(story.seconds, story.started.budget_seconds)
    began = (run.claimed or time.time()) + story.started.setup_seconds
    passed = min(time.time() - began, story.started.budget_seconds)
    return max(story.seconds, passed, 0.0)  # clocks are set back


def share_done(story: Story, run: Run) -> float:
    """How much of the run is behind it, 0..1: never above what the clock and the steps say."""
    if isinstance(story.end, Finished):
        return 1.0
    if story.started is None:
        return 0.0
    return min(0.99, elapsed(story, run) / story.started.budget_seconds)


def in_line(wait: Wait) -> str:
    """The wait in words."""
    runs = "one run goes" if wait.ahead == 1 else f"{wait.ahead} runs go"
    return f"{runs} first, about {duration(max(2, wait.seconds))}."


def in_short(seconds: float) -> str:
    """A time in as few signs as it takes: 4 s, 2 min."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_words(end: Finished) -> str:
    """The score as a person would say it, as Markdown."""
    return sentences.score(end, mark="**")


def against_baseline(story: Story) -> str:
    """How the run stands against what needed no training, on the validation examples."""
    return sentences.against_baseline(story.started, story.baseline, story.looks)


OUTCOMES = {
    "right": ("green", ":material/check_circle:", "The advice was right"),
    "wrong": ("red", ":material/cancel:", "The advice was wrong"),
    "cannot tell": ("gray", ":material/help:", "It cannot be told"),
    "": ("gray", ":material/help:", "Nothing was advised"),
}


def foretold(story: Story) -> str:
    """What the run was to take and what it took, "" where nothing was foretold."""
    started, end = story.started, story.end
    if not (started and isinstance(end, Finished)):
        return ""
    told = []
    if started.predicted_seconds:
        told.append(f"time {started.predicted_seconds:.1f} s, took {end.seconds:.1f} s")
    if started.predicted_memory_bytes and end.peak_memory_bytes:
        told.append(
            f"memory {started.predicted_memory_bytes / 1e6:,.0f} MB, "
            f"used {end.peak_memory_bytes / 1e6:,.0f} MB"
        )
    return f"Predicted before it began: {'; '.join(told)}" if told else ""


STATES = {
    "queued": "waiting",
    "running": "at work",
    "finished": "finished",
    "failed": "ended without a score",
    "cancelled": "cancelled",
}
