"""The approaches of a comparison, one a lane: how far each is, and the line above them."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import run_snapshot
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import (
    RunSnapshot,
    describe_wait,
    fold_events,
    format_duration,
)
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.visitor import current_visitor
from trainers.events import RunFinished
from trainers.store import FINISHED, Run, get_store


def has_result(job: Run) -> bool:
    """Return whether a comparison ended with a result."""
    return bool(job.result and job.result["type"] == "compared")


def describe_status(job: Run, runs: dict[str, Run], snapshots: dict[str, RunSnapshot]) -> str:
    """Return one line that is always true."""
    if has_result(job):
        return f"Finished in {format_duration(job.result['seconds'])}."
    if job.is_over:
        text = (job.result or {}).get("text", "")
        return escape_markdown(f"This comparison ended without a result. {text}")
    if not job.started_at:
        wait = get_store().estimate_wait(job.visitor, job.id)
        ahead = describe_wait(wait) if wait.position else "for a free process."
        return f"Waiting{':' if wait.position else ''} {ahead}"
    if not runs:
        return describe_preparation(job)
    key, count = list(runs)[-1], len(set(job.job.approaches))
    left = (count - len(runs)) * job.job.seconds
    status = run_snapshot.describe_status(snapshots[key], runs[key], None, ready=True)
    rest = f" Then the others, at most {format_duration(left)}." if left else ""
    return f"{len(runs)} of {count}, {APPROACHES[key].title.lower()}: {status}{rest}"


def describe_preparation(job: Run) -> str:
    """Return what happens before the first approach starts."""
    stage = fold_events(read_events(job.id, None)).stage
    if not stage:
        return "Getting ready."
    if stage.key != "trial":
        return f"{stage.text}."
    return (
        f"Before the race a trial for the advice, about {format_duration(job.job.pilot_seconds)}, "
        f"on parts of the training examples. {stage.text}."
    )


def compute_progress(job: Run, snapshots: dict[str, RunSnapshot]) -> float:
    if job.is_over:
        return 1.0
    done = sum(1.0 if snapshot.end else 0.5 for snapshot in snapshots.values())
    return min(0.99, done / max(1, len(set(job.job.approaches))))


def describe_lane(snapshot: RunSnapshot | None) -> str:
    """Return how far an approach is, in a few words."""
    if snapshot is None:
        return "waiting"
    if isinstance(snapshot.end, RunFinished):
        return f"{snapshot.end.test_accuracy:.0%} right in the test, {snapshot.end.seconds:.1f} s"
    if snapshot.end:
        return "ended without a score"
    if snapshot.evaluations:
        return f"{snapshot.evaluations[-1].accuracy:.0%} of the checks right"
    return "starting"


def draw_lane(key: str, job: Run, run: Run | None, snapshot: RunSnapshot | None) -> None:
    style = APPROACH_STYLES[key]
    share = run_snapshot.compute_progress(snapshot, run) if run else 0.0
    mark = "" if run is None else " ✓" if run.is_over else " …"
    st.markdown(f":{style.badge}[**{APPROACHES[key].title}**]{mark}  \n{describe_lane(snapshot)}")
    if run and run.state == FINISHED and job.visitor == current_visitor():
        st.page_link(
            "run.py",
            label="Look closer, try it",
            icon=":material/arrow_forward:",
            query_params={"run": run.id},
        )
    else:
        st.progress(1.0 if run and run.is_over else share)
