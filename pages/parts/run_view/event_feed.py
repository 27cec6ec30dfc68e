"""Events of runs as they come: only new ones are read from the store."""

from collections.abc import Collection

import streamlit as st

from trainers.events import Event
from trainers.store import get_store


def read_events(run: str, among: Collection[str] | None = ()) -> list[Event]:
    """All events of `run` so far. Unless `among` is None, those of runs that are neither it nor
    `among` are forgotten here: no longer looked at."""
    if among is not None:
        looked_at = {f"events-{key}" for key in {run, *among}}
        for key in [str(key) for key in st.session_state if str(key).startswith("events-")]:
            if key not in looked_at:
                del st.session_state[key]
    kept: list[Event] = st.session_state.setdefault(f"events-{run}", [])
    kept += [event for _, event in get_store().read_events(run, after=len(kept))]
    return kept
