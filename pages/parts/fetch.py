"""A download that is offered, and watched: nothing is fetched without a click."""

import streamlit as st

from pages.parts import story as tell
from pages.parts.plain import plain
from pages.parts.visitor import visitor
from trainers.events import Failed
from trainers.jobs import Fetch
from trainers.store import Run, store

POLL_SECONDS = 0.5


def offer(key: str, words: str) -> None:
    """What would be fetched, in `words` (Markdown), and the button; or how far it is."""
    job = store().latest("fetch", key)
    if job and not job.is_over:
        st.fragment(_watch, run_every=POLL_SECONDS)(job)
        return
    st.markdown(f":material/download: {words}")
    if job and job.result and job.result["type"] == Failed.kind():
        st.warning(plain(job.result["text"]), icon=":material/cloud_off:")
    if st.button("Download it", icon=":material/download:", key=f"fetch-{key}", width="stretch"):
        store().start(Fetch(key=key), visitor())
        st.rerun()


def _watch(job: Run) -> None:
    job = store().find(job.id)
    if job.is_over:
        st.rerun(scope="app")
    told = tell.told([event for _, event in store().events(job.id)])
    text, share = "Waiting for a free moment.", 0.0
    if told.stage:
        text = plain(told.stage.text)
    if told.progress:
        share = min(1.0, told.progress.done / max(1, told.progress.total))
        if told.progress.unit == "bytes":
            text += f" {told.progress.done / 1e6:,.0f} of {told.progress.total / 1e6:,.0f} MB"
    st.progress(share, text=text)
    if job.visitor == visitor():
        st.button("Cancel", icon=":material/close:", on_click=store().cancel, args=(job.id,))
