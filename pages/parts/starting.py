"""Where a page queues a job; a run, by the rules of its room: in_room.py."""

from typing import Any

import streamlit as st

from pages.parts import in_room, visitor as who
from pages.parts.plain import plain
from trainers import jobs
from trainers.privacy import limits
from trainers.privacy.limits import NotYours, OverLimit


def start(job: Any) -> str | None:
    """The id of the job, queued for this visitor; None, and why, where they may not."""
    if jobs.kind_of(job) in limits.RUNS and (found := in_room.here()) and found[0].paused:
        st.warning(in_room.PAUSED, icon=":material/pause_circle:")
        return None
    try:
        return limits.start(job, who.visitor())
    except (OverLimit, NotYours) as error:
        st.warning(plain(str(error)), icon=":material/hourglass_disabled:")
        return None
