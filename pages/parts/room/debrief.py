"""The debrief after the runs: what was measured, and topics to discuss."""

from collections.abc import Sequence

import streamlit as st

from guide.exercises import EXERCISES
from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.visitor import current_visitor
from trainers.hosting import room_summary
from trainers.hosting.board import BoardRow
from trainers.hosting.rooms import Room, get_rooms


def draw_debrief(rows: Sequence[BoardRow], data: str, by: str, topics: Sequence[str] = ()) -> None:
    """Draw the measured results, grouped by `by` ("approach" or "per_class"), then the topics."""
    summary = room_summary.summarise_room(rows, data=data, by=by)
    if summary:
        st.markdown(
            "**What came out**\n\n" + "\n".join(f"- {escape_markdown(line)}" for line in summary)
        )
    else:
        st.caption("What came out will stand here once runs are finished.")
    if topics:
        st.markdown("**To talk about**\n\n" + "\n".join(f"- {topic}" for topic in topics))


def draw_room_debrief(room: Room) -> None:
    exercise = EXERCISES.get(room.settings.exercise)
    by = exercise.comparison if exercise else "approach"
    rows = get_rooms().read_board(room.code, current_visitor())
    if not room.settings.seed_per_person and not room.settings.allows_change("expert"):
        st.caption(
            "Everybody learns from the same examples here (one draw), so runs of one approach "
            "nearly repeat each other: how much is luck cannot be judged."
        )
    draw_debrief(rows, room.settings.data, by, exercise.discussion if exercise else ())
