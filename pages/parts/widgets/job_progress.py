"""A job that a visitor waits for: how far it is, and the way to cancel it."""

import streamlit as st

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.store import Run, get_store

POLL_SECONDS = 0.5


def draw_job_progress(job: Run) -> None:
    """Follows `job`; the page is drawn anew when it is over."""
    st.fragment(error_boundary()(_watch_job), run_every=POLL_SECONDS)(job)


def _watch_job(job: Run) -> None:
    job = get_store().get_run(job.id)
    if job.is_over:
        st.rerun(scope="app")
    told = tell.fold_events([event for _, event in get_store().read_events(job.id)])
    text, share = "Waiting for a free process.", 0.0
    if told.stage:
        text = escape_markdown(told.stage.text)
    if told.progress:
        share = min(1.0, told.progress.done / max(1, told.progress.total))
        if told.progress.unit == "bytes":
            text += f" {told.progress.done / 1e6:,.0f} of {told.progress.total / 1e6:,.0f} MB"
    st.progress(share, text=text)
    if job.visitor == current_visitor():
        st.button(
            "Cancel",
            icon=":material/close:",
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )
