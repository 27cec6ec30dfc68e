"""What several pages let a visitor do with a run."""

from typing import Any

import streamlit as st

from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting.own_data import list_own_data
from trainers.store import Run, get_store


def draw_stop_and_cancel(job: Run, stop: str) -> None:
    """The two buttons, side by side; `stop` says what Stop does. None where it is over, and only
    its visitor may press them."""
    if job.is_over:
        return
    mine = job.visitor == current_visitor()
    if not mine:
        st.caption("This was started by somebody else: here it can be watched.")
    with st.container(horizontal=True):
        st.button(
            stop,
            icon=":material/stop_circle:",
            key=f"stop-{job.id}",
            disabled=job.stop_requested or not job.started_at or not mine,
            on_click=error_boundary()(get_store().request_stop),
            args=(job.id, current_visitor()),
        )
        st.button(
            "Cancel",
            icon=":material/close:",
            key=f"cancel-{job.id}",
            disabled=not mine,
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )


def build_run_params(plan: Any) -> dict[str, str]:
    """What fills in the Run page with the settings of a run or a comparison."""
    wanted = plan.as_json()
    names = [name for name in ("approach", "data", "backbone", "what_learns") if name in wanted]
    numbers = ("per_class", "seconds", "seed")
    return (
        {name: wanted[name] for name in names}
        | {"mends": ",".join(plan.fixes)}
        | {name: f"{wanted[name]:g}" for name in numbers if wanted[name] is not None}
    )


def can_use_data(data: str) -> bool:
    """Whether this visitor may run on `data`: who was handed a run's link sees that run only."""
    return not data.startswith("own-") or data in {
        mine.key for mine in list_own_data(current_visitor())
    }
