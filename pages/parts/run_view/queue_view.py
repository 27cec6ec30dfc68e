"""A run that waits behind others: only its line and its buttons are looked after.

Most of what a look costs is what Streamlit does for each element, so the rest of the page is drawn
once; and who is far from their turn looks less often. In a workshop thirty people wait at once.
"""

import streamlit as st

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import plain
from pages.parts.session.error_boundary import told_plainly
from pages.parts.widgets.run_controls import stop_and_cancel
from trainers.store import Run, Wait, store

# Between two looks: where a turn comes soon, and where it does not. Ours.
SOON_SECONDS, FAR_SECONDS = 1.0, 3.0
NEAR_SECONDS = 10  # a turn that comes soon. Ours
HEIGHTS_PX = (84, 420, 380)  # about those of what will be there: nothing should jump
STOP = "Stop and test the best so far"


@st.cache_data(ttl=0.5, show_spinner=False)
def _waits() -> tuple[dict[str, Wait], bool]:
    """Of all that waits, and whether workers are ready: worked out once for everyone who looks."""
    return store().waits(), store().ready_workers() > 0


def _wait(run: Run) -> Wait:
    known, _ = _waits()
    return known.get(run.id) or store().wait(run.visitor, run.id)  # it came a moment ago, or left


def _between_looks(wait: Wait) -> float:
    return SOON_SECONDS if wait.seconds < NEAR_SECONDS else FAR_SECONDS


def behind_others(run: Run) -> bool:
    """Whether others go before `run`. If so, draws that; and the page anew when that ends."""
    if run.claimed or run.is_over or not (wait := _wait(run)).ahead:
        return False
    every = _between_looks(wait)
    st.fragment(told_plainly()(_look), run_every=every)(run, every)
    for height in HEIGHTS_PX:
        st.skeleton(height=height)
    return True


def _look(run: Run, every: float) -> None:
    wait = _wait(run)
    if not wait.ahead or _between_looks(wait) < every:
        st.rerun(scope="app")
    _, ready = _waits()
    story = tell.Story() if ready else tell.told([event for _, event in store().events(run.id)])
    st.progress(0.0, text=tell.status(story, run, wait, ready))
    for notice in story.notices[-1:]:
        st.caption(f":material/info: {plain(notice.text)}")
    stop_and_cancel(run, STOP)
