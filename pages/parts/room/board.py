"""The board of a room and its chart, live."""

from collections.abc import Sequence

import streamlit as st

from guide.exercises import EXERCISES
from pages.parts.figures import leaderboard, leaderboard_chart
from pages.parts.widgets.glossary import link_term
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.hosting.board import BoardRow
from trainers.hosting.rooms import Room, RoomNotFound, get_rooms

POLL_SECONDS = 1.0
# Streamlit has no letters larger than a title's.
LARGE_CSS = """<style>
.st-key-code p { font-size: clamp(3rem, 9vw, 7rem); line-height: 1.05; letter-spacing: .14em;
  font-weight: 700; font-family: monospace }
.st-key-board td:first-child { white-space: nowrap; overflow-wrap: normal }
</style>"""


def refresh_room(room: Room) -> Room:
    """Return the room's current state; rerun the page if settings, address or pause changed."""
    try:
        current = get_rooms().get_room(room.code)
    except RoomNotFound:
        st.rerun(scope="app")
    if (current.paused, current.settings, current.address) != (
        room.paused,
        room.settings,
        room.address,
    ):
        st.rerun(scope="app")
    return current


def draw_board(room: Room, rows: Sequence[BoardRow]) -> None:
    """Draw the board and its chart; order and heights stay the same, so that nothing jumps."""
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.markdown("## The board")
        with st.container(key="board"):
            st.markdown(leaderboard.format_table(rows) if rows else leaderboard.EMPTY_TEXT)
        st.caption(leaderboard.describe_caveat(rows))
    with right:
        st.markdown(
            f"## Score against {'time' if choose_x_axis(room) == 'seconds' else 'examples'}"
        )
        draw_live_plot(
            build_chart(room, rows),
            key="room-chart",
            alt=leaderboard_chart.describe_scores(rows),
        )
        st.caption(
            f"Each mark is a finished run; the line through it is its {link_term('interval')}."
            if rows
            else ""
        )


def choose_x_axis(room: Room) -> str:
    """Return the chart's x-axis: "per_class" if the exercise compares that, else "seconds"."""
    exercise = EXERCISES.get(room.settings.exercise)
    return "per_class" if exercise and exercise.comparison == "per_class" else "seconds"


def build_chart(
    room: Room, rows: Sequence[BoardRow], *, wall: bool = False
) -> leaderboard_chart.Figure:
    return leaderboard_chart.score_chart(
        rows,
        {*room.settings.approaches, *(row.approach for row in rows)},
        by=choose_x_axis(room),
        most_x=room.settings.seconds if choose_x_axis(room) == "seconds" else 0,
        wall=wall,
    )
