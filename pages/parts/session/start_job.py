"""Queue a job from a page. Runs in a room start with `room_context.start_run` instead."""

from typing import Any

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session import room_context
from pages.parts.session.visitor import current_visitor
from trainers import jobs
from trainers.hosting import quotas
from trainers.hosting.quotas import NotOwner, QuotaExceeded


def start_job(job: Any) -> str | None:
    """Queue the job for this visitor; return its id, or None below a warning."""
    membership = room_context.find_room() if jobs.kind_of(job) in quotas.RUN_KINDS else None
    if membership and membership[0].paused:
        st.warning(room_context.PAUSED_MESSAGE, icon=":material/pause_circle:")
        return None
    try:
        return quotas.enqueue_job(job, current_visitor())
    except (QuotaExceeded, NotOwner) as error:
        st.warning(escape_markdown(str(error)), icon=":material/hourglass_disabled:")
        return None
