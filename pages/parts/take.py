"""A finished run's model to take away: packed when it is asked for, then a file to download."""

import streamlit as st

from pages.parts import story as tell
from pages.parts.plain import plain
from pages.parts.visitor import visitor
from trainers.events import Done, Failed
from trainers.home import zip_of
from trainers.jobs import Export
from trainers.store import Run, store

POLL_SECONDS = 0.5


def take_away(run: Run) -> None:
    """The offer, how far the packing is, or the file. For whoever started the run."""
    job = store().latest("export", run.id)
    if job and not job.is_over:
        st.fragment(_watch, run_every=POLL_SECONDS)(job)
        return
    packed = zip_of(run.id)
    if job and job.result and job.result["type"] == Done.kind() and packed.exists():
        st.download_button(
            f"Download the model ({packed.stat().st_size / 1e6:.1f} MB)",
            packed.read_bytes,
            f"thaw-{run.plan.approach}-{run.id[:6]}.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
        )
        return
    if job and job.result and job.result["type"] == Failed.kind():
        st.warning(plain(job.result["text"]), icon=":material/inventory_2:")
    if st.button("Pack the model", icon=":material/inventory_2:"):
        store().start(Export(key=run.id, visitor=visitor()), visitor())
        st.rerun()


def _watch(job: Run) -> None:
    job = store().find(job.id)
    if job.is_over:
        st.rerun(scope="app")
    told = tell.told([event for _, event in store().events(job.id)])
    text = plain(told.stage.text) if told.stage else "Waiting for a free process."
    st.markdown(f":material/hourglass_top: {text}")
