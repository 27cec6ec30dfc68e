"""A button that starts a download, and its progress; nothing is fetched without a click."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.start_job import start_job
from pages.parts.widgets.job_progress import draw_job_progress
from trainers.events import JobFailed
from trainers.jobs import Download
from trainers.store import get_store


def draw_download_offer(key: str, description: str) -> None:
    """Draw `description` (Markdown) and the button, or the progress of a download under way."""
    job = get_store().find_latest("fetch", key)
    if job and not job.is_over:
        draw_job_progress(job)
        return
    st.markdown(f":material/download: {description}")
    if job and job.result and job.result["type"] == JobFailed.type:
        st.warning(escape_markdown(job.result["text"]), icon=":material/cloud_off:")
    pressed = st.button(
        "Download it", icon=":material/download:", key=f"fetch-{key}", width="stretch"
    )
    if pressed and start_job(Download(key=key)):
        st.rerun()
