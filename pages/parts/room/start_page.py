"""The start page: join a room with its code, open one, or take an exercise."""

from math import ceil

import streamlit as st

from guide.exercises import EXERCISES, Exercise
from pages.parts.figures.markdown import escape_markdown
from pages.parts.room.debrief import draw_debrief
from pages.parts.room.settings_form import describe_settings, draw_settings_form
from pages.parts.session import room_context
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker
from trainers.hosting.board import BoardRow
from trainers.hosting.room_codes import CODE_LENGTH
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.hosting.rooms import MAX_TITLE_CHARS, get_rooms
from trainers.store import FINISHED, get_store

CLASS_SIZE = 30  # people, for the estimate of the waiting time


def draw_start_page(problem: str = "") -> None:
    st.title("Room")
    st.markdown(
        "For a class or a workshop. One person opens a room; everybody joins it with a code and a "
        "name; each runs a model, and all scores come together on one board, live."
    )
    if problem:
        st.warning(escape_markdown(problem), icon=":material/error:")
    left, right = st.columns(2, gap="large")
    with left.container(border=True, height="stretch"):
        st.markdown("## Join a room")
        with st.form("code-form", border=False):
            code = st.text_input(
                "Code",
                max_chars=CODE_LENGTH + 4,
                placeholder=f"{CODE_LENGTH} letters, as on the wall",
                key="typed",
            )
            if st.form_submit_button("Join", type="primary", icon=":material/login:"):
                st.query_params.from_dict({"room": code.strip().upper()})
                st.rerun()
        draw_own_rooms()
    with right.container(border=True, height="stretch"):
        st.markdown("## Open a room")
        st.markdown("You lead it: you get a code for the wall, and can pause, stop and clear.")
        with st.expander("Set up your own", icon=":material/tune:"):
            settings = draw_settings_form(RoomSettings(), "new")
            title = st.text_input("Title", "Workshop", max_chars=MAX_TITLE_CHARS, key="new-title")
            if settings and st.button("Open the room", type="primary", icon=":material/add:"):
                open_room(title, settings)
        st.caption("Or take one of the exercises below: one click, and the room is ready.")
    draw_preparation()
    draw_exercises()


def draw_preparation() -> None:
    """Draw the checklist for whoever plans a class."""
    at_once = max(1, get_store().count_ready_workers())
    runs = "One run" if at_once == 1 else f"{at_once} runs"
    seconds = max(exercise.seconds for exercise in EXERCISES.values())
    minutes = ceil(CLASS_SIZE * seconds / at_once / 60)
    with st.expander("Before a class: what it takes", icon=":material/checklist:"):
        st.markdown(
            "- **One computer runs Thaw**, this one. Everybody else opens it in the browser of a "
            "laptop or a phone in the same network. Nobody needs an account.\n"
            "- **No internet**: the data and models of the exercises below come with Thaw.\n"
            f"- **Time**: {runs} at a time on this computer, the others wait in line and see how "
            f"long. With {CLASS_SIZE} people it takes at most {minutes} minutes "
            "until everyone has a "
            "score, and mostly far less: transfer learning takes some seconds.\n"
            "- **A plan for 45 minutes**: 5 to join, 10 for a first run of everybody, 15 to try "
            "another approach or other settings, 15 for what came out and what to talk about.\n"
            "- **Before the day**: open a room with one exercise, join it with your phone, and run "
            "it once. If the phone does not reach the address: *Is this address right?* in the "
            "room."
        )


def draw_own_rooms() -> None:
    """Draw links to the rooms that this visitor takes part in or leads."""
    if membership := room_context.find_room():
        room, person = membership
        st.page_link(
            "room.py",
            label=f"Back to {escape_markdown(room.title)}, where you are "
            f"{escape_markdown(person.name)}",
            icon=":material/groups:",
            query_params={"room": room.code},
        )
    for room in get_rooms().list_led_rooms(current_visitor()):
        st.page_link(
            "room.py",
            label=f"You lead {escape_markdown(room.title)} ({room.code})",
            icon=":material/co_present:",
            query_params={"room": room.code},
        )


def open_room(title: str, settings: RoomSettings) -> None:
    try:
        room = get_rooms().open_room(title, settings, current_visitor())
    except NotAllowedInRoom as error:
        st.warning(str(error), icon=":material/error:")
        return
    st.query_params.from_dict({"room": room.code})
    st.rerun()


def draw_exercises() -> None:
    st.markdown("## Ready exercises")
    link_terms = TermLinker("frozen", "pre-trained", "from-scratch")
    for column, (key, exercise) in zip(st.columns(len(EXERCISES)), EXERCISES.items(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"### {exercise.title}")
            st.markdown(link_terms(exercise.goal))
            settings = RoomSettings.from_exercise(key)
            st.caption(describe_settings(settings))
            if st.button("Open a room with it", icon=":material/groups:", key=f"open-{key}"):
                open_room(exercise.title, settings)
            st.page_link(
                "run.py",
                label="Try it alone",
                icon=":material/play_circle:",
                query_params=room_context.build_run_params(settings),
            )
            with st.expander("What to talk about afterwards", icon=":material/forum:"):
                draw_debrief(
                    list_own_runs(exercise), exercise.data, exercise.comparison, exercise.discussion
                )
                st.caption(
                    "Alone, give each run another seed (Expert settings): with the same one it "
                    "repeats itself."
                )


def list_own_runs(exercise: Exercise) -> list[BoardRow]:
    """Return this visitor's finished runs of an exercise as rows of a board."""
    return [
        BoardRow(
            "you",
            run.job.approach,
            run.job.data,
            run.job.examples_per_class,
            run.state,
            run.result["test_accuracy"],
            run.result["test_accuracy_low"],
            run.result["test_accuracy_high"],
            run.result["seconds"],
            True,
            run.job.seed,
            run.job.seconds,
            run.job.backbone,
        )
        for run in get_store().list_runs(current_visitor(), limit=100)
        if run.state == FINISHED
        and run.job.data == exercise.data
        and run.job.approach in exercise.approaches
        and run.job.seconds == exercise.seconds
        and (
            run.job.examples_per_class == exercise.examples_per_class
            or "per_class" in exercise.adjustable
        )
    ]
