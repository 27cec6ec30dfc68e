"""The leader's view of a room: the code, the controls and the board."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.room.address import choose_address, draw_qr_code
from pages.parts.room.board import LARGE_CSS, POLL_SECONDS, draw_board, refresh_room
from pages.parts.room.debrief import draw_room_debrief
from pages.parts.room.settings_form import describe_settings, draw_settings_form
from pages.parts.session import server_url
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting.rooms import ROOM_LIFETIME_HOURS, Room, get_rooms


def draw_leader_page(room: Room) -> None:
    st.html(LARGE_CSS)
    st.title(escape_markdown(room.title))
    with st.container(border=True):
        words, code = st.columns([2.2, 1], gap="large", vertical_alignment="center")
        with words:
            url = choose_address(room)
            with st.container(key="code"):
                st.markdown(room.code)
            st.page_link(
                "room.py",
                label="Show on the wall",
                icon=":material/fullscreen:",
                query_params={"room": room.code, "wall": "1"},
            )
            st.page_link(
                "room.py",
                label="Take part yourself",
                icon=":material/groups:",
                query_params={"room": room.code, "part": "1"},
            )
        with code:
            draw_qr_code(url, room)
    draw_controls(room)
    with st.expander("What came out, and what to talk about", icon=":material/forum:"):
        draw_room_debrief(room)
        st.button("Bring up to date", icon=":material/refresh:")
    with st.expander("Change the settings", icon=":material/tune:"):
        st.caption("They hold for runs that are started from then on.")
        changed = draw_settings_form(room.settings, f"now-{room.code}")
        if changed and st.button("Use these settings", type="primary"):
            get_rooms().update_settings(room.code, current_visitor(), changed)
            st.rerun()
    st.fragment(error_boundary()(watch_as_leader), run_every=POLL_SECONDS)(room)


def draw_controls(room: Room) -> None:
    rooms, visitor = get_rooms(), current_visitor()
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Go on" if room.paused else "Pause",
            type="primary" if room.paused else "secondary",
            icon=":material/play_arrow:" if room.paused else ":material/pause:",
            help="While it is paused nobody can start a run, and everybody is told.",
            on_click=rooms.pause,
            args=(room.code, visitor, not room.paused),
            key="pause",
        )
        st.button(
            "Stop what runs",
            icon=":material/stop_circle:",
            help="Runs stop with the best they have; those that wait are cancelled.",
            on_click=rooms.stop_runs,
            args=(room.code, visitor),
        )
        with st.popover("Clear the board", icon=":material/mop:"):
            st.markdown("Every line goes; the runs stay their owners'.")
            st.button("Clear it", on_click=rooms.clear_board, args=(room.code, visitor))
        with st.popover("Remove somebody", icon=":material/person_remove:"):
            names = [person.name for person in rooms.list_people(room.code)]
            name = st.selectbox("Who", names, key="whom", placeholder="Nobody is here")
            st.caption("Their name and lines go. They can join again, under another name.")
            st.button("Remove", disabled=not name, on_click=rooms.remove_person,
                      args=(room.code, visitor, name or ""))  # fmt: skip
        with st.popover("Lead from another device", icon=":material/devices:"):
            st.markdown("Open this there. Whoever has it leads the room: not for the wall.")
            base = room.address or server_url.strip_query(st.context.url)
            st.code(server_url.add_query(base, room=room.code, lead=room.leader_key), language=None)
        with st.popover("Close the room", icon=":material/door_front:"):
            st.markdown(
                f"Code, names and board are gone. (After {ROOM_LIFETIME_HOURS} hours by itself.)"
            )
            st.button("Close it", type="primary", on_click=close_room, args=(room.code,))


def close_room(code: str) -> None:
    get_rooms().close(code, current_visitor())
    st.query_params.clear()


def watch_as_leader(room: Room) -> None:
    current = refresh_room(room)
    rows = get_rooms().read_board(current.code, current_visitor())
    people = get_rooms().list_people(current.code)
    running = sum(row.state == "running" for row in rows)
    waiting = sum(row.state == "queued" for row in rows)
    state = "**Paused.** " if current.paused else ""
    st.markdown(
        f"{state}{len(people)} here, {running} at work, {waiting} waiting. "
        + ", ".join(escape_markdown(person.name) for person in people)
    )
    st.caption(describe_settings(current.settings))
    draw_board(current, rows)
