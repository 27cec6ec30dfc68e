"""Everything that this visitor ran: found again, named, compared, taken along."""

import re
import time
from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import charts, run_snapshot as tell
from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.sparkline import spark
from pages.parts.figures.style import FROZEN, LOOKS
from pages.parts.run_view import resume
from pages.parts.run_view.event_feed import events_of
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.visitor import account, visitor
from pages.parts.widgets.glossary import word
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.run_controls import filled_in, may_use
from pages.parts.widgets.svg import picture
from trainers import backbones
from trainers.events import Answered, Finished
from trainers.hosting import erase, quotas, retention, sharing
from trainers.reports.run_file import MAX_BYTES, BadFile, as_text, bring_in
from trainers.store import (
    NAME_CHARS,
    NOTE_CHARS,
    OVER,
    SEARCH_CHARS,
    UNDO_SECONDS,
    NoSuchRun,
    Past,
    Run,
    data_title,
    store,
)
from trainers.store.sparklines import sparks
from trainers.system.registry import UnknownKey

PAGE = 20
SCORE_PX = 84  # as wide as "100% to 100%"
MOST_COMPARED = 12  # more curves cannot be told apart. Ours
ORDERS = {"newest": "Newest first", "score": "Best score first", "longest": "Longest first"}
WHAT_LEARNS = {"auto": "as suits the model", "lora": "LoRA", "all": "all weights"}
CHOSEN = "chosen-"  # the keys of the boxes at the rows
# A link's label is one line, cut off: on a phone no title would be whole.
WHOLE_TITLES = """<style>
[class*="st-key-title-"] [data-testid="stPageLink"] a { padding-left: 0 }
[class*="st-key-title-"] [data-testid="stPageLink"] a * {
  white-space: normal; overflow: visible; overflow-wrap: anywhere }
</style>"""


# --- the list -------------------------------------------------------------------------------------


def listing() -> None:
    st.title("Runs")
    st.markdown(
        f"Everything that you ran {where()}, with its score and its "
        f"{word('interval')}. Choose one to name it, repeat it or take it along; choose several to "
        "lay them side by side."
    )
    search, order, parts = asked()
    settings = {"search": search, "sort": order, "parts": parts, "limit": PAGE}
    place = PAGE * (st.session_state.get("page", 1) - 1)
    page, total = store().history(visitor(), **settings, offset=place)
    if not page and total:  # it was the last on its page
        st.session_state["page"] = ceil(total / PAGE)
        st.rerun()
    undo()
    brought()
    if total:
        st.caption(f"{total:,} in all")
    st.html(WHOLE_TITLES)
    filling()
    keys = [past.id for past in page]
    curves, shared, since = sparks(store(), keys), sharing.among(keys), retention.since()
    for past in page:
        more = [*(["shared by a link"] if past.id in shared else []), *leaving(past, since)]
        row(past, curves.get(past.id, ()), more)
    if not total:
        nothing(search)
    if total > PAGE:
        st.pagination(ceil(total / PAGE), key="page")
    from_file()
    everything()
    if chosen := chosen_runs():
        with st.bottom:  # always in sight, and no row moves away from under the pointer
            actions(chosen)


def where() -> str:
    """Where this visitor's runs are theirs."""
    return "with this account" if account() else "in this browser"


def asked() -> tuple[str, str, bool]:
    """What to look for, in which order, and whether with the runs inside comparisons."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            type="search",
            max_chars=SEARCH_CHARS,
            placeholder="Name, note, approach or data",
            icon=":material/search:",
            key="search",
            on_change=first_page,
        )
        order = st.selectbox(
            "Order", list(ORDERS), format_func=ORDERS.__getitem__, key="order", width=190,
            on_change=first_page,
        )  # fmt: skip
    parts = st.toggle("Show the runs inside comparisons", key="parts", on_change=first_page)
    return search, order, parts


def first_page() -> None:
    st.session_state["page"] = 1


def row(past: Past, curve: Sequence[tuple[float, float]], more: list[str]) -> None:
    title = plain(past.title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.checkbox(
            f"Choose {spoken(past.title)}, {when(past.created)}",
            key=f"{CHOSEN}{past.id}",
            label_visibility="collapsed",
            persist_state="page",
        )
        with st.container(gap=None, width=SCORE_PX):
            score(past)
            if curve:
                colour = LOOKS[past.approach].colour if past.approach in LOOKS else FROZEN
                # A component's key must not have two _ in a row, as an id may.
                picture(spark(curve, colour), key=f"spark-{past.id.replace('_', '.')}")
        with st.container(gap=None, width="stretch", key=f"title-{past.id}"):
            address = {"run": past.id} if past.kind == "run" else {"compare": past.id}
            pin = ":material/keep: " if past.pinned else ""
            st.page_link(
                f"{'run' if past.kind == 'run' else 'compare'}.py",
                label=f"{pin}**{title}**",
                query_params=address,
            )
            st.caption(" · ".join([facts(past), *more]))


def spoken(title: str) -> str:
    """A title without any mark: what is read out is the label as we write it, escapes included."""
    return " ".join(re.sub(r"[^\w\s-]|_", " ", title).split())


def score(past: Past) -> None:
    """The test score and what other test examples would most likely give; or that there is none."""
    if past.score is None:
        st.caption(tell.STATES[past.state])
        return
    badge = LOOKS[past.approach].badge if past.approach in LOOKS else "gray"
    st.markdown(f":{badge}[**{past.score:.0%}**]")
    st.caption("the best" if past.low is None else f"{past.low:.0%} to {past.high:.0%}")


def facts(past: Past) -> str:
    """When it was, how long it took, and what was noted: Markdown."""
    words = [when(past.created)]
    if past.outcome is not None:
        words.append(tell.OUTCOMES[past.outcome][2])
    if past.seconds is not None:
        words.append(tell.in_short(past.seconds))
    if resume.where(past) and may_use(past.data):
        words.append("can be continued")
    if past.name:  # which no longer says what it is
        what = "every approach" if past.kind == "compare" else APPROACHES[past.approach].title
        words.append(plain(f"{what} on {data_title(past.data)}"))
    if past.note:
        note = " ".join(past.note.split())
        words.append(plain(note if len(note) < 80 else f"{note[:79]}…"))
    return " · ".join(words)


def leaving(past: Past, since: float) -> list[str]:
    """When it goes by its age, where it does."""
    ends = retention.until(past, since)
    told = []
    if ends.model and not (ends.run and ends.run <= ends.model):
        told.append(f"its model will be removed on {day(ends.model)}")
    if ends.run:
        told.append(f"kept until {day(ends.run)}")
    return told


def filling() -> None:
    """Says that room is running out, before anything goes."""
    if full := retention.nearly_full():
        taken, most = full
        st.warning(
            f"What is kept here takes {taken:,.1f} of {most:g} GB. When it is full, the models of "
            "the oldest runs are removed first, then the oldest runs. Pin what should stay, or "
            "take it along.",
            icon=":material/inventory_2:",
        )


def day(moment: float) -> str:
    then = datetime.fromtimestamp(moment)
    return f"{then.day} {then:%b %Y}"


def when(created: float) -> str:
    """A time as the visitor's clock and calendar have it."""
    try:
        zone = ZoneInfo(st.context.timezone or "")
    except (ZoneInfoNotFoundError, ValueError):  # a browser may send anything
        zone = None
    then, now = datetime.fromtimestamp(created, zone), datetime.fromtimestamp(time.time(), zone)
    clock = f"{then:%H:%M}"
    match (now.date() - then.date()).days:
        case 0:
            return f"today {clock}"
        case 1:
            return f"yesterday {clock}"
    return f"{then.day} {then:%b}{'' if then.year == now.year else f' {then.year}'} {clock}"


def nothing(search: str) -> None:
    if search.strip():
        st.info(
            f"Nothing is called “{plain(search)}”. All words must be found: in the name, the note, "
            "the approach or the data.",
            icon=":material/search_off:",
        )
        return
    st.info(f"Nothing was run {where()} yet.", icon=":material/history:")
    st.page_link("guide.py", label="Begin with three questions", icon=":material/explore:")
    st.page_link("run.py", label="Or run an approach at once", icon=":material/play_circle:")


# --- what can be done with those chosen -----------------------------------------------------------


def chosen_runs() -> list[Past]:
    """Those whose box is ticked, on whatever page, the oldest first."""
    found = []
    for key in [str(key) for key in st.session_state if str(key).startswith(CHOSEN)]:
        if not st.session_state[key]:
            continue
        try:
            found.append(store().past(key.removeprefix(CHOSEN)))
        except NoSuchRun:  # deleted in another tab
            del st.session_state[key]
    return sorted(found, key=lambda past: past.created)


def actions(chosen: list[Past]) -> None:
    keys = [past.id for past in chosen]
    title = plain(chosen[0].title) if len(chosen) == 1 else f"{len(chosen)} chosen"
    st.markdown(f"**{title}**")
    with st.container(horizontal=True, gap="small"):
        if len(chosen) == 1:
            one(chosen[0])
        else:
            st.button(
                "Lay them side by side",
                type="primary",
                icon=":material/stacked_line_chart:",
                on_click=st.query_params.from_dict,
                args=({"runs": ",".join(keys)},),
            )
        all_pinned = all(past.pinned for past in chosen)
        st.button(
            "Unpin" if all_pinned else "Pin to the top",
            icon=":material/keep_off:" if all_pinned else ":material/keep:",
            on_click=told_plainly()(store().pin),
            args=(keys, visitor(), not all_pinned),
        )
        st.button("Delete", icon=":material/delete:", on_click=delete, args=(keys,))
        st.button("Choose none", icon=":material/close:", on_click=choose_none)


def one(past: Past) -> None:
    with st.popover("Name and note", icon=":material/edit:"):
        st.text_input("Name", past.name, max_chars=NAME_CHARS, key=f"name-{past.id}",
                      placeholder=past.title)  # fmt: skip
        st.text_area("Note", past.note, max_chars=NOTE_CHARS, key=f"note-{past.id}")
        st.button("Keep this", type="primary", on_click=describe, args=(past.id,), key="describe")
    if may_use(past.data):
        if found := resume.where(past):
            resume.button(past.id, found)
        plan = store().find(past.id).plan
        if st.button("Repeat with changes", icon=":material/tune:"):
            st.switch_page("run.py", query_params=filled_in(plan))
    if past.state in OVER:
        runs, key = store(), past.id  # the callable runs without a page
        st.download_button(
            "Take it along",
            lambda: as_text(runs, key),
            file_name=f"thaw-{past.kind}-{datetime.fromtimestamp(past.created):%Y-%m-%d-%H%M}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            help="Everything that it told, as one file that any Thaw can read. Examples of your "
            "own data and the trained weights are not in it.",
        )


@told_plainly()
def describe(run: str) -> None:
    name, note = st.session_state[f"name-{run}"], st.session_state[f"note-{run}"]
    store().describe(run, visitor(), name=name, note=note)


@told_plainly()
def delete(keys: list[str]) -> None:
    st.session_state["deleted"] = store().delete(keys, visitor()), len(keys)
    choose_none()


def choose_none() -> None:
    for key in [str(key) for key in st.session_state if str(key).startswith(CHOSEN)]:
        st.session_state[key] = False


def undo() -> None:
    """Offers to bring back what was deleted last, for as long as that can be."""
    deleted, count = st.session_state.get("deleted", (0.0, 0))
    if time.time() - deleted > UNDO_SECONDS:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        what = "One run was" if count == 1 else f"{count} runs were"
        st.markdown(f"{what} deleted; in an hour, for good.", width="content")
        st.button("Undo", icon=":material/undo:", on_click=bring_back, args=(deleted,))


@told_plainly()
def bring_back(deleted: float) -> None:
    del st.session_state["deleted"]
    if not store().restore(deleted, visitor()):
        st.toast("That was deleted for good by now.")


# --- a run out of a file --------------------------------------------------------------------------


def from_file() -> None:
    with st.expander("Bring in a run from a file", icon=":material/upload_file:"):
        st.file_uploader(
            "A file that was downloaded here, or on another computer, with *Take it along*",
            type="json",
            max_upload_size=ceil(MAX_BYTES / 2**20),
            key=f"file-{st.session_state.get('files', 0)}",
            on_change=take,
        )


def brought() -> None:
    """Says, once, what became of a file."""
    match st.session_state.pop("brought", None):
        case Past() as past:
            st.success(
                f"{plain(past.title)} is among your runs now, at the time when it was made: "
                f"{when(past.created)}.",
                icon=":material/check:",
            )
        case str() as why:
            st.warning(plain(why), icon=":material/error:")


def take() -> None:
    number = st.session_state.get("files", 0)
    given = st.session_state[f"file-{number}"]
    if given is None:
        return
    st.session_state["files"] = number + 1  # an empty field: one file is brought in once
    try:
        quotas.let_in(visitor())
        run = bring_in(store(), given.getvalue(), visitor())
        st.session_state["brought"] = store().past(run)
    except (BadFile, quotas.OverLimit) as error:
        st.session_state["brought"] = str(error)


# --- the end of all ---------------------------------------------------------------------------

TYPED = "delete everything"


def everything() -> None:
    """All of this visitor's, after they typed that they mean it."""
    if st.session_state.pop("erased", False):
        st.success("Everything of yours was deleted.", icon=":material/check:")
    with st.expander("Delete everything of mine", icon=":material/delete_forever:"):
        st.markdown(
            "All your runs and comparisons with their models, all your own data, and the links "
            "that you shared. In rooms you are gone from the board; a room that you lead is closed "
            "for everybody. It cannot be undone. What is at work is cancelled, and gone within ten "
            "minutes. Your own files, and what you downloaded, are not touched."
        )
        st.text_input(f"To be sure, type: {TYPED}", max_chars=2 * len(TYPED), key="erase-typed")
        st.button("Delete everything of mine", icon=":material/delete_forever:", key="erase",
                  on_click=erase_all)  # fmt: skip
        if st.session_state.pop("erase-unsure", False):
            st.warning(f"Nothing was deleted. Type “{TYPED}” first.", icon=":material/info:")


@told_plainly()
def erase_all() -> None:
    if " ".join(st.session_state["erase-typed"].casefold().split()) != TYPED:
        st.session_state["erase-unsure"] = True
        return
    who = visitor()
    erase.everything(who)
    session_only = st.session_state.get("visitor")
    st.session_state.clear()  # it may hold examples
    if session_only:
        st.session_state["visitor"] = session_only
    st.session_state["erased"] = True


# --- side by side ---------------------------------------------------------------------------------


def compare(keys: Sequence[str]) -> None:
    st.title("Side by side")
    st.button("Back to all runs", icon=":material/arrow_back:", on_click=st.query_params.clear)
    found, missing = gathered(keys)
    if missing:
        st.warning(
            f"{missing} of them cannot be shown: deleted, somebody else's, or the link is "
            "incomplete.",
            icon=":material/link_off:",
        )
    if len(found) < 2:
        st.info("Choose two runs or more, to see how they differ.", icon=":material/checklist:")
        return
    stories = [tell.told(events_of(run.id, keys_of(found))) for run in found]
    names = [f"{n} · {title_of_run(run)}" for n, run in enumerate(found, 1)]
    if len({run.plan.data for run in found}) > 1:
        st.warning(
            "These were tested on different data. Their scores answer different questions, and "
            "the higher one is not the better model.",
            icon=":material/balance:",
        )
    st.markdown("## How much is right")
    live_plot(
        charts.side_by_side(list(zip(names, stories, strict=True))),
        key="side-by-side",
        alt="; ".join(f"{name}: {ending(run)}" for name, run in zip(names, found, strict=True)),
    )
    st.caption(
        f"On the {word('validation', 'checks')}, each on its own clock. What has no curve: its "
        "test score."
    )
    st.markdown("## Scores")
    tests = [asked_in(run, story) for run, story in zip(found, stories, strict=True)]
    st.markdown("\n".join(scores(found, stories, names, tests)))
    st.caption(
        "“Against 1” counts example by example, where both were asked: that sees smaller "
        "differences than two intervals laid beside each other. Where it holds zero, chance could "
        "be all there is."
    )
    if any(tests):
        from pages.parts.results.disagreements import differ  # only here, as below

        differ(found, stories, names, tests)
    st.markdown("## What was set differently")
    st.markdown("\n".join(differences(found)))


def gathered(keys: Sequence[str]) -> tuple[list[Run], int]:
    """The runs called so, with those of a comparison in its place, and how many are not there."""
    found: dict[str, Run] = {}
    missing = 0
    for key in keys:
        try:
            run = sharing.opened(key, visitor())
            if run.kind == "compare":
                parts, gone = gathered([row["run"] for row in (run.result or {}).get("runs", ())])
                found |= {part.id: part for part in parts}
                missing += gone
            elif run.kind == "run":
                found[run.id] = run
        except NoSuchRun:
            missing += 1
    if len(found) > MOST_COMPARED:
        st.caption(f"The first {MOST_COMPARED} of {len(found)} are shown.")
    return list(found.values())[:MOST_COMPARED], missing


def keys_of(found: list[Run]) -> list[str]:
    return [run.id for run in found]


def title_of_run(run: Run) -> str:
    return store().past(run.id).title


def ending(run: Run) -> str:
    end = run.result or {}
    if "test_accuracy" in end:
        return f"{end['test_accuracy']:.0%} right in the test"
    return tell.STATES[run.state]


def scores(found: list[Run], stories: list[Story], names: list[str], tests: list[Any]) -> list[str]:
    from trainers.evaluation.metrics import (
        between,  # only here: it takes a second, and a list needs none
    )

    rows = [
        f"| run | right in the {word('test')} (95 % {word('interval')}) | against 1 | time |",
        "|---|---|---|---|",
    ]
    for number, (run, story, name) in enumerate(zip(found, stories, names, strict=True)):
        end, named = story.end, f"**{plain(name)}**"  # no colour: in the figure it may be another
        if not isinstance(end, Finished):
            rows.append(f"| {named} | {tell.STATES[run.state]} | | |")
            continue
        if number == 0 or not (tests[0] and tests[number]):  # with itself, or not to be known
            against = "–"
        elif gap := between(tests[number], tests[0]):
            low, high = 100 * gap.low, 100 * gap.high
            against = f"{100 * gap.difference:+.1f} points ({low:+.1f} to {high:+.1f})"
        else:
            against = "another test"
        rows.append(
            f"| {named} | {end.test_accuracy:.1%} ({end.test_accuracy_low:.0%} to "
            f"{end.test_accuracy_high:.0%}) of {end.test_examples:,}"
            f" | {against} | {end.seconds:.1f} s |"
        )
    return rows


def asked_in(run: Run, story: Story) -> Any:
    """The test of a run, and its answers; None where it came to none."""
    from trainers.evaluation.metrics import Asked

    answered = [event for event in events_of(run.id, None) if isinstance(event, Answered)]
    if not (answered and answered[-1].labels) or not isinstance(story.end, Finished):
        return None
    test = (run.plan.data, run.plan.mends)
    return Asked(test, answered[-1].labels, answered[-1].answers)


def differences(found: list[Run]) -> list[str]:
    """A table of the settings that are not the same in all runs."""
    told = [settings(run) for run in found]
    differing = [name for name in told[0] if len({one[name] for one in told}) > 1]
    if not differing:
        return ["Nothing: all settings are the same. What differs, the clock or chance has done."]
    rows = ["| setting | in which runs |", "|---|---|"]  # on a phone there is no room for more
    for name in differing:
        values = [one[name] for one in told]
        parts = [
            f"{plain(value)} ({', '.join(str(n) for n, v in enumerate(values, 1) if v == value)})"
            for value in dict.fromkeys(values)
        ]
        rows.append(f"| {SETTINGS.get(name, name)} | {'; '.join(parts)} |")
    if same := [f"{name.lower()} {one}" for name, one in told[0].items() if name not in differing]:
        rows += ["", f"The same in all: {plain('; '.join(same))}."]
    return rows


SETTINGS = {
    "Pre-trained model": word("backbone", "Pre-trained model"),
    "Seed": word("seed", "Seed"),
}


def settings(run: Run) -> dict[str, str]:
    """What was set, in words."""
    plan = run.plan
    per_class = "all" if plan.per_class is None else f"{plan.per_class:,}"
    return {
        "Approach": APPROACHES[plan.approach].title,
        "Data": data_title(plan.data),
        "Examples of each class": per_class,
        "Time budget": tell.duration(plan.seconds),
        "Pre-trained model": backbone_title(plan.backbone),
        "What learns": WHAT_LEARNS[plan.what_learns],
        "Seed": str(plan.seed),
        "Left out": ", ".join(plan.mends) or "nothing",
    }


def backbone_title(key: str) -> str:
    try:
        return backbones.pick(key).title.partition(":")[0]
    except UnknownKey:
        return key


if given := st.query_params.get("runs"):
    compare(list(dict.fromkeys(given.split(",")))[: 2 * MOST_COMPARED])
else:
    listing()
