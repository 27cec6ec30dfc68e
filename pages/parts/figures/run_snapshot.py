"""A run as a page tells it: its events folded into what can be drawn. Pure."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainers.events import (
    Baseline,
    CalibrationDone,
    Event,
    JobCancelled,
    JobFailed,
    Notice,
    PhaseDone,
    PhaseStarted,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
    WeightsCompared,
)
from trainers.reports import sentences
from trainers.reports.sentences import format_duration
from trainers.store import QUEUED, Run, WaitEstimate


@dataclass
class RunSnapshot:
    """Everything is None or empty until its event has come."""

    started: RunStarted | None = None
    stage: Stage | None = None
    progress: Progress | None = None
    baseline: Baseline | None = None
    watched_examples: WatchedExamples | None = None
    test_answers: PredictionsRecorded | None = None
    end: RunFinished | JobFailed | JobCancelled | None = None
    phases: list[PhaseStarted] = field(default_factory=list)
    finished_phases: dict[int, PhaseDone] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    evaluations: list[ValidationDone] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    calibration: CalibrationDone | None = None
    weight_change: WeightsCompared | None = None
    seconds: float = 0.0  # of the last event, but for an end without a score


def fold_events(events: Sequence[Event]) -> RunSnapshot:
    """The story of a run so far."""
    story = RunSnapshot()
    for event in events:
        if not isinstance(event, JobFailed | JobCancelled):  # told from outside, by another clock
            story.seconds = getattr(event, "seconds", story.seconds)
        match event:
            case RunStarted():
                story.started = event
            case Stage():
                story.stage, story.progress = event, None
            case Progress():
                story.progress = event
            case Baseline():
                story.baseline = event
            case WatchedExamples():
                story.watched_examples = event
            case PredictionsRecorded():
                story.test_answers = event
            case PhaseStarted():
                story.phases.append(event)
            case PhaseDone():
                story.finished_phases[event.phase] = event
            case Step():
                story.steps.append(event)
            case ValidationDone():
                story.evaluations.append(event)
            case Notice():
                story.notices.append(event)
            case CalibrationDone():
                story.calibration = event
            case WeightsCompared():
                story.weight_change = event
            case RunFinished() | JobFailed() | JobCancelled():
                story.end = event
    return story


def describe_status(story: RunSnapshot, run: Run, wait: WaitEstimate | None, ready: bool) -> str:
    """One line that is always true: what is happening, and how long it may still take."""
    match story.end:
        case RunFinished():
            early = (
                " You stopped it early; the best so far was tested."
                if story.end.stopped_by_user
                else ""
            )
            return f"Finished in {story.end.seconds:.1f} seconds.{early}"
        case JobFailed():
            return "This run ended without a score."
        case JobCancelled():
            return "Cancelled: no score."
    if run.state == QUEUED:
        if not ready and story.notices:  # which say why
            return "Waiting: nothing can train at the moment."
        if not ready:
            return "Warming up: the training process is starting. This takes a few seconds, once."
        if wait and wait.position:
            return f"Waiting: {describe_wait(wait)}"
        return "Waiting for a free training process."
    if story.started is None:
        return "Reading the data and the model."
    left = max(0.0, story.started.budget_seconds - elapsed_seconds(story, run))
    what = story.stage.text if story.stage else "Getting ready"
    if story.phases and story.stage and story.stage.key == "phase":
        number = len(story.phases)
        if count_phases(story) > 1:
            what = f"Part {number} of {count_phases(story)}: {what[0].lower()}{what[1:]}"
        if story.evaluations:
            what += f", pass {max(1, round(story.evaluations[-1].epoch))} over the examples"
    elif story.progress:
        what += f", {story.progress.done:,} of {story.progress.total:,}"
    stopping = " Stopping…" if run.stop else ""
    return f"{what}. At most {left:.0f} seconds left.{stopping}"


def count_phases(story: RunSnapshot) -> int:
    """How many phases the approach has."""
    return 2 if story.started and story.started.approach == "hybrid" else 1


def elapsed_seconds(story: RunSnapshot, run: Run) -> float:
    """Seconds on the run's clock now, 0 before it starts; between events the wall clock runs on."""
    if story.started is None:
        return 0.0
    if isinstance(story.end, RunFinished):
        return story.end.seconds
    if story.end:
        return min(story.seconds, story.started.budget_seconds)
    began = (run.claimed or time.time()) + story.started.setup_seconds
    passed = min(time.time() - began, story.started.budget_seconds)
    return max(story.seconds, passed, 0.0)  # clocks are set back


def compute_progress(story: RunSnapshot, run: Run) -> float:
    """How much of the run is behind it, 0..1: never above what the clock and the steps say."""
    if isinstance(story.end, RunFinished):
        return 1.0
    if story.started is None:
        return 0.0
    return min(0.99, elapsed_seconds(story, run) / story.started.budget_seconds)


def describe_wait(wait: WaitEstimate) -> str:
    """The wait in words."""
    runs = "one run goes" if wait.position == 1 else f"{wait.position} runs go"
    return f"{runs} first, about {format_duration(max(2, wait.seconds))}."


def format_short_duration(seconds: float) -> str:
    """A time in as few signs as it takes: 4 s, 2 min."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_score(end: RunFinished) -> str:
    """The score as a person would say it, as Markdown."""
    return sentences.describe_score(end, mark="**")


def compare_with_baseline(story: RunSnapshot) -> str:
    """How the run stands against what needed no training, on the validation examples."""
    return sentences.compare_with_baseline(story.started, story.baseline, story.evaluations)


OUTCOME_BADGES = {
    "right": ("green", ":material/check_circle:", "The advice was right"),
    "wrong": ("red", ":material/cancel:", "The advice was wrong"),
    "cannot tell": ("gray", ":material/help:", "It cannot be told"),
    "": ("gray", ":material/help:", "Nothing was advised"),
}


def describe_estimate(story: RunSnapshot) -> str:
    """What the run was to take and what it took, "" where nothing was foretold."""
    started, end = story.started, story.end
    if not (started and isinstance(end, RunFinished)):
        return ""
    told = []
    if started.estimated_seconds:
        told.append(f"time {started.estimated_seconds:.1f} s, took {end.seconds:.1f} s")
    if started.estimated_memory_bytes and end.peak_memory_bytes:
        told.append(
            f"memory {started.estimated_memory_bytes / 1e6:,.0f} MB, "
            f"used {end.peak_memory_bytes / 1e6:,.0f} MB"
        )
    return f"Predicted before it began: {'; '.join(told)}" if told else ""


STATE_LABELS = {
    "queued": "waiting",
    "running": "at work",
    "finished": "finished",
    "failed": "ended without a score",
    "cancelled": "cancelled",
}
