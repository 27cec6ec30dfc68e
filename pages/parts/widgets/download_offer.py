"""A download that is offered, and watched: nothing is fetched without a click."""

import streamlit as st

from pages.parts.figures.markdown import plain
from pages.parts.session.start_job import start
from pages.parts.widgets.job_progress import waiting
from trainers.events import Failed
from trainers.jobs import Fetch
from trainers.store import store


def offer(key: str, words: str) -> None:
    """What would be fetched, in `words` (Markdown), and the button; or how far it is."""
    job = store().latest("fetch", key)
    if job and not job.is_over:
        waiting(job)
        return
    st.markdown(f":material/download: {words}")
    if job and job.result and job.result["type"] == Failed.kind():
        st.warning(plain(job.result["text"]), icon=":material/cloud_off:")
    pressed = st.button(
        "Download it", icon=":material/download:", key=f"fetch-{key}", width="stretch"
    )
    if pressed and start(Fetch(key=key)):
        st.rerun()
