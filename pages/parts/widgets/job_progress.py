"""A job that a visitor waits for: how far it is, and the way to cancel it."""

import streamlit as st

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import plain
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import visitor
from trainers.store import Run, store

POLL_SECONDS = 0.5


def waiting(job: Run) -> None:
    """Follows `job`; the page is drawn anew when it is over."""
    st.fragment(told_plainly()(_watch), run_every=POLL_SECONDS)(job)


def _watch(job: Run) -> None:
    job = store().find(job.id)
    if job.is_over:
        st.rerun(scope="app")
    told = tell.told([event for _, event in store().events(job.id)])
    text, share = "Waiting for a free process.", 0.0
    if told.stage:
        text = plain(told.stage.text)
    if told.progress:
        share = min(1.0, told.progress.done / max(1, told.progress.total))
        if told.progress.unit == "bytes":
            text += f" {told.progress.done / 1e6:,.0f} of {told.progress.total / 1e6:,.0f} MB"
    st.progress(share, text=text)
    if job.visitor == visitor():
        st.button(
            "Cancel",
            icon=":material/close:",
            on_click=told_plainly()(store().cancel),
            args=(job.id, visitor()),
        )
