"""The members' views of a room: join it, and take part."""

import streamlit as st

from guide.exercises import EXERCISES, Exercise
from pages.parts.figures import leaderboard
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import describe_wait
from pages.parts.room.board import LARGE_CSS, POLL_SECONDS, draw_board, refresh_room
from pages.parts.room.debrief import draw_room_debrief
from pages.parts.room.settings_form import describe_settings
from pages.parts.session import room_context
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting.room_names import MAX_NAME_CHARS
from trainers.hosting.room_settings import NotAllowedInRoom
from trainers.hosting.rooms import BadName, Person, Room, get_rooms
from trainers.store import get_store


def draw_join_page(room: Room) -> None:
    st.title(escape_markdown(room.title))
    exercise = EXERCISES.get(room.settings.exercise)
    st.markdown(exercise.goal if exercise else "Everybody runs, and one board shows all scores.")
    with st.container(border=True, width=520), st.form("name-form", border=False):
        name = st.text_input(
            "Your name, as the board shall show it",
            max_chars=MAX_NAME_CHARS,
            placeholder="A first name or a made-up one",
            key="name",
        )
        st.caption(
            "The others see this name, and of each run the data, approach, score and time: nothing "
            "else."
        )
        if st.form_submit_button("Join", type="primary", icon=":material/login:"):
            try:
                get_rooms().join(room.code, name, current_visitor())
            except (BadName, NotAllowedInRoom) as error:
                st.warning(str(error), icon=":material/error:")
            else:
                st.rerun()
    draw_controls_link(room)


def draw_member_page(room: Room, person: Person) -> None:
    st.html(LARGE_CSS)
    st.title(escape_markdown(room.title))
    exercise = EXERCISES.get(room.settings.exercise)
    with st.container(border=True):
        st.markdown(f"You are **{escape_markdown(person.name)}**. {describe_task(exercise)}")
        st.caption(describe_settings(room.settings))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Go and run it",
                type="primary",
                icon=":material/play_circle:",
                disabled=room.paused,
            ):
                st.switch_page(
                    "run.py",
                    query_params=room_context.build_run_params(room.settings, person.number),
                )
            st.button("Leave the room", on_click=get_rooms().leave, args=(current_visitor(),))
    draw_controls_link(room)
    st.fragment(error_boundary()(watch_as_member), run_every=2 * POLL_SECONDS)(room)
    with st.expander("What came out, and what to talk about", icon=":material/forum:"):
        draw_room_debrief(room)


def draw_controls_link(room: Room) -> None:
    """Draw a link back to the controls for a leader who takes part."""
    if get_rooms().is_leader(room.code, current_visitor()):
        st.page_link(
            "room.py",
            label="Back to the controls",
            icon=":material/co_present:",
            query_params={"room": room.code},
        )


def describe_task(exercise: Exercise | None) -> str:
    if exercise:
        return f"{exercise.goal} {exercise.task}"
    return "Go to Run, press Start, and your score appears on the board."


def watch_as_member(room: Room) -> None:
    current = refresh_room(room)
    rows = get_rooms().read_board(current.code, current_visitor())
    wait = get_store().estimate_wait(current_visitor())
    with st.container(gap="xsmall"):
        if current.paused:
            st.warning("Paused: please look up. Nothing new can be started until it goes on.",
                       icon=":material/pause_circle:")  # fmt: skip
        elif wait.position:
            st.info(f"If you start now: {describe_wait(wait)}", icon=":material/hourglass_empty:")
        else:
            st.info("If you start now, it begins at once.", icon=":material/bolt:")
    st.markdown(f"**{escape_markdown(text)}**" if (text := leaderboard.describe_rank(rows)) else "")
    draw_board(current, rows)
