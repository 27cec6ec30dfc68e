"""A run that waits behind others: only its line and its buttons are looked after.

Most of what a look costs is what Streamlit does for each element, so the rest of the page is drawn
once; and who is far from their turn looks less often. In a workshop thirty people wait at once.
"""

import streamlit as st

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.error_boundary import error_boundary
from pages.parts.widgets.run_controls import draw_stop_and_cancel
from trainers.store import Run, WaitEstimate, get_store

# Between two looks: where a turn comes soon, and where it does not. Ours.
NEAR_POLL_SECONDS, FAR_POLL_SECONDS = 1.0, 3.0
NEAR_WAIT_SECONDS = 10  # a turn that comes soon. Ours
SKELETON_HEIGHTS_PX = (84, 420, 380)  # about those of what will be there: nothing should jump
STOP_LABEL = "Stop and test the best so far"


@st.cache_data(ttl=0.5, show_spinner=False)
def _load_waits() -> tuple[dict[str, WaitEstimate], bool]:
    """Return the wait of every queued run, and whether workers are ready; cached for all."""
    return get_store().estimate_waits(), get_store().count_ready_workers() > 0


def _find_wait(run: Run) -> WaitEstimate:
    known, _ = _load_waits()
    return known.get(run.id) or get_store().estimate_wait(
        run.visitor, run.id
    )  # it came a moment ago, or left


def _poll_seconds(wait: WaitEstimate) -> float:
    return NEAR_POLL_SECONDS if wait.seconds < NEAR_WAIT_SECONDS else FAR_POLL_SECONDS


def draw_if_queued(run: Run) -> bool:
    """Draw the wait if others go before `run`, and return whether they do.

    The page is drawn again when the wait ends.
    """
    if run.started_at or run.is_over or not (wait := _find_wait(run)).position:
        return False
    every = _poll_seconds(wait)
    st.fragment(error_boundary()(_draw_wait), run_every=every)(run, every)
    for height in SKELETON_HEIGHTS_PX:
        st.skeleton(height=height)
    return True


def _draw_wait(run: Run, every: float) -> None:
    wait = _find_wait(run)
    if not wait.position or _poll_seconds(wait) < every:
        st.rerun(scope="app")
    _, ready = _load_waits()
    story = (
        tell.RunSnapshot()
        if ready
        else tell.fold_events([event for _, event in get_store().read_events(run.id)])
    )
    st.progress(0.0, text=tell.describe_status(story, run, wait, ready))
    for notice in story.notices[-1:]:
        st.caption(f":material/info: {escape_markdown(notice.text)}")
    draw_stop_and_cancel(run, STOP_LABEL)
