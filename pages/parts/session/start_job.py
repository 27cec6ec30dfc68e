"""Where a page queues a job; a run, by the rules of its room: in_room.py."""

from typing import Any

import streamlit as st

from pages.parts.figures.markdown import plain
from pages.parts.session import room_context, visitor as who
from trainers import jobs
from trainers.hosting import quotas
from trainers.hosting.quotas import NotYours, OverLimit


def start(job: Any) -> str | None:
    """The id of the job, queued for this visitor; None, and why, where they may not."""
    if jobs.kind_of(job) in quotas.RUNS and (found := room_context.here()) and found[0].paused:
        st.warning(room_context.PAUSED, icon=":material/pause_circle:")
        return None
    try:
        return quotas.start(job, who.visitor())
    except (OverLimit, NotYours) as error:
        st.warning(plain(str(error)), icon=":material/hourglass_disabled:")
        return None
