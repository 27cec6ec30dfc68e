"""One row of the list: a box to choose it, score, curve, title, and when it was."""

import re
import time
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import OUTCOME_BADGES, STATE_LABELS, format_short_duration
from pages.parts.figures.sparkline import sparkline
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR
from pages.parts.history.selection import CHECKBOX_PREFIX
from pages.parts.run_view import resume
from pages.parts.widgets.run_controls import can_use_data
from pages.parts.widgets.svg import draw_svg
from trainers.hosting import retention
from trainers.store import RunSummary, data_title

SCORE_WIDTH_PX = 84  # as wide as "100% to 100%"
# A link's label is one line, cut off: on a phone no title would be complete.
TITLE_CSS = """<style>
[class*="st-key-title-"] [data-testid="stPageLink"] a { padding-left: 0 }
[class*="st-key-title-"] [data-testid="stPageLink"] a * {
  white-space: normal; overflow: visible; overflow-wrap: anywhere }
</style>"""


def draw_row(past: RunSummary, curve: Sequence[tuple[float, float]], remarks: list[str]) -> None:
    title = escape_markdown(past.title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.checkbox(
            f"Choose {strip_markup(past.title)}, {format_time(past.created_at)}",
            key=f"{CHECKBOX_PREFIX}{past.id}",
            label_visibility="collapsed",
            persist_state="page",
        )
        with st.container(gap=None, width=SCORE_WIDTH_PX):
            draw_score(past)
            if curve:
                colour = (
                    APPROACH_STYLES[past.approach].colour
                    if past.approach in APPROACH_STYLES
                    else FROZEN_COLOUR
                )
                # A component's key must not have two _ in a row, as an id may.
                draw_svg(sparkline(curve, colour), key=f"spark-{past.id.replace('_', '.')}")
        with st.container(gap=None, width="stretch", key=f"title-{past.id}"):
            params = {"run": past.id} if past.kind == "run" else {"compare": past.id}
            pin = ":material/keep: " if past.pinned else ""
            st.page_link(
                f"{'run' if past.kind == 'run' else 'compare'}.py",
                label=f"{pin}**{title}**",
                query_params=params,
            )
            st.caption(" · ".join([describe_run(past), *remarks]))


def strip_markup(title: str) -> str:
    """Return a title without punctuation: a screen reader would read escapes aloud."""
    return " ".join(re.sub(r"[^\w\s-]|_", " ", title).split())


def draw_score(past: RunSummary) -> None:
    """Draw the test score with its 95 % interval, or the state of a run without one."""
    if past.score is None:
        st.caption(STATE_LABELS[past.state])
        return
    badge = APPROACH_STYLES[past.approach].badge if past.approach in APPROACH_STYLES else "gray"
    st.markdown(f":{badge}[**{past.score:.0%}**]")
    st.caption("the best" if past.low is None else f"{past.low:.0%} to {past.high:.0%}")


def describe_run(past: RunSummary) -> str:
    """Return when it was, how long it took, and its note, as Markdown."""
    words = [format_time(past.created_at)]
    if past.outcome is not None:
        words.append(OUTCOME_BADGES[past.outcome][2])
    if past.seconds is not None:
        words.append(format_short_duration(past.seconds))
    if resume.find_resume_point(past) and can_use_data(past.data):
        words.append("can be continued")
    if past.name:  # a name of the visitor's does not say what it is
        what = "every approach" if past.kind == "compare" else APPROACHES[past.approach].title
        words.append(escape_markdown(f"{what} on {data_title(past.data)}"))
    if past.note:
        note = " ".join(past.note.split())
        words.append(escape_markdown(note if len(note) < 80 else f"{note[:79]}…"))
    return " · ".join(words)


def describe_expiry(past: RunSummary, since: float) -> list[str]:
    """Return when the run and its model will be deleted by their age, if they will."""
    dates = retention.get_expiry_dates(past, since)
    notices = []
    if dates.model and not (dates.run and dates.run <= dates.model):
        notices.append(f"its model will be removed on {format_date(dates.model)}")
    if dates.run:
        notices.append(f"kept until {format_date(dates.run)}")
    return notices


def format_date(moment: float) -> str:
    then = datetime.fromtimestamp(moment)
    return f"{then.day} {then:%b %Y}"


def format_time(created: float) -> str:
    """Return a time in the visitor's time zone, as in 'yesterday 14:05'."""
    try:
        zone = ZoneInfo(st.context.timezone or "")
    except (ZoneInfoNotFoundError, ValueError):  # a browser may send anything
        zone = None
    then, now = datetime.fromtimestamp(created, zone), datetime.fromtimestamp(time.time(), zone)
    clock = f"{then:%H:%M}"
    match (now.date() - then.date()).days:
        case 0:
            return f"today {clock}"
        case 1:
            return f"yesterday {clock}"
    return f"{then.day} {then:%b}{'' if then.year == now.year else f' {then.year}'} {clock}"
