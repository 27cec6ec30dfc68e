"""What several pages let a visitor do with a run."""

from typing import Any

import streamlit as st

from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import visitor
from trainers.datasets import uploads
from trainers.store import Run, store


def stop_and_cancel(job: Run, stop: str) -> None:
    """The two buttons, side by side; `stop` says what Stop does. None where it is over, and only
    its visitor may press them."""
    if job.is_over:
        return
    mine = job.visitor == visitor()
    if not mine:
        st.caption("This was started by somebody else: here it can be watched.")
    with st.container(horizontal=True):
        st.button(
            stop,
            icon=":material/stop_circle:",
            key=f"stop-{job.id}",
            disabled=job.stop or not job.claimed or not mine,
            on_click=told_plainly()(store().stop),
            args=(job.id, visitor()),
        )
        st.button(
            "Cancel",
            icon=":material/close:",
            key=f"cancel-{job.id}",
            disabled=not mine,
            on_click=told_plainly()(store().cancel),
            args=(job.id, visitor()),
        )


def filled_in(plan: Any) -> dict[str, str]:
    """What fills in the Run page with the settings of a run or a comparison."""
    wanted = plan.as_json()
    names = [name for name in ("approach", "data", "backbone", "what_learns") if name in wanted]
    numbers = ("per_class", "seconds", "seed")
    return (
        {name: wanted[name] for name in names}
        | {"mends": ",".join(plan.mends)}
        | {name: f"{wanted[name]:g}" for name in numbers if wanted[name] is not None}
    )


def may_use(data: str) -> bool:
    """Whether this visitor may run on `data`: who was handed a run's link sees that run only."""
    return not data.startswith("own-") or data in {mine.key for mine in uploads.of(visitor())}
