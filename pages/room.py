"""The Room page: one person leads, everybody runs models, one board shows all scores."""

import streamlit as st

from pages.parts.room.leader import draw_leader_page
from pages.parts.room.member import draw_join_page, draw_member_page
from pages.parts.room.start_page import draw_start_page
from pages.parts.room.wall import draw_wall_page
from pages.parts.session.visitor import current_visitor
from trainers.hosting.rooms import RoomNotFound, get_rooms


def enter(code: str) -> None:
    """Draw the room with this code as its leader, a member, the wall or a newcomer sees it."""
    visitor = current_visitor()
    try:
        if key := st.query_params.get("lead"):
            get_rooms().make_leader(code, key, visitor)
            del st.query_params["lead"]  # the address may be projected: it must not show the key
        room = get_rooms().enter(code, visitor)
    except RoomNotFound as error:
        del st.query_params["room"]  # else every rerun would count as another wrong code
        draw_start_page(str(error))
        return
    is_leader = get_rooms().is_leader(room.code, visitor)
    membership = get_rooms().find_current(visitor)
    person = membership[1] if membership and membership[0].code == room.code else None
    if "wall" in st.query_params and (is_leader or person):
        draw_wall_page(room, is_leader)
    elif is_leader and "part" not in st.query_params:
        draw_leader_page(room)
    elif person:
        draw_member_page(room, person)
    else:
        draw_join_page(room)


if code := st.query_params.get("room"):
    enter(code)
else:
    draw_start_page()
