"""The chosen runs, and what can be done with them: name, pin, repeat, download, delete."""

import time
from datetime import datetime

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.run_view import resume
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.run_controls import build_run_params, can_use_data
from trainers.reports.run_file import export_run
from trainers.store import (
    END_STATES,
    UNDO_SECONDS,
    RunNotFound,
    RunSummary,
    get_store,
)
from trainers.store.rows import MAX_NAME_CHARS, MAX_NOTE_CHARS

CHECKBOX_PREFIX = "chosen-"  # of the keys of the boxes in the rows


def list_selected_runs() -> list[RunSummary]:
    """Return the runs whose box is ticked, on any page of the list, oldest first."""
    selected = []
    for key in [str(key) for key in st.session_state if str(key).startswith(CHECKBOX_PREFIX)]:
        if not st.session_state[key]:
            continue
        try:
            selected.append(get_store().get_summary(key.removeprefix(CHECKBOX_PREFIX)))
        except RunNotFound:  # deleted in another tab
            del st.session_state[key]
    return sorted(selected, key=lambda past: past.created_at)


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
        if point := resume.find_resume_point(past):
            resume.draw_resume_button(past.id, point)
        plan = get_store().get_run(past.id).job
        if st.button("Repeat with changes", icon=":material/tune:"):
            st.switch_page("run.py", query_params=build_run_params(plan))
    if past.state in END_STATES:
        store, key = get_store(), past.id  # the callable runs without a session
        st.download_button(
            "Take it along",
            lambda: export_run(store, key),
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
    """Offer to restore what was deleted last, for as long as that is possible."""
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
