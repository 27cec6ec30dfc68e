"""Controls of a run that several pages share."""

from typing import Any

import streamlit as st

from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting.own_data import list_own_data
from trainers.store import Run, get_store


def draw_stop_and_cancel(job: Run, stop_label: str) -> None:
    """Draw the two buttons for a job that is not over; enabled for its owner only."""
    if job.is_over:
        return
    is_owner = job.visitor == current_visitor()
    if not is_owner:
        st.caption("This was started by somebody else: here it can be watched.")
    with st.container(horizontal=True):
        st.button(
            stop_label,
            icon=":material/stop_circle:",
            key=f"stop-{job.id}",
            disabled=job.stop_requested or not job.started_at or not is_owner,
            on_click=error_boundary()(get_store().request_stop),
            args=(job.id, current_visitor()),
        )
        st.button(
            "Cancel",
            icon=":material/close:",
            key=f"cancel-{job.id}",
            disabled=not is_owner,
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )


def build_run_params(plan: Any) -> dict[str, str]:
    """Return the URL parameters that fill in the Run page with these settings."""
    settings = plan.as_json()
    names = [name for name in ("approach", "data", "backbone", "what_learns") if name in settings]
    numbers = ("per_class", "seconds", "seed")
    return (
        {name: settings[name] for name in names}
        | {"mends": ",".join(plan.fixes)}
        | {name: f"{settings[name]:g}" for name in numbers if settings[name] is not None}
    )


def can_use_data(data: str) -> bool:
    """Return whether this visitor may run on `data`; a share link of a run does not allow it."""
    return not data.startswith("own-") or data in {
        upload.key for upload in list_own_data(current_visitor())
    }
