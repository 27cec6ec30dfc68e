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
from pages.parts.figures import comparison_charts, run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.sparkline import sparkline
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR
from pages.parts.run_view import resume
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_account, current_visitor
from pages.parts.widgets.glossary import link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.run_controls import build_run_params, can_use_data
from pages.parts.widgets.svg import draw_svg
from trainers import backbones
from trainers.events import PredictionsRecorded, RunFinished
from trainers.hosting import erase, quotas, retention, sharing
from trainers.reports.run_file import MAX_BYTES, BadFile, export_run, import_run
from trainers.store import (
    END_STATES,
    UNDO_SECONDS,
    Run,
    RunNotFound,
    RunSummary,
    data_title,
    get_store,
)
from trainers.store.history import MAX_SEARCH_CHARS
from trainers.store.rows import MAX_NAME_CHARS, MAX_NOTE_CHARS
from trainers.store.sparklines import read_sparklines
from trainers.system.registry import UnknownKey

PAGE_SIZE = 20
SCORE_WIDTH_PX = 84  # as wide as "100% to 100%"
MAX_COMPARED = 12  # more curves cannot be told apart. Ours
ORDERS = {"newest": "Newest first", "score": "Best score first", "longest": "Longest first"}
TRAINABLE_LABELS = {"auto": "as suits the model", "lora": "LoRA", "all": "all weights"}
CHECKBOX_PREFIX = "chosen-"  # the keys of the boxes at the rows
# A link's label is one line, cut off: on a phone no title would be whole.
TITLE_CSS = """<style>
[class*="st-key-title-"] [data-testid="stPageLink"] a { padding-left: 0 }
[class*="st-key-title-"] [data-testid="stPageLink"] a * {
  white-space: normal; overflow: visible; overflow-wrap: anywhere }
</style>"""


# --- the list -------------------------------------------------------------------------------------


def draw_run_list() -> None:
    st.title("Runs")
    st.markdown(
        f"Everything that you ran {describe_owner()}, with its score and its "
        f"{link_term('interval')}. Choose one to name it, repeat it or take it "
        "along; choose several to "
        "lay them side by side."
    )
    search, order, parts = draw_filters()
    settings = {"search": search, "sort": order, "parts": parts, "limit": PAGE_SIZE}
    place = PAGE_SIZE * (st.session_state.get("page", 1) - 1)
    page, total = get_store().list_history(current_visitor(), **settings, offset=place)
    if not page and total:  # it was the last on its page
        st.session_state["page"] = ceil(total / PAGE_SIZE)
        st.rerun()
    draw_undo()
    draw_import_result()
    if total:
        st.caption(f"{total:,} in all")
    st.html(TITLE_CSS)
    draw_storage_warning()
    keys = [past.id for past in page]
    curves, shared, since = (
        read_sparklines(get_store(), keys),
        sharing.filter_shared(keys),
        retention.get_policy_start(),
    )
    for past in page:
        more = [*(["shared by a link"] if past.id in shared else []), *describe_expiry(past, since)]
        draw_row(past, curves.get(past.id, ()), more)
    if not total:
        draw_no_results(search)
    if total > PAGE_SIZE:
        st.pagination(ceil(total / PAGE_SIZE), key="page")
    draw_file_import()
    draw_delete_all()
    if chosen := list_selected_runs():
        with st.bottom:  # always in sight, and no row moves away from under the pointer
            draw_actions(chosen)


def describe_owner() -> str:
    """Where this visitor's runs are theirs."""
    return "with this account" if current_account() else "in this browser"


def draw_filters() -> tuple[str, str, bool]:
    """What to look for, in which order, and whether with the runs inside comparisons."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            type="search",
            max_chars=MAX_SEARCH_CHARS,
            placeholder="Name, note, approach or data",
            icon=":material/search:",
            key="search",
            on_change=reset_pagination,
        )
        order = st.selectbox(
            "Order", list(ORDERS), format_func=ORDERS.__getitem__, key="order", width=190,
            on_change=reset_pagination,
        )  # fmt: skip
    parts = st.toggle("Show the runs inside comparisons", key="parts", on_change=reset_pagination)
    return search, order, parts


def reset_pagination() -> None:
    st.session_state["page"] = 1


def draw_row(past: RunSummary, curve: Sequence[tuple[float, float]], more: list[str]) -> None:
    title = escape_markdown(past.title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.checkbox(
            f"Choose {strip_markup(past.title)}, {format_time(past.created_at)}",
            key=f"{CHECKBOX_PREFIX}{past.id}",
            label_visibility="collapsed",
            persist_state="page",
        )
        with st.container(gap=None, width=SCORE_WIDTH_PX):
            draw_score(past)
            if curve:
                colour = (
                    APPROACH_STYLES[past.approach].colour
                    if past.approach in APPROACH_STYLES
                    else FROZEN_COLOUR
                )
                # A component's key must not have two _ in a row, as an id may.
                draw_svg(sparkline(curve, colour), key=f"spark-{past.id.replace('_', '.')}")
        with st.container(gap=None, width="stretch", key=f"title-{past.id}"):
            address = {"run": past.id} if past.kind == "run" else {"compare": past.id}
            pin = ":material/keep: " if past.pinned else ""
            st.page_link(
                f"{'run' if past.kind == 'run' else 'compare'}.py",
                label=f"{pin}**{title}**",
                query_params=address,
            )
            st.caption(" · ".join([describe_run(past), *more]))


def strip_markup(title: str) -> str:
    """A title without any mark: what is read out is the label as we write it, escapes included."""
    return " ".join(re.sub(r"[^\w\s-]|_", " ", title).split())


def draw_score(past: RunSummary) -> None:
    """The test score and what other test examples would most likely give; or that there is none."""
    if past.score is None:
        st.caption(tell.STATE_LABELS[past.state])
        return
    badge = APPROACH_STYLES[past.approach].badge if past.approach in APPROACH_STYLES else "gray"
    st.markdown(f":{badge}[**{past.score:.0%}**]")
    st.caption("the best" if past.low is None else f"{past.low:.0%} to {past.high:.0%}")


def describe_run(past: RunSummary) -> str:
    """When it was, how long it took, and what was noted: Markdown."""
    words = [format_time(past.created_at)]
    if past.outcome is not None:
        words.append(tell.OUTCOME_BADGES[past.outcome][2])
    if past.seconds is not None:
        words.append(tell.format_short_duration(past.seconds))
    if resume.find_resume_point(past) and can_use_data(past.data):
        words.append("can be continued")
    if past.name:  # which no longer says what it is
        what = "every approach" if past.kind == "compare" else APPROACHES[past.approach].title
        words.append(escape_markdown(f"{what} on {data_title(past.data)}"))
    if past.note:
        note = " ".join(past.note.split())
        words.append(escape_markdown(note if len(note) < 80 else f"{note[:79]}…"))
    return " · ".join(words)


def describe_expiry(past: RunSummary, since: float) -> list[str]:
    """When it goes by its age, where it does."""
    ends = retention.get_expiry_dates(past, since)
    told = []
    if ends.model and not (ends.run and ends.run <= ends.model):
        told.append(f"its model will be removed on {format_date(ends.model)}")
    if ends.run:
        told.append(f"kept until {format_date(ends.run)}")
    return told


def draw_storage_warning() -> None:
    """Says that room is running out, before anything goes."""
    if full := retention.get_storage_warning():
        taken, most = full
        st.warning(
            f"What is kept here takes {taken:,.1f} of {most:g} GB. When it is full, the models of "
            "the oldest runs are removed first, then the oldest runs. Pin what should stay, or "
            "take it along.",
            icon=":material/inventory_2:",
        )


def format_date(moment: float) -> str:
    then = datetime.fromtimestamp(moment)
    return f"{then.day} {then:%b %Y}"


def format_time(created: float) -> str:
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


def draw_no_results(search: str) -> None:
    if search.strip():
        st.info(
            f"Nothing is called “{escape_markdown(search)}”. All words must be "
            "found: in the name, the note, "
            "the approach or the data.",
            icon=":material/search_off:",
        )
        return
    st.info(f"Nothing was run {describe_owner()} yet.", icon=":material/history:")
    st.page_link("guide.py", label="Begin with three questions", icon=":material/explore:")
    st.page_link("run.py", label="Or run an approach at once", icon=":material/play_circle:")


# --- what can be done with those chosen -----------------------------------------------------------


def list_selected_runs() -> list[RunSummary]:
    """Those whose box is ticked, on whatever page, the oldest first."""
    found = []
    for key in [str(key) for key in st.session_state if str(key).startswith(CHECKBOX_PREFIX)]:
        if not st.session_state[key]:
            continue
        try:
            found.append(get_store().get_summary(key.removeprefix(CHECKBOX_PREFIX)))
        except RunNotFound:  # deleted in another tab
            del st.session_state[key]
    return sorted(found, key=lambda past: past.created_at)


def draw_actions(chosen: list[RunSummary]) -> None:
    keys = [past.id for past in chosen]
    title = escape_markdown(chosen[0].title) if len(chosen) == 1 else f"{len(chosen)} chosen"
    st.markdown(f"**{title}**")
    with st.container(horizontal=True, gap="small"):
        if len(chosen) == 1:
            draw_run_actions(chosen[0])
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
            on_click=error_boundary()(get_store().pin),
            args=(keys, current_visitor(), not all_pinned),
        )
        st.button("Delete", icon=":material/delete:", on_click=delete_runs, args=(keys,))
        st.button("Choose none", icon=":material/close:", on_click=clear_selection)


def draw_run_actions(past: RunSummary) -> None:
    with st.popover("Name and note", icon=":material/edit:"):
        st.text_input("Name", past.name, max_chars=MAX_NAME_CHARS, key=f"name-{past.id}",
                      placeholder=past.title)  # fmt: skip
        st.text_area("Note", past.note, max_chars=MAX_NOTE_CHARS, key=f"note-{past.id}")
        st.button(
            "Keep this", type="primary", on_click=save_description, args=(past.id,), key="describe"
        )
    if can_use_data(past.data):
        if found := resume.find_resume_point(past):
            resume.draw_resume_button(past.id, found)
        plan = get_store().get_run(past.id).job
        if st.button("Repeat with changes", icon=":material/tune:"):
            st.switch_page("run.py", query_params=build_run_params(plan))
    if past.state in END_STATES:
        runs, key = get_store(), past.id  # the callable runs without a page
        st.download_button(
            "Take it along",
            lambda: export_run(runs, key),
            file_name=f"thaw-{past.kind}-{datetime.fromtimestamp(past.created_at):%Y-%m-%d-%H%M}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            help="Everything that it told, as one file that any Thaw can read. Examples of your "
            "own data and the trained weights are not in it.",
        )


@error_boundary()
def save_description(run: str) -> None:
    name, note = st.session_state[f"name-{run}"], st.session_state[f"note-{run}"]
    get_store().annotate(run, current_visitor(), name=name, note=note)


@error_boundary()
def delete_runs(keys: list[str]) -> None:
    st.session_state["deleted"] = get_store().delete(keys, current_visitor()), len(keys)
    clear_selection()


def clear_selection() -> None:
    for key in [str(key) for key in st.session_state if str(key).startswith(CHECKBOX_PREFIX)]:
        st.session_state[key] = False


def draw_undo() -> None:
    """Offers to bring back what was deleted last, for as long as that can be."""
    deleted, count = st.session_state.get("deleted", (0.0, 0))
    if time.time() - deleted > UNDO_SECONDS:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        what = "One run was" if count == 1 else f"{count} runs were"
        st.markdown(f"{what} deleted; in an hour, for good.", width="content")
        st.button("Undo", icon=":material/undo:", on_click=restore_runs, args=(deleted,))


@error_boundary()
def restore_runs(deleted: float) -> None:
    del st.session_state["deleted"]
    if not get_store().restore(deleted, current_visitor()):
        st.toast("That was deleted for good by now.")


# --- a run out of a file --------------------------------------------------------------------------


def draw_file_import() -> None:
    with st.expander("Bring in a run from a file", icon=":material/upload_file:"):
        st.file_uploader(
            "A file that was downloaded here, or on another computer, with *Take it along*",
            type="json",
            max_upload_size=ceil(MAX_BYTES / 2**20),
            key=f"file-{st.session_state.get('files', 0)}",
            on_change=handle_file,
        )


def draw_import_result() -> None:
    """Says, once, what became of a file."""
    match st.session_state.pop("brought", None):
        case RunSummary() as past:
            st.success(
                f"{escape_markdown(past.title)} is among your runs now, at the time when "
                "it was made: "
                f"{format_time(past.created_at)}.",
                icon=":material/check:",
            )
        case str() as why:
            st.warning(escape_markdown(why), icon=":material/error:")


def handle_file() -> None:
    number = st.session_state.get("files", 0)
    given = st.session_state[f"file-{number}"]
    if given is None:
        return
    st.session_state["files"] = number + 1  # an empty field: one file is brought in once
    try:
        quotas.check_upload_quota(current_visitor())
        run = import_run(get_store(), given.getvalue(), current_visitor())
        st.session_state["brought"] = get_store().get_summary(run)
    except (BadFile, quotas.QuotaExceeded) as error:
        st.session_state["brought"] = str(error)


# --- the end of all ---------------------------------------------------------------------------

CONFIRMATION_TEXT = "delete everything"


def draw_delete_all() -> None:
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
        st.text_input(
            f"To be sure, type: {CONFIRMATION_TEXT}",
            max_chars=2 * len(CONFIRMATION_TEXT),
            key="erase-typed",
        )
        st.button("Delete everything of mine", icon=":material/delete_forever:", key="erase",
                  on_click=delete_all)  # fmt: skip
        if st.session_state.pop("erase-unsure", False):
            st.warning(
                f"Nothing was deleted. Type “{CONFIRMATION_TEXT}” first.", icon=":material/info:"
            )


@error_boundary()
def delete_all() -> None:
    if " ".join(st.session_state["erase-typed"].casefold().split()) != CONFIRMATION_TEXT:
        st.session_state["erase-unsure"] = True
        return
    who = current_visitor()
    erase.erase_visitor(who)
    session_only = st.session_state.get("visitor")
    st.session_state.clear()  # it may hold examples
    if session_only:
        st.session_state["visitor"] = session_only
    st.session_state["erased"] = True


# --- side by side ---------------------------------------------------------------------------------


def draw_comparison(keys: Sequence[str]) -> None:
    st.title("Side by side")
    st.button("Back to all runs", icon=":material/arrow_back:", on_click=st.query_params.clear)
    found, missing = load_runs(keys)
    if missing:
        st.warning(
            f"{missing} of them cannot be shown: deleted, somebody else's, or the link is "
            "incomplete.",
            icon=":material/link_off:",
        )
    if len(found) < 2:
        st.info("Choose two runs or more, to see how they differ.", icon=":material/checklist:")
        return
    stories = [tell.fold_events(read_events(run.id, list_run_ids(found))) for run in found]
    names = [f"{n} · {get_run_title(run)}" for n, run in enumerate(found, 1)]
    if len({run.job.data for run in found}) > 1:
        st.warning(
            "These were tested on different data. Their scores answer different questions, and "
            "the higher one is not the better model.",
            icon=":material/balance:",
        )
    st.markdown("## How much is right")
    draw_live_plot(
        comparison_charts.accuracy_comparison(list(zip(names, stories, strict=True))),
        key="side-by-side",
        alt="; ".join(
            f"{name}: {describe_outcome(run)}" for name, run in zip(names, found, strict=True)
        ),
    )
    st.caption(
        f"On the {link_term('validation', 'checks')}, each on its own clock. "
        "What has no curve: its "
        "test score."
    )
    st.markdown("## Scores")
    tests = [build_predictions(run, story) for run, story in zip(found, stories, strict=True)]
    st.markdown("\n".join(format_score_table(found, stories, names, tests)))
    st.caption(
        "“Against 1” counts example by example, where both were asked: that sees smaller "
        "differences than two intervals laid beside each other. Where it holds zero, chance could "
        "be all there is."
    )
    if any(tests):
        from pages.parts.results.disagreements import draw_disagreements  # only here, as below

        draw_disagreements(found, stories, names, tests)
    st.markdown("## What was set differently")
    st.markdown("\n".join(format_differences(found)))


def load_runs(keys: Sequence[str]) -> tuple[list[Run], int]:
    """The runs called so, with those of a comparison in its place, and how many are not there."""
    found: dict[str, Run] = {}
    missing = 0
    for key in keys:
        try:
            run = sharing.open_run(key, current_visitor())
            if run.kind == "compare":
                parts, gone = load_runs([row["run"] for row in (run.result or {}).get("runs", ())])
                found |= {part.id: part for part in parts}
                missing += gone
            elif run.kind == "run":
                found[run.id] = run
        except RunNotFound:
            missing += 1
    if len(found) > MAX_COMPARED:
        st.caption(f"The first {MAX_COMPARED} of {len(found)} are shown.")
    return list(found.values())[:MAX_COMPARED], missing


def list_run_ids(found: list[Run]) -> list[str]:
    return [run.id for run in found]


def get_run_title(run: Run) -> str:
    return get_store().get_summary(run.id).title


def describe_outcome(run: Run) -> str:
    end = run.result or {}
    if "test_accuracy" in end:
        return f"{end['test_accuracy']:.0%} right in the test"
    return tell.STATE_LABELS[run.state]


def format_score_table(
    found: list[Run], stories: list[RunSnapshot], names: list[str], tests: list[Any]
) -> list[str]:
    from trainers.evaluation.metrics import compare_predictions

    rows = [
        f"| run | right in the {link_term('test')} (95 % "
        f"{link_term('interval')}) | against 1 | time |",
        "|---|---|---|---|",
    ]
    for number, (run, story, name) in enumerate(zip(found, stories, names, strict=True)):
        end, named = (
            story.end,
            f"**{escape_markdown(name)}**",
        )  # no colour: in the figure it may be another
        if not isinstance(end, RunFinished):
            rows.append(f"| {named} | {tell.STATE_LABELS[run.state]} | | |")
            continue
        if number == 0 or not (tests[0] and tests[number]):  # with itself, or not to be known
            against = "–"
        elif gap := compare_predictions(tests[number], tests[0]):
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


def build_predictions(run: Run, story: RunSnapshot) -> Any:
    """The test of a run, and its answers; None where it came to none."""
    from trainers.evaluation.metrics import Predictions

    answered = [
        event for event in read_events(run.id, None) if isinstance(event, PredictionsRecorded)
    ]
    if not (answered and answered[-1].labels) or not isinstance(story.end, RunFinished):
        return None
    test = (run.job.data, run.job.fixes)
    return Predictions(test, answered[-1].labels, answered[-1].predictions)


def format_differences(found: list[Run]) -> list[str]:
    """A table of the settings that are not the same in all runs."""
    told = [describe_settings(run) for run in found]
    differing = [name for name in told[0] if len({one[name] for one in told}) > 1]
    if not differing:
        return ["Nothing: all settings are the same. What differs, the clock or chance has done."]
    rows = ["| setting | in which runs |", "|---|---|"]  # on a phone there is no room for more
    for name in differing:
        values = [one[name] for one in told]
        parts = [
            f"{escape_markdown(value)} "
            f"({', '.join(str(n) for n, v in enumerate(values, 1) if v == value)})"
            for value in dict.fromkeys(values)
        ]
        rows.append(f"| {SETTING_LABELS.get(name, name)} | {'; '.join(parts)} |")
    if same := [f"{name.lower()} {one}" for name, one in told[0].items() if name not in differing]:
        rows += ["", f"The same in all: {escape_markdown('; '.join(same))}."]
    return rows


SETTING_LABELS = {
    "Pre-trained model": link_term("backbone", "Pre-trained model"),
    "Seed": link_term("seed", "Seed"),
}


def describe_settings(run: Run) -> dict[str, str]:
    """What was set, in words."""
    plan = run.job
    per_class = "all" if plan.examples_per_class is None else f"{plan.examples_per_class:,}"
    return {
        "Approach": APPROACHES[plan.approach].title,
        "Data": data_title(plan.data),
        "Examples of each class": per_class,
        "Time budget": tell.format_duration(plan.seconds),
        "Pre-trained model": get_backbone_title(plan.backbone),
        "What learns": TRAINABLE_LABELS[plan.trainable],
        "Seed": str(plan.seed),
        "Left out": ", ".join(plan.fixes) or "nothing",
    }


def get_backbone_title(key: str) -> str:
    try:
        return backbones.pick(key).title.partition(":")[0]
    except UnknownKey:
        return key


if given := st.query_params.get("runs"):
    draw_comparison(list(dict.fromkeys(given.split(",")))[: 2 * MAX_COMPARED])
else:
    draw_run_list()
