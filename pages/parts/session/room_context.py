"""What a room changes on the Run page: a banner, locked settings, and how runs start."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import format_duration
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers import backbones
from trainers.hosting import quotas
from trainers.hosting.quotas import NotOwner, QuotaExceeded
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.hosting.rooms import Person, Room, get_rooms
from trainers.plan import Plan

PAUSED_MESSAGE = "The room is paused: nothing can be started until whoever leads it goes on."
POLL_SECONDS = 2.0  # how often the banner checks whether the room is paused


def find_room() -> tuple[Room, Person] | None:
    """Return the room that the visitor takes part in and who they are there, or None."""
    return get_rooms().find_current(current_visitor())


def draw_banner(membership: tuple[Room, Person] | None) -> None:
    """Draw the visitor's room at the top of the page; rerun when it is paused or closed."""
    if not membership:
        return
    room, person = membership
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/groups: **{escape_markdown(room.title)}**: you are "
            f"**{escape_markdown(person.name)}**, and "
            "runs count on the board.",
            width="stretch",
        )
        st.page_link(
            "room.py",
            label="See the board",
            icon=":material/leaderboard:",
            query_params={"room": room.code},
        )
        st.button("Leave the room", on_click=get_rooms().leave, args=(current_visitor(),))
    if room.paused:
        st.warning(PAUSED_MESSAGE, icon=":material/pause_circle:")
    st.fragment(error_boundary()(_rerun_on_change), run_every=POLL_SECONDS)(room.paused)


def _rerun_on_change(paused: bool) -> None:
    membership = find_room()
    if membership is None or membership[0].paused != paused:
        st.rerun(scope="app")


def start_run(plan: Plan, queue: Callable[[Plan, str], str] | None = None) -> str:
    """Queue a run, in the visitor's room if any; return its id, or "" below a warning.

    `Rooms.enqueue` enforces the room's locks, whatever this page shows. `queue` is passed on to
    `quotas.enqueue_job`.
    """
    try:
        return get_rooms().enqueue(
            plan, current_visitor(), partial(quotas.enqueue_job, queue=queue)
        )
    except (NotAllowedInRoom, QuotaExceeded, NotOwner) as error:
        st.warning(escape_markdown(str(error)), icon=":material/lock:")
        return ""


def draw_locked_settings(settings: RoomSettings, number: int) -> None:
    """Draw which settings the room fixes, and the visitor's seed."""
    fixed = {
        "data": f"Data: {format_data_title(settings.data)}",
        "per_class": "All examples" if settings.examples_per_class is None
        else f"{settings.examples_per_class} examples of each class",
        "seconds": f"Time budget: {format_duration(settings.seconds)}",
    }  # fmt: skip
    locked = [text for key, text in fixed.items() if not settings.allows_change(key)]
    if not settings.allows_change("expert"):
        backbone = backbones.pick(settings.backbone_for(settings.data))
        locked.append(f"Model: {escape_markdown(backbone.name)}")
    if locked:
        st.caption(f":material/lock: Set by the room: {'; '.join(locked)}.")
    if settings.seed_per_person and not settings.allows_change("expert"):
        st.caption(
            f":material/casino: You learn from draw number {number} of the examples; everybody "
            "has another, so that the board shows how much is luck."
        )


def build_run_params(settings: RoomSettings, number: int = 1) -> dict[str, str]:
    """Return the URL parameters that fill in the Run page for person `number` of the room."""
    params = {"approach": settings.approaches[0], "data": settings.data}
    params |= {"seconds": f"{settings.seconds:g}", "seed": str(settings.seed_for(number))}
    if settings.examples_per_class is not None:
        params["per_class"] = str(settings.examples_per_class)
    if settings.backbone:
        params["backbone"] = settings.backbone
    return params
