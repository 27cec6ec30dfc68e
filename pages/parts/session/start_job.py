"""Where a page queues a job; a run, by the rules of its room: in_room.py."""

from typing import Any

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.session import room_context, visitor as who
from trainers import jobs
from trainers.hosting import quotas
from trainers.hosting.quotas import NotOwner, QuotaExceeded


def start_job(job: Any) -> str | None:
    """The id of the job, queued for this visitor; None, and why, where they may not."""
    if (
        jobs.kind_of(job) in quotas.RUN_KINDS
        and (found := room_context.find_room())
        and found[0].paused
    ):
        st.warning(room_context.PAUSED_MESSAGE, icon=":material/pause_circle:")
        return None
    try:
        return quotas.enqueue_job(job, who.current_visitor())
    except (QuotaExceeded, NotOwner) as error:
        st.warning(escape_markdown(str(error)), icon=":material/hourglass_disabled:")
        return None
