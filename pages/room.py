"""A room: one person leads, everybody runs, and the scores come together on one board."""

from collections.abc import Sequence
from math import ceil

import segno
import streamlit as st

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES, Exercise
from pages.parts.figures import leaderboard, leaderboard_chart, run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.session import room_context, server_url
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker, link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.svg import draw_svg
from trainers import backbones, datasets
from trainers.hosting import room_summary
from trainers.hosting.rooms import (
    CHANGEABLE_SETTINGS,
    CODE_LENGTH,
    MAX_NAME_CHARS,
    MAX_TITLE_CHARS,
    ROOM_LIFETIME_HOURS,
    BadName,
    BoardRow,
    NotAllowedInRoom,
    Person,
    Room,
    RoomNotFound,
    RoomSettings,
    best_per_person,
    get_rooms,
)
from trainers.plan import BadPlan
from trainers.store import FINISHED, get_store

POLL_SECONDS = 1.0
CLASS_SIZE = 30  # people, to say how long they wait
WALL_ROWS, WALL_COLUMNS = 10, 3  # of names that are read from the back of the room
BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300)
# Streamlit has no larger letters than a title's.
LARGE_CSS = """<style>
.st-key-code p { font-size: clamp(3rem, 9vw, 7rem); line-height: 1.05; letter-spacing: .14em;
  font-weight: 700; font-family: monospace }
.st-key-board td:first-child { white-space: nowrap; overflow-wrap: normal }
</style>"""
WALL_CSS = """<style>
[data-testid="stHeader"] { display: none }
[data-testid="stMainBlockContainer"] { padding: 1.2rem 2.5vw }
.st-key-code p { font-size: clamp(3.4rem, 10.5vw, 13rem); line-height: 1; letter-spacing: .12em;
  font-weight: 700; font-family: monospace }
.st-key-where p { font-size: clamp(1.2rem, 2vw, 2.8rem); line-height: 1.3; overflow-wrap: anywhere }
.st-key-wall-board :is(p, td, th) { font-size: clamp(1.1rem, 1.45vw, 2.2rem); line-height: 1.25 }
.st-key-wall-board :is(table, td, th) { border: 0; padding: .12em .3em }
.st-key-wall-board thead { visibility: collapse }
.st-key-wall-board table { width: 100%; table-layout: fixed }
.st-key-wall-board td { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.st-key-wall-board :is(th, td):first-child { width: 2.1em }
.st-key-wall-board :is(th, td):last-child { width: 3.2em }
</style>"""


# --- before a room ------------------------------------------------------------------------------


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
    """What it takes, for who plans one."""
    at_once = max(1, get_store().count_ready_workers())
    runs = "One run" if at_once == 1 else f"{at_once} runs"
    seconds = max(one.seconds for one in EXERCISES.values())
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
    """The rooms that this browser is in already."""
    found = room_context.find_room()
    if found:
        st.page_link(
            "room.py",
            label=f"Back to {escape_markdown(found[0].title)}, where you are "
            f"{escape_markdown(found[1].name)}",
            icon=":material/groups:",
            query_params={"room": found[0].code},
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
    explain = TermLinker("frozen", "pre-trained", "from-scratch")
    for column, (key, one) in zip(st.columns(len(EXERCISES)), EXERCISES.items(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"### {one.title}")
            st.markdown(explain(one.goal))
            settings = RoomSettings.from_exercise(key)
            st.caption(describe_settings(settings))
            if st.button("Open a room with it", icon=":material/groups:", key=f"open-{key}"):
                open_room(one.title, settings)
            st.page_link(
                "run.py",
                label="Try it alone",
                icon=":material/play_circle:",
                query_params=room_context.build_run_params(settings),
            )
            with st.expander("What to talk about afterwards", icon=":material/forum:"):
                draw_debrief(list_own_runs(one), one.data, one.comparison, one.discussion)
                st.caption(
                    "Alone, give each run another seed (Expert settings): with the same one it "
                    "repeats itself."
                )


def describe_settings(settings: RoomSettings) -> str:
    """What is run, in a line of Markdown."""
    many = (
        "all examples"
        if settings.examples_per_class is None
        else f"{settings.examples_per_class} of each class"
    )
    named = ", ".join(APPROACHES[key].title for key in settings.approaches)
    free = [CHANGEABLE_SETTINGS[key].lower() for key in settings.changeable]
    words = (
        f"{format_data_title(settings.data)}; {many}; "
        f"{tell.format_duration(settings.seconds)}. {named}."
    )
    return f"{words} People choose: {', '.join(free)}." if free else words


def list_own_runs(exercise: Exercise) -> list[BoardRow]:
    """This visitor's own finished runs of an exercise, as a board would show them."""
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


def draw_debrief(lines: Sequence[BoardRow], data: str, by: str, talk: Sequence[str] = ()) -> None:
    """The debrief: what was measured, then what to talk about."""
    said = room_summary.summarise_room(lines, data=data, by=by)
    if said:
        st.markdown(
            "**What came out**\n\n" + "\n".join(f"- {escape_markdown(one)}" for one in said)
        )
    else:
        st.caption("What came out will stand here once runs are finished.")
    if talk:
        st.markdown("**To talk about**\n\n" + "\n".join(f"- {one}" for one in talk))


def draw_settings_form(now: RoomSettings, key: str) -> RoomSettings | None:
    """Asks for a room's settings; None, after a word of why, where they cannot be."""
    usable = {sample.key: sample for sample in datasets.list_available()}
    data = st.selectbox(
        "Data",
        list(usable),
        index=list(usable).index(now.data) if now.data in usable else 0,
        format_func=lambda one: usable[one].title,
        key=f"{key}-data",
    )
    approaches = st.pills(
        "Approaches that people may choose",
        list(APPROACHES),
        selection_mode="multi",
        default=now.approaches,
        format_func=lambda one: APPROACHES[one].title,
        key=f"{key}-approaches",
    )
    seconds = st.select_slider(
        "Time budget of a run",
        BUDGETS_SECONDS,
        value=now.seconds if now.seconds in BUDGETS_SECONDS else 20,
        format_func=tell.format_duration,
        key=f"{key}-seconds",
    )
    per_class = most = usable[data].train_examples_per_class
    if most > 1:  # a slider with one place raises
        per_class = st.slider(
            "Examples of each class to learn from",
            1,
            most,
            min(most, now.examples_per_class or most),
            key=f"{key}-per-class-{data}",
        )
    may_change = st.pills(
        "People may change",
        list(CHANGEABLE_SETTINGS),
        selection_mode="multi",
        default=now.changeable,
        format_func=CHANGEABLE_SETTINGS.__getitem__,
        help="Everything else is locked: a run with other settings is not started.",
        key=f"{key}-may-change",
    )
    draws = st.checkbox(
        "Everybody learns from other examples of the same data",
        now.seed_per_person,
        help="Each person gets a draw (seed) of their own, so that the board shows how much of a "
        "score is luck. Without it the same settings give everybody the same score.",
        key=f"{key}-draws",
    )
    rows = [
        row
        for row in backbones.list_for_modality(usable[data].modality)
        if backbones.is_downloaded(row)
    ]
    named = {row.key: row for row in rows}
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        list(named),
        index=list(named).index(now.backbone) if now.backbone in named else 0,
        format_func=lambda one: named[one].title,
        key=f"{key}-backbone-{usable[data].modality}",
    )
    try:
        return RoomSettings(
            data=data,
            approaches=tuple(approaches),
            seconds=seconds,
            examples_per_class=per_class,
            backbone=backbone,
            changeable=tuple(may_change),
            seed_per_person=draws,
            exercise=now.exercise if data == now.data else "",
        )
    except BadPlan as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None


# --- into a room ----------------------------------------------------------------------------------


def draw_join_page(room: Room) -> None:
    st.title(escape_markdown(room.title))
    about = EXERCISES.get(room.settings.exercise)
    st.markdown(about.goal if about else "Everybody runs, and one board shows all scores.")
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


# --- who takes part -------------------------------------------------------------------------------


def draw_member_page(room: Room, person: Person) -> None:
    st.html(LARGE_CSS)
    st.title(escape_markdown(room.title))
    about = EXERCISES.get(room.settings.exercise)
    with st.container(border=True):
        st.markdown(f"You are **{escape_markdown(person.name)}**. {describe_task(about)}")
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
    """For who leads, and takes part too."""
    if get_rooms().is_leader(room.code, current_visitor()):
        st.page_link(
            "room.py",
            label="Back to the controls",
            icon=":material/co_present:",
            query_params={"room": room.code},
        )


def describe_task(about: Exercise | None) -> str:
    if about:
        return f"{about.goal} {about.task}"
    return "Go to Run, press Start, and your score appears on the board."


def watch_as_member(room: Room) -> None:
    now = refresh_room(room)
    lines = get_rooms().read_board(now.code, current_visitor())
    wait = get_store().estimate_wait(current_visitor())
    with st.container(gap="xsmall"):
        if now.paused:
            st.warning("Paused: please look up. Nothing new can be started until it goes on.",
                       icon=":material/pause_circle:")  # fmt: skip
        elif wait.position:
            st.info(
                f"If you start now: {tell.describe_wait(wait)}", icon=":material/hourglass_empty:"
            )
        else:
            st.info("If you start now, it begins at once.", icon=":material/bolt:")
    st.markdown(
        f"**{escape_markdown(text)}**" if (text := leaderboard.describe_rank(lines)) else ""
    )
    draw_board(now, lines)


def refresh_room(room: Room) -> Room:
    """The room as it is now; the page is drawn anew where it is another."""
    try:
        now = get_rooms().get_room(room.code)
    except RoomNotFound:
        st.rerun(scope="app")
    if (now.paused, now.settings, now.address) != (room.paused, room.settings, room.address):
        st.rerun(scope="app")
    return now


def draw_board(room: Room, lines: Sequence[BoardRow]) -> None:
    """The board and its chart. Order and heights stay, so that nothing jumps."""
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.markdown("## The board")
        with st.container(key="board"):
            st.markdown(leaderboard.format_table(lines) if lines else leaderboard.EMPTY_TEXT)
        st.caption(leaderboard.describe_caveat(lines))
    with right:
        st.markdown(
            f"## Score against {'time' if choose_x_axis(room) == 'seconds' else 'examples'}"
        )
        draw_live_plot(
            build_chart(room, lines),
            key="room-chart",
            alt=leaderboard_chart.describe_scores(lines),
        )
        st.caption(
            f"Each mark is a finished run; the line through it is its {link_term('interval')}."
            if lines
            else ""
        )


def choose_x_axis(room: Room) -> str:
    """What the chart's axis is: the seconds, or what the exercise is about."""
    about = EXERCISES.get(room.settings.exercise)
    return "per_class" if about and about.comparison == "per_class" else "seconds"


def build_chart(
    room: Room, lines: Sequence[BoardRow], *, wall: bool = False
) -> leaderboard_chart.Figure:
    return leaderboard_chart.score_chart(
        lines,
        {*room.settings.approaches, *(line.approach for line in lines)},
        by=choose_x_axis(room),
        most_x=room.settings.seconds if choose_x_axis(room) == "seconds" else 0,
        wall=wall,
    )


def draw_room_debrief(room: Room) -> None:
    about = EXERCISES.get(room.settings.exercise)
    compare = about.comparison if about else "approach"
    lines = get_rooms().read_board(room.code, current_visitor())
    if not room.settings.seed_per_person and not room.settings.allows_change("expert"):
        st.caption(
            "Everybody learns from the same examples here (one draw), so runs of one approach "
            "nearly repeat each other: how much is luck cannot be judged."
        )
    draw_debrief(lines, room.settings.data, compare, about.discussion if about else ())


# --- who leads ------------------------------------------------------------------------------------


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


def choose_address(room: Room) -> str:
    """Where people find this room; asks for the address where the browser's own is of no use."""
    browser = server_url.strip_query(st.context.url)
    options = [browser] if not server_url.is_loopback(browser) else []
    options += [one for one in server_url.list_network_urls(browser) if one not in options]
    chosen = room.address or (options[0] if options else browser)
    st.markdown(f"Others open **{escape_markdown(chosen)}** and type:")
    with st.popover("Is this address right?", icon=":material/lan:"):
        if server_url.is_loopback(browser):
            st.markdown(
                "Your browser calls this computer “localhost”, which every computer says of "
                "itself. Others need its address in your network."
            )
        given = st.selectbox(
            "Address that people use",
            dict.fromkeys([chosen, *options]),
            accept_new_options=True,
            key=f"address-{room.code}",
            help="Choose one, or type what your network calls this computer.",
        )
        if given and not server_url.is_url(given):
            st.warning("An address begins with http:// or https://.", icon=":material/error:")
        elif given and given != chosen:
            get_rooms().set_address(room.code, current_visitor(), given)
            st.rerun()
        if st.get_option("server.address") in ("localhost", "127.0.0.1"):
            st.warning(
                "This server answers this computer alone: it was started with --server.address. "
                "Start it without.",
                icon=":material/lan:",
            )
        st.caption("If a phone does not reach it: same network? Does a firewall let it through?")
    return server_url.add_query(chosen, room=room.code)


def draw_qr_code(url: str, room: Room) -> None:
    """The link as a picture for phones; black on white, or a camera would not read it in the
    dark."""
    drawing = segno.make(url, error="m", micro=False).svg_inline(
        border=3, dark="#000", light="#fff", omitsize=True
    )
    said = f'role="img" aria-label="QR code that leads into the room {room.code}" width="100%"'
    draw_svg(drawing.replace("<svg ", f"<svg {said} ", 1), key="qr")


def draw_controls(room: Room) -> None:
    found, who = get_rooms(), current_visitor()
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Go on" if room.paused else "Pause",
            type="primary" if room.paused else "secondary",
            icon=":material/play_arrow:" if room.paused else ":material/pause:",
            help="While it is paused nobody can start a run, and everybody is told.",
            on_click=found.pause,
            args=(room.code, who, not room.paused),
            key="pause",
        )
        st.button(
            "Stop what runs",
            icon=":material/stop_circle:",
            help="Runs stop with the best they have; those that wait are cancelled.",
            on_click=found.stop_runs,
            args=(room.code, who),
        )
        with st.popover("Clear the board", icon=":material/mop:"):
            st.markdown("Every line goes; the runs stay their owners'.")
            st.button("Clear it", on_click=found.clear_board, args=(room.code, who))
        with st.popover("Remove somebody", icon=":material/person_remove:"):
            names = [person.name for person in found.list_people(room.code)]
            name = st.selectbox("Who", names, key="whom", placeholder="Nobody is here")
            st.caption("Their name and lines go. They can join again, under another name.")
            st.button("Remove", disabled=not name, on_click=found.remove_person,
                      args=(room.code, who, name or ""))  # fmt: skip
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
    now = refresh_room(room)
    lines = get_rooms().read_board(now.code, current_visitor())
    here = get_rooms().list_people(now.code)
    at_work = sum(line.state == "running" for line in lines)
    waiting = sum(line.state == "queued" for line in lines)
    state = "**Paused.** " if now.paused else ""
    st.markdown(
        f"{state}{len(here)} here, {at_work} at work, {waiting} waiting. "
        + ", ".join(escape_markdown(person.name) for person in here)
    )
    st.caption(describe_settings(now.settings))
    draw_board(now, lines)


# --- on the wall ----------------------------------------------------------------------------------


def draw_wall_page(room: Room, leads: bool) -> None:
    st.html(WALL_CSS)
    words, code = st.columns([4.6, 1], gap="large", vertical_alignment="center")
    chosen = room.address or guess_address()
    with words:
        with st.container(key="where"):
            st.markdown(f"Join at **{escape_markdown(chosen.partition('://')[2])}** with the code")
        with st.container(key="code"):
            st.markdown(room.code)
    with code:
        draw_qr_code(server_url.add_query(chosen, room=room.code), room)
    st.fragment(error_boundary()(watch_wall), run_every=POLL_SECONDS)(room)
    st.page_link(
        "room.py",
        label="Back to the controls" if leads else "Back to the room",
        icon=":material/close_fullscreen:",
        query_params={"room": room.code},
    )


def guess_address() -> str:
    """Where people most likely find this server, where nobody said."""
    browser = server_url.strip_query(st.context.url)
    if not server_url.is_loopback(browser):
        return browser
    return next(iter(server_url.list_network_urls(browser)), browser)


def watch_wall(room: Room) -> None:
    now = refresh_room(room)
    every = get_rooms().read_board(now.code)
    lines = best_per_person(every)
    with st.container(key="wall-board"):
        people = get_rooms().list_people(now.code)
        one = "person" if len(people) == 1 else "people"
        runs = "run" if len(every) == 1 else "runs"
        paused = "**Paused: please look up.** " if now.paused else ""
        st.markdown(f"{paused}{len(people)} {one}, {len(every)} {runs}")
        *columns, aside = st.columns([1] * WALL_COLUMNS + [1.7], gap="medium")
        for number, column in enumerate(columns):
            first = number * WALL_ROWS
            some = lines[first : first + WALL_ROWS]
            nobody = "" if lines or number else leaderboard.EMPTY_TEXT
            column.markdown(leaderboard.format_wall_table(some, 1 + first) if some else nobody)
        rest = len(lines) - WALL_COLUMNS * WALL_ROWS
        st.markdown(f"… and {rest} more" if rest > 0 else "")
        with aside:
            draw_live_plot(
                build_chart(now, every, wall=True),
                key="wall-chart",
                alt=leaderboard_chart.describe_scores(every),
            )


# --- which of them --------------------------------------------------------------------------------


def enter(code: str) -> None:
    who = current_visitor()
    try:
        if key := st.query_params.get("lead"):
            get_rooms().make_leader(code, key, who)
            del st.query_params["lead"]  # the address is seen on a wall; the key is not for it
        room = get_rooms().enter(code, who)
    except RoomNotFound as error:
        del st.query_params["room"]  # or each press of a button would be one more wrong try
        draw_start_page(str(error))
        return
    leads, found = get_rooms().is_leader(room.code, who), get_rooms().find_current(who)
    person = found[1] if found and found[0].code == room.code else None
    if "wall" in st.query_params and (leads or person):
        draw_wall_page(room, leads)
    elif leads and "part" not in st.query_params:
        draw_leader_page(room)
    elif person:
        draw_member_page(room, person)
    else:
        draw_join_page(room)


if wanted := st.query_params.get("room"):
    enter(wanted)
else:
    draw_start_page()
