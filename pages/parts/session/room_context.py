"""What a room changes on the Run page: whose room it is, and what stays as it is."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages.parts.figures import run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers import backbones
from trainers.hosting import quotas
from trainers.hosting.quotas import NotOwner, QuotaExceeded
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.hosting.rooms import Person, Room, get_rooms
from trainers.plan import Plan

PAUSED_MESSAGE = "The room is paused: nothing can be started until whoever leads it goes on."
POLL_SECONDS = 2.0  # between two looks at whether the room is paused


def find_room() -> tuple[Room, Person] | None:
    """The room that the visitor takes part in."""
    return get_rooms().find_current(current_visitor())


def draw_banner(found: tuple[Room, Person] | None) -> None:
    """Which room it is, at the top of the page; it hears when the room is paused or over."""
    if not found:
        return
    room, person = found
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
    found = find_room()
    if found is None or found[0].paused != paused:
        st.rerun(scope="app")


def start_run(plan: Plan, queue: Callable[[Plan, str], str] | None = None) -> str:
    """Starts a run, in the room where the visitor is in one; its id, or "" after a word of why
    not. What is locked is held by `rooms().start`, whatever this page shows. `queue` as in
    `limits.start`."""
    try:
        return get_rooms().enqueue(
            plan, current_visitor(), partial(quotas.enqueue_job, queue=queue)
        )
    except (NotAllowedInRoom, QuotaExceeded, NotOwner) as error:
        st.warning(escape_markdown(str(error)), icon=":material/lock:")
        return ""


def draw_locked_settings(settings: RoomSettings, number: int) -> None:
    """What stays as it is, in words."""
    fixed = {
        "data": f"Data: {format_data_title(settings.data)}",
        "per_class": "All examples" if settings.examples_per_class is None
        else f"{settings.examples_per_class} examples of each class",
        "seconds": f"Time budget: {tell.format_duration(settings.seconds)}",
    }  # fmt: skip
    words = [text for key, text in fixed.items() if not settings.allows_change(key)]
    if not settings.allows_change("expert"):
        words.append(
            f"Model: {escape_markdown(backbones.pick(settings.backbone_for(settings.data)).name)}"
        )
    if words:
        st.caption(f":material/lock: Set by the room: {'; '.join(words)}.")
    if settings.seed_per_person and not settings.allows_change("expert"):
        st.caption(
            f":material/casino: You learn from draw number {number} of the examples; everybody "
            "has another, so that the board shows how much is luck."
        )


def build_run_params(settings: RoomSettings, number: int = 1) -> dict[str, str]:
    """What fills in the Run page, for the person who came as `number`."""
    told = {"approach": settings.approaches[0], "data": settings.data}
    told |= {"seconds": f"{settings.seconds:g}", "seed": str(settings.seed_for(number))}
    if settings.examples_per_class is not None:
        told["per_class"] = str(settings.examples_per_class)
    if settings.backbone:
        told["backbone"] = settings.backbone
    return told
