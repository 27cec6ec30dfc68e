"""Progress of a job that a visitor waits for, with a Cancel button."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import fold_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.store import Run, get_store

POLL_SECONDS = 0.5


def draw_job_progress(job: Run) -> None:
    """Draw the job's progress; rerun the page when it is over."""
    st.fragment(error_boundary()(_watch_job), run_every=POLL_SECONDS)(job)


def _watch_job(job: Run) -> None:
    job = get_store().get_run(job.id)
    if job.is_over:
        st.rerun(scope="app")
    snapshot = fold_events([event for _, event in get_store().read_events(job.id)])
    text, fraction = "Waiting for a free process.", 0.0
    if snapshot.stage:
        text = escape_markdown(snapshot.stage.text)
    if progress := snapshot.progress:
        fraction = min(1.0, progress.done / max(1, progress.total))
        if progress.unit == "bytes":
            text += f" {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB"
    st.progress(fraction, text=text)
    if job.visitor == current_visitor():
        st.button(
            "Cancel",
            icon=":material/close:",
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )
