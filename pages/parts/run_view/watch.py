"""A run while it lives, and when it is over."""

from collections.abc import Callable

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import (
    RunSnapshot,
    compute_progress,
    describe_status,
    fold_events,
)
from pages.parts.run_view.charts import draw_charts
from pages.parts.run_view.controls import draw_controls
from pages.parts.run_view.event_feed import read_events
from pages.parts.run_view.narration import draw_narration
from pages.parts.run_view.result import draw_result
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.run_access import can_still_open
from trainers.events import JobFailed, RunFinished
from trainers.store import Run, get_store

# A run with nobody ahead starts at once: poll fast, the first point should not wait.
POLL_SECONDS, STARTING_POLL_SECONDS = 0.5, 0.2

DrawResults = Callable[[RunSnapshot, RunFinished, Run], None]


def draw_live_run(run: Run, draw_results: DrawResults) -> None:
    """Draw `run`, again and again until it is over."""
    poll_seconds = POLL_SECONDS if run.started_at else STARTING_POLL_SECONDS
    watch = st.fragment(
        error_boundary()(watch_run), run_every=None if run.is_over else poll_seconds
    )
    watch(run, draw_results)


def watch_run(run: Run, draw_results: DrawResults) -> None:
    """Draw a run as it is now. `draw_results` draws the sections below a finished one.

    The order and the height of what is drawn stay the same, so nothing jumps.
    """
    was_over, was_queued = run.is_over, not run.started_at
    if not was_over:
        if not can_still_open(run):
            st.rerun()
        run = get_store().get_run(run.id)
    events = read_events(run.id)
    snapshot = fold_events(events)
    if (run.is_over and not was_over) or (was_queued and snapshot.evaluations):
        st.rerun()  # a finished page polls no more; one that starts looks often until a value
    wait = None if run.started_at else get_store().estimate_wait(run.visitor, run.id)
    is_ready = bool(run.started_at or get_store().count_ready_workers())
    st.progress(
        compute_progress(snapshot, run), text=describe_status(snapshot, run, wait, is_ready)
    )
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        draw_controls(run)
    with st.container():
        match snapshot.end:
            case RunFinished():
                draw_result(snapshot, snapshot.end)
                draw_narration(events, run)
            case JobFailed():
                st.error(escape_markdown(snapshot.end.text), icon=":material/error:")
            case None if run.job.approach not in ("none", "simple"):
                draw_narration(events, run)
        if snapshot.notices:
            notices = (
                f":material/info: {escape_markdown(notice.text)}" for notice in snapshot.notices
            )
            st.caption("  \n".join(notices))
    if run.job.approach not in ("none", "simple"):
        draw_charts(snapshot, run)
    if isinstance(snapshot.end, RunFinished):
        draw_results(snapshot, snapshot.end, run)
