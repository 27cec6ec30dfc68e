"""The one place where a page queues a job."""

from typing import Any

import streamlit as st

from pages.parts import visitor as who
from pages.parts.plain import plain
from trainers.privacy import limits
from trainers.privacy.limits import NotYours, OverLimit


def start(job: Any) -> str | None:
    """The id of the job, queued for this visitor; None, and why, where they may not."""
    try:
        return limits.start(job, who.visitor())
    except (OverLimit, NotYours) as error:
        st.warning(plain(str(error)), icon=":material/hourglass_disabled:")
        return None
