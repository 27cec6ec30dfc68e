"""A room: one person leads, everybody runs, and the scores come together on one board."""

from collections.abc import Sequence
from math import ceil

import segno
import streamlit as st

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES, Exercise
from pages.parts.figures import leaderboard, leaderboard_chart, run_snapshot as tell
from pages.parts.figures.markdown import plain, title_of
from pages.parts.session import room_context, server_url
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import visitor
from pages.parts.widgets.glossary import Words, word
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.svg import picture
from trainers import backbones, datasets
from trainers.hosting import room_summary
from trainers.hosting.rooms import (
    CODE_LETTERS,
    HOURS,
    MAY_CHANGE,
    NAME_CHARS,
    TITLE_CHARS,
    BadName,
    Line,
    NoRoom,
    NotNow,
    Person,
    Room,
    Settings,
    best_of_each,
    rooms,
)
from trainers.plan import BadPlan
from trainers.store import FINISHED, store

LOOK_SECONDS = 1.0
A_CLASS = 30  # people, to say how long they wait
WALL_ROWS, WALL_COLUMNS = 10, 3  # of names that are read from the back of the room
BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300)
# Streamlit has no larger letters than a title's.
LARGE = """<style>
.st-key-code p { font-size: clamp(3rem, 9vw, 7rem); line-height: 1.05; letter-spacing: .14em;
  font-weight: 700; font-family: monospace }
.st-key-board td:first-child { white-space: nowrap; overflow-wrap: normal }
</style>"""
WALL = """<style>
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


def front(problem: str = "") -> None:
    st.title("Room")
    st.markdown(
        "For a class or a workshop. One person opens a room; everybody joins it with a code and a "
        "name; each runs a model, and all scores come together on one board, live."
    )
    if problem:
        st.warning(plain(problem), icon=":material/error:")
    left, right = st.columns(2, gap="large")
    with left.container(border=True, height="stretch"):
        st.markdown("## Join a room")
        with st.form("code-form", border=False):
            code = st.text_input(
                "Code",
                max_chars=CODE_LETTERS + 4,
                placeholder=f"{CODE_LETTERS} letters, as on the wall",
                key="typed",
            )
            if st.form_submit_button("Join", type="primary", icon=":material/login:"):
                st.query_params.from_dict({"room": code.strip().upper()})
                st.rerun()
        mine()
    with right.container(border=True, height="stretch"):
        st.markdown("## Open a room")
        st.markdown("You lead it: you get a code for the wall, and can pause, stop and clear.")
        with st.expander("Set up your own", icon=":material/tune:"):
            settings = set_up(Settings(), "new")
            title = st.text_input("Title", "Workshop", max_chars=TITLE_CHARS, key="new-title")
            if settings and st.button("Open the room", type="primary", icon=":material/add:"):
                opened(title, settings)
        st.caption("Or take one of the exercises below: one click, and the room is ready.")
    before_a_class()
    exercises()


def before_a_class() -> None:
    """What it takes, for who plans one."""
    at_once = max(1, store().ready_workers())
    runs = "One run" if at_once == 1 else f"{at_once} runs"
    seconds = max(one.seconds for one in EXERCISES.values())
    minutes = ceil(A_CLASS * seconds / at_once / 60)
    with st.expander("Before a class: what it takes", icon=":material/checklist:"):
        st.markdown(
            "- **One computer runs Thaw**, this one. Everybody else opens it in the browser of a "
            "laptop or a phone in the same network. Nobody needs an account.\n"
            "- **No internet**: the data and models of the exercises below come with Thaw.\n"
            f"- **Time**: {runs} at a time on this computer, the others wait in line and see how "
            f"long. With {A_CLASS} people it takes at most {minutes} minutes until everyone has a "
            "score, and mostly far less: transfer learning takes some seconds.\n"
            "- **A plan for 45 minutes**: 5 to join, 10 for a first run of everybody, 15 to try "
            "another approach or other settings, 15 for what came out and what to talk about.\n"
            "- **Before the day**: open a room with one exercise, join it with your phone, and run "
            "it once. If the phone does not reach the address: *Is this address right?* in the "
            "room."
        )


def mine() -> None:
    """The rooms that this browser is in already."""
    found = room_context.here()
    if found:
        st.page_link(
            "room.py",
            label=f"Back to {plain(found[0].title)}, where you are {plain(found[1].name)}",
            icon=":material/groups:",
            query_params={"room": found[0].code},
        )
    for room in rooms().led_by(visitor()):
        st.page_link(
            "room.py",
            label=f"You lead {plain(room.title)} ({room.code})",
            icon=":material/co_present:",
            query_params={"room": room.code},
        )


def opened(title: str, settings: Settings) -> None:
    try:
        room = rooms().open(title, settings, visitor())
    except NotNow as error:
        st.warning(str(error), icon=":material/error:")
        return
    st.query_params.from_dict({"room": room.code})
    st.rerun()


def exercises() -> None:
    st.markdown("## Ready exercises")
    explain = Words("frozen", "pre-trained", "from-scratch")
    for column, (key, one) in zip(st.columns(len(EXERCISES)), EXERCISES.items(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"### {one.title}")
            st.markdown(explain(one.goal))
            settings = Settings.of_exercise(key)
            st.caption(in_short(settings))
            if st.button("Open a room with it", icon=":material/groups:", key=f"open-{key}"):
                opened(one.title, settings)
            st.page_link(
                "run.py",
                label="Try it alone",
                icon=":material/play_circle:",
                query_params=room_context.in_address(settings),
            )
            with st.expander("What to talk about afterwards", icon=":material/forum:"):
                came_out(alone(one), one.data, one.compare, one.talk)
                st.caption(
                    "Alone, give each run another seed (Expert settings): with the same one it "
                    "repeats itself."
                )


def in_short(settings: Settings) -> str:
    """What is run, in a line of Markdown."""
    many = "all examples" if settings.per_class is None else f"{settings.per_class} of each class"
    named = ", ".join(APPROACHES[key].title for key in settings.approaches)
    free = [MAY_CHANGE[key].lower() for key in settings.may_change]
    words = f"{title_of(settings.data)}; {many}; {tell.duration(settings.seconds)}. {named}."
    return f"{words} People choose: {', '.join(free)}." if free else words


def alone(exercise: Exercise) -> list[Line]:
    """This visitor's own finished runs of an exercise, as a board would show them."""
    return [
        Line("you", run.plan.approach, run.plan.data, run.plan.per_class, run.state,
             run.result["test_accuracy"], run.result["test_accuracy_low"],
             run.result["test_accuracy_high"], run.result["seconds"], True,
             run.plan.seed, run.plan.seconds, run.plan.backbone)
        for run in store().of_visitor(visitor(), limit=100)
        if run.state == FINISHED and run.plan.data == exercise.data
        and run.plan.approach in exercise.approaches and run.plan.seconds == exercise.seconds
        and (run.plan.per_class == exercise.per_class or "per_class" in exercise.may_change)
    ]  # fmt: skip


def came_out(lines: Sequence[Line], data: str, by: str, talk: Sequence[str] = ()) -> None:
    """The debrief: what was measured, then what to talk about."""
    said = room_summary.told(lines, data=data, by=by)
    if said:
        st.markdown("**What came out**\n\n" + "\n".join(f"- {plain(one)}" for one in said))
    else:
        st.caption("What came out will stand here once runs are finished.")
    if talk:
        st.markdown("**To talk about**\n\n" + "\n".join(f"- {one}" for one in talk))


def set_up(now: Settings, key: str) -> Settings | None:
    """Asks for a room's settings; None, after a word of why, where they cannot be."""
    usable = {sample.key: sample for sample in datasets.here()}
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
        format_func=tell.duration,
        key=f"{key}-seconds",
    )
    per_class = most = usable[data].train_per_class
    if most > 1:  # a slider with one place raises
        per_class = st.slider(
            "Examples of each class to learn from",
            1,
            most,
            min(most, now.per_class or most),
            key=f"{key}-per-class-{data}",
        )
    may_change = st.pills(
        "People may change",
        list(MAY_CHANGE),
        selection_mode="multi",
        default=now.may_change,
        format_func=MAY_CHANGE.__getitem__,
        help="Everything else is locked: a run with other settings is not started.",
        key=f"{key}-may-change",
    )
    draws = st.checkbox(
        "Everybody learns from other examples of the same data",
        now.draws,
        help="Each person gets a draw (seed) of their own, so that the board shows how much of a "
        "score is luck. Without it the same settings give everybody the same score.",
        key=f"{key}-draws",
    )
    rows = [row for row in backbones.for_modality(usable[data].modality) if backbones.is_here(row)]
    named = {row.key: row for row in rows}
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        list(named),
        index=list(named).index(now.backbone) if now.backbone in named else 0,
        format_func=lambda one: named[one].title,
        key=f"{key}-backbone-{usable[data].modality}",
    )
    try:
        return Settings(
            data=data,
            approaches=tuple(approaches),
            seconds=seconds,
            per_class=per_class,
            backbone=backbone,
            may_change=tuple(may_change),
            draws=draws,
            exercise=now.exercise if data == now.data else "",
        )
    except BadPlan as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return None


# --- into a room ----------------------------------------------------------------------------------


def come_in(room: Room) -> None:
    st.title(plain(room.title))
    about = EXERCISES.get(room.settings.exercise)
    st.markdown(about.goal if about else "Everybody runs, and one board shows all scores.")
    with st.container(border=True, width=520), st.form("name-form", border=False):
        name = st.text_input(
            "Your name, as the board shall show it",
            max_chars=NAME_CHARS,
            placeholder="A first name or a made-up one",
            key="name",
        )
        st.caption(
            "The others see this name, and of each run the data, approach, score and time: nothing "
            "else."
        )
        if st.form_submit_button("Join", type="primary", icon=":material/login:"):
            try:
                rooms().join(room.code, name, visitor())
            except (BadName, NotNow) as error:
                st.warning(str(error), icon=":material/error:")
            else:
                st.rerun()
    to_controls(room)


# --- who takes part -------------------------------------------------------------------------------


def take_part(room: Room, person: Person) -> None:
    st.html(LARGE)
    st.title(plain(room.title))
    about = EXERCISES.get(room.settings.exercise)
    with st.container(border=True):
        st.markdown(f"You are **{plain(person.name)}**. {goal_and_task(about)}")
        st.caption(in_short(room.settings))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Go and run it",
                type="primary",
                icon=":material/play_circle:",
                disabled=room.paused,
            ):
                st.switch_page(
                    "run.py", query_params=room_context.in_address(room.settings, person.number)
                )
            st.button("Leave the room", on_click=rooms().leave, args=(visitor(),))
    to_controls(room)
    st.fragment(told_plainly()(watch_as_person), run_every=2 * LOOK_SECONDS)(room)
    with st.expander("What came out, and what to talk about", icon=":material/forum:"):
        measured(room)


def to_controls(room: Room) -> None:
    """For who leads, and takes part too."""
    if rooms().leads(room.code, visitor()):
        st.page_link(
            "room.py",
            label="Back to the controls",
            icon=":material/co_present:",
            query_params={"room": room.code},
        )


def goal_and_task(about: Exercise | None) -> str:
    if about:
        return f"{about.goal} {about.do}"
    return "Go to Run, press Start, and your score appears on the board."


def watch_as_person(room: Room) -> None:
    now = looked_at(room)
    lines = rooms().board(now.code, visitor())
    wait = store().wait(visitor())
    with st.container(gap="xsmall"):
        if now.paused:
            st.warning("Paused: please look up. Nothing new can be started until it goes on.",
                       icon=":material/pause_circle:")  # fmt: skip
        elif wait.ahead:
            st.info(f"If you start now: {tell.in_line(wait)}", icon=":material/hourglass_empty:")
        else:
            st.info("If you start now, it begins at once.", icon=":material/bolt:")
    st.markdown(f"**{plain(text)}**" if (text := leaderboard.place_of_mine(lines)) else "")
    drawn(now, lines)


def looked_at(room: Room) -> Room:
    """The room as it is now; the page is drawn anew where it is another."""
    try:
        now = rooms().find(room.code)
    except NoRoom:
        st.rerun(scope="app")
    if (now.paused, now.settings, now.address) != (room.paused, room.settings, room.address):
        st.rerun(scope="app")
    return now


def drawn(room: Room, lines: Sequence[Line]) -> None:
    """The board and its chart. Order and heights stay, so that nothing jumps."""
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.markdown("## The board")
        with st.container(key="board"):
            st.markdown(leaderboard.table(lines) if lines else leaderboard.EMPTY)
        st.caption(leaderboard.note(lines))
    with right:
        st.markdown(f"## Score against {'time' if by(room) == 'seconds' else 'examples'}")
        live_plot(
            chart(room, lines),
            key="room-chart",
            alt=leaderboard_chart.in_words(lines),
        )
        st.caption(
            f"Each mark is a finished run; the line through it is its {word('interval')}."
            if lines
            else ""
        )


def by(room: Room) -> str:
    """What the chart's axis is: the seconds, or what the exercise is about."""
    about = EXERCISES.get(room.settings.exercise)
    return "per_class" if about and about.compare == "per_class" else "seconds"


def chart(room: Room, lines: Sequence[Line], *, wall: bool = False) -> leaderboard_chart.Figure:
    return leaderboard_chart.scores(
        lines,
        {*room.settings.approaches, *(line.approach for line in lines)},
        by=by(room),
        most_x=room.settings.seconds if by(room) == "seconds" else 0,
        wall=wall,
    )


def measured(room: Room) -> None:
    about = EXERCISES.get(room.settings.exercise)
    compare = about.compare if about else "approach"
    lines = rooms().board(room.code, visitor())
    if not room.settings.draws and not room.settings.may("expert"):
        st.caption(
            "Everybody learns from the same examples here (one draw), so runs of one approach "
            "nearly repeat each other: how much is luck cannot be judged."
        )
    came_out(lines, room.settings.data, compare, about.talk if about else ())


# --- who leads ------------------------------------------------------------------------------------


def lead(room: Room) -> None:
    st.html(LARGE)
    st.title(plain(room.title))
    with st.container(border=True):
        words, code = st.columns([2.2, 1], gap="large", vertical_alignment="center")
        with words:
            url = reached_at(room)
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
            qr(url, room)
    controls(room)
    with st.expander("What came out, and what to talk about", icon=":material/forum:"):
        measured(room)
        st.button("Bring up to date", icon=":material/refresh:")
    with st.expander("Change the settings", icon=":material/tune:"):
        st.caption("They hold for runs that are started from then on.")
        changed = set_up(room.settings, f"now-{room.code}")
        if changed and st.button("Use these settings", type="primary"):
            rooms().set_up(room.code, visitor(), changed)
            st.rerun()
    st.fragment(told_plainly()(watch_as_leader), run_every=LOOK_SECONDS)(room)


def reached_at(room: Room) -> str:
    """Where people find this room; asks for the address where the browser's own is of no use."""
    browser = server_url.page(st.context.url)
    options = [browser] if not server_url.is_of_this_computer_alone(browser) else []
    options += [one for one in server_url.in_the_network(browser) if one not in options]
    chosen = room.address or (options[0] if options else browser)
    st.markdown(f"Others open **{plain(chosen)}** and type:")
    with st.popover("Is this address right?", icon=":material/lan:"):
        if server_url.is_of_this_computer_alone(browser):
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
        if given and not server_url.is_address(given):
            st.warning("An address begins with http:// or https://.", icon=":material/error:")
        elif given and given != chosen:
            rooms().reached_at(room.code, visitor(), given)
            st.rerun()
        if st.get_option("server.address") in ("localhost", "127.0.0.1"):
            st.warning(
                "This server answers this computer alone: it was started with --server.address. "
                "Start it without.",
                icon=":material/lan:",
            )
        st.caption("If a phone does not reach it: same network? Does a firewall let it through?")
    return server_url.with_code(chosen, room=room.code)


def qr(url: str, room: Room) -> None:
    """The link as a picture for phones; black on white, or a camera would not read it in the
    dark."""
    drawing = segno.make(url, error="m", micro=False).svg_inline(
        border=3, dark="#000", light="#fff", omitsize=True
    )
    said = f'role="img" aria-label="QR code that leads into the room {room.code}" width="100%"'
    picture(drawing.replace("<svg ", f"<svg {said} ", 1), key="qr")


def controls(room: Room) -> None:
    found, who = rooms(), visitor()
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
            on_click=found.stop,
            args=(room.code, who),
        )
        with st.popover("Clear the board", icon=":material/mop:"):
            st.markdown("Every line goes; the runs stay their owners'.")
            st.button("Clear it", on_click=found.clear, args=(room.code, who))
        with st.popover("Remove somebody", icon=":material/person_remove:"):
            names = [person.name for person in found.people(room.code)]
            name = st.selectbox("Who", names, key="whom", placeholder="Nobody is here")
            st.caption("Their name and lines go. They can join again, under another name.")
            st.button("Remove", disabled=not name, on_click=found.remove,
                      args=(room.code, who, name or ""))  # fmt: skip
        with st.popover("Lead from another device", icon=":material/devices:"):
            st.markdown("Open this there. Whoever has it leads the room: not for the wall.")
            base = room.address or server_url.page(st.context.url)
            st.code(server_url.with_code(base, room=room.code, lead=room.key), language=None)
        with st.popover("Close the room", icon=":material/door_front:"):
            st.markdown(f"Code, names and board are gone. (After {HOURS} hours by itself.)")
            st.button("Close it", type="primary", on_click=closed, args=(room.code,))


def closed(code: str) -> None:
    rooms().close(code, visitor())
    st.query_params.clear()


def watch_as_leader(room: Room) -> None:
    now = looked_at(room)
    lines = rooms().board(now.code, visitor())
    here = rooms().people(now.code)
    at_work = sum(line.state == "running" for line in lines)
    waiting = sum(line.state == "queued" for line in lines)
    state = "**Paused.** " if now.paused else ""
    st.markdown(
        f"{state}{len(here)} here, {at_work} at work, {waiting} waiting. "
        + ", ".join(plain(person.name) for person in here)
    )
    st.caption(in_short(now.settings))
    drawn(now, lines)


# --- on the wall ----------------------------------------------------------------------------------


def wall(room: Room, leads: bool) -> None:
    st.html(WALL)
    words, code = st.columns([4.6, 1], gap="large", vertical_alignment="center")
    chosen = room.address or usual_address()
    with words:
        with st.container(key="where"):
            st.markdown(f"Join at **{plain(chosen.partition('://')[2])}** with the code")
        with st.container(key="code"):
            st.markdown(room.code)
    with code:
        qr(server_url.with_code(chosen, room=room.code), room)
    st.fragment(told_plainly()(watch_on_the_wall), run_every=LOOK_SECONDS)(room)
    st.page_link(
        "room.py",
        label="Back to the controls" if leads else "Back to the room",
        icon=":material/close_fullscreen:",
        query_params={"room": room.code},
    )


def usual_address() -> str:
    """Where people most likely find this server, where nobody said."""
    browser = server_url.page(st.context.url)
    if not server_url.is_of_this_computer_alone(browser):
        return browser
    return next(iter(server_url.in_the_network(browser)), browser)


def watch_on_the_wall(room: Room) -> None:
    now = looked_at(room)
    every = rooms().board(now.code)
    lines = best_of_each(every)
    with st.container(key="wall-board"):
        people = rooms().people(now.code)
        one = "person" if len(people) == 1 else "people"
        runs = "run" if len(every) == 1 else "runs"
        paused = "**Paused: please look up.** " if now.paused else ""
        st.markdown(f"{paused}{len(people)} {one}, {len(every)} {runs}")
        *columns, aside = st.columns([1] * WALL_COLUMNS + [1.7], gap="medium")
        for number, column in enumerate(columns):
            first = number * WALL_ROWS
            some = lines[first : first + WALL_ROWS]
            nobody = "" if lines or number else leaderboard.EMPTY
            column.markdown(leaderboard.on_the_wall(some, 1 + first) if some else nobody)
        rest = len(lines) - WALL_COLUMNS * WALL_ROWS
        st.markdown(f"… and {rest} more" if rest > 0 else "")
        with aside:
            live_plot(
                chart(now, every, wall=True),
                key="wall-chart",
                alt=leaderboard_chart.in_words(every),
            )


# --- which of them --------------------------------------------------------------------------------


def enter(code: str) -> None:
    who = visitor()
    try:
        if key := st.query_params.get("lead"):
            rooms().lead(code, key, who)
            del st.query_params["lead"]  # the address is seen on a wall; the key is not for it
        room = rooms().enter(code, who)
    except NoRoom as error:
        del st.query_params["room"]  # or each press of a button would be one more wrong try
        front(str(error))
        return
    leads, found = rooms().leads(room.code, who), rooms().of(who)
    person = found[1] if found and found[0].code == room.code else None
    if "wall" in st.query_params and (leads or person):
        wall(room, leads)
    elif leads and "part" not in st.query_params:
        lead(room)
    elif person:
        take_part(room, person)
    else:
        come_in(room)


if wanted := st.query_params.get("room"):
    enter(wanted)
else:
    front()
