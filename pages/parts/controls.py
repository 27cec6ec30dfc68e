"""Stop and Cancel, for whoever started what is running."""

import streamlit as st

from pages.parts.visitor import visitor
from trainers.store import Run, store


def stop_and_cancel(job: Run, stop: str) -> None:
    """The two buttons, side by side; `stop` says what Stop does. None where it is over, and only
    its visitor may press them."""
    if job.is_over:
        return
    mine = job.visitor == visitor()
    if not mine:
        st.caption("This was started in another browser: here it can be watched.")
    with st.container(horizontal=True):
        st.button(
            stop,
            icon=":material/stop_circle:",
            key=f"stop-{job.id}",
            disabled=job.stop or not job.claimed or not mine,
            on_click=store().stop,
            args=(job.id,),
        )
        st.button(
            "Cancel",
            icon=":material/close:",
            key=f"cancel-{job.id}",
            disabled=not mine,
            on_click=store().cancel,
            args=(job.id,),
        )
