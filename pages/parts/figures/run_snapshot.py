"""A run as pages show it: its events folded into one object, and that in words."""

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
    """What a run's events say so far; None or empty until the event arrives."""

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
    seconds: float = 0.0  # on the run's clock, at its last event

    def total_epochs(self, event: Step | ValidationDone) -> float:
        """Return the epoch of `event`, counted through all phases."""
        done = self.finished_phases.items()
        return event.epoch + sum(end.epochs for phase, end in done if phase < event.phase)


def fold_events(events: Sequence[Event]) -> RunSnapshot:
    """Return what `events` say about a run so far."""
    snapshot = RunSnapshot()
    for event in events:
        if not isinstance(
            event, JobFailed | JobCancelled
        ):  # written by another process, with another clock
            snapshot.seconds = getattr(event, "seconds", snapshot.seconds)
        match event:
            case RunStarted():
                snapshot.started = event
            case Stage():
                snapshot.stage, snapshot.progress = event, None
            case Progress():
                snapshot.progress = event
            case Baseline():
                snapshot.baseline = event
            case WatchedExamples():
                snapshot.watched_examples = event
            case PredictionsRecorded():
                snapshot.test_answers = event
            case PhaseStarted():
                snapshot.phases.append(event)
            case PhaseDone():
                snapshot.finished_phases[event.phase] = event
            case Step():
                snapshot.steps.append(event)
            case ValidationDone():
                snapshot.evaluations.append(event)
            case Notice():
                snapshot.notices.append(event)
            case CalibrationDone():
                snapshot.calibration = event
            case WeightsCompared():
                snapshot.weight_change = event
            case RunFinished() | JobFailed() | JobCancelled():
                snapshot.end = event
    return snapshot


def describe_status(snapshot: RunSnapshot, run: Run, wait: WaitEstimate | None, ready: bool) -> str:
    """Say in one line what the run is doing, and how long it may still take."""
    match snapshot.end:
        case RunFinished():
            early = (
                " You stopped it early; the best so far was tested."
                if snapshot.end.stopped_by_user
                else ""
            )
            return f"Finished in {snapshot.end.seconds:.1f} seconds.{early}"
        case JobFailed():
            return "This run ended without a score."
        case JobCancelled():
            return "Cancelled: no score."
    if run.state == QUEUED:
        if not ready and snapshot.notices:  # which give the reason
            return "Waiting: nothing can train at the moment."
        if not ready:
            return "Warming up: the training process is starting. This takes a few seconds, once."
        if wait and wait.position:
            return f"Waiting: {describe_wait(wait)}"
        return "Waiting for a free training process."
    if snapshot.started is None:
        return "Reading the data and the model."
    left = max(0.0, snapshot.started.budget_seconds - elapsed_seconds(snapshot, run))
    activity = snapshot.stage.text if snapshot.stage else "Getting ready"
    if snapshot.phases and snapshot.stage and snapshot.stage.key == "phase":
        number = len(snapshot.phases)
        if count_phases(snapshot) > 1:
            activity = activity[0].lower() + activity[1:]
            activity = f"Part {number} of {count_phases(snapshot)}: {activity}"
        if snapshot.evaluations:
            activity += f", pass {max(1, round(snapshot.evaluations[-1].epoch))} over the examples"
    elif snapshot.progress:
        activity += f", {snapshot.progress.done:,} of {snapshot.progress.total:,}"
    stopping = " Stopping…" if run.stop_requested else ""
    return f"{activity}. At most {left:.0f} seconds left.{stopping}"


def count_phases(snapshot: RunSnapshot) -> int:
    """Return the number of phases of the run's approach."""
    return 2 if snapshot.started and snapshot.started.approach == "hybrid" else 1


def elapsed_seconds(snapshot: RunSnapshot, run: Run) -> float:
    """Return the seconds on the run's clock now: 0 before it starts, wall clock between events."""
    if snapshot.started is None:
        return 0.0
    if isinstance(snapshot.end, RunFinished):
        return snapshot.end.seconds
    if snapshot.end:
        return min(snapshot.seconds, snapshot.started.budget_seconds)
    began = (run.started_at or time.time()) + snapshot.started.setup_seconds
    passed = min(time.time() - began, snapshot.started.budget_seconds)
    return max(snapshot.seconds, passed, 0.0)  # the wall clock may have been set back


def compute_progress(snapshot: RunSnapshot, run: Run) -> float:
    """Return the share of the time budget that is used, 0 to 1, and 1 only once it has finished."""
    if isinstance(snapshot.end, RunFinished):
        return 1.0
    if snapshot.started is None:
        return 0.0
    return min(0.99, elapsed_seconds(snapshot, run) / snapshot.started.budget_seconds)


def describe_wait(wait: WaitEstimate) -> str:
    """Say who comes first and how long the wait is."""
    runs = "one run goes" if wait.position == 1 else f"{wait.position} runs go"
    return f"{runs} first, about {format_duration(max(2, wait.seconds))}."


def format_short_duration(seconds: float) -> str:
    """Return a duration in few characters: 4 s, 2 min, 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_score(end: RunFinished) -> str:
    """Return the test score as a sentence, in Markdown."""
    return sentences.describe_score(end, mark="**")


def compare_with_baseline(snapshot: RunSnapshot) -> str:
    """Compare the run with no training, on the validation examples."""
    return sentences.compare_with_baseline(
        snapshot.started, snapshot.baseline, snapshot.evaluations
    )


OUTCOME_BADGES = {
    "right": ("green", ":material/check_circle:", "The advice was right"),
    "wrong": ("red", ":material/cancel:", "The advice was wrong"),
    "cannot tell": ("gray", ":material/help:", "Too close to call"),
    "": ("gray", ":material/help:", "Nothing was advised"),
}


def describe_estimate(snapshot: RunSnapshot) -> str:
    """Compare estimated and actual time and memory; "" without an estimate."""
    started, end = snapshot.started, snapshot.end
    if not (started and isinstance(end, RunFinished)):
        return ""
    parts = []
    if started.estimated_seconds:
        parts.append(f"time {started.estimated_seconds:.1f} s, took {end.seconds:.1f} s")
    if started.estimated_memory_bytes and end.peak_memory_bytes:
        parts.append(
            f"memory {started.estimated_memory_bytes / 1e6:,.0f} MB, "
            f"used {end.peak_memory_bytes / 1e6:,.0f} MB"
        )
    return f"Predicted before it began: {'; '.join(parts)}" if parts else ""


STATE_LABELS = {
    "queued": "waiting",
    "running": "at work",
    "finished": "finished",
    "failed": "ended without a score",
    "cancelled": "cancelled",
}
