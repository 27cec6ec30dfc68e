"""Everything that this visitor ran: found again, named, compared, downloaded."""

from math import ceil

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.history.delete_all import draw_delete_all
from pages.parts.history.file_import import draw_file_import, draw_import_result
from pages.parts.history.rows import TITLE_CSS, describe_expiry, draw_row
from pages.parts.history.selection import draw_actions, draw_undo, list_selected_runs
from pages.parts.history.side_by_side import MAX_COMPARED, draw_comparison
from pages.parts.session.visitor import current_account, current_visitor
from pages.parts.widgets.glossary import link_term
from trainers.hosting import cleanup_lease, disk_usage, sharing
from trainers.store import get_store
from trainers.store.history import MAX_SEARCH_CHARS
from trainers.store.sparklines import read_sparklines

PAGE_SIZE = 20
ORDERS = {"newest": "Newest first", "score": "Best score first", "longest": "Longest first"}


def draw_run_list() -> None:
    st.title("Runs")
    st.markdown(
        f"Everything that you ran {describe_owner()}, with its score and its "
        f"{link_term('interval')}. Choose one to name it, repeat it or take it "
        "along; choose several to "
        "lay them side by side."
    )
    search, order, show_parts = draw_filters()
    settings = {"search": search, "sort": order, "parts": show_parts, "limit": PAGE_SIZE}
    offset = PAGE_SIZE * (st.session_state.get("page", 1) - 1)
    page, total = get_store().list_history(current_visitor(), **settings, offset=offset)
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
    curves, shared = read_sparklines(get_store(), keys), sharing.filter_shared(keys)
    since = cleanup_lease.get_policy_start()
    for past in page:
        remarks = ["shared by a link"] if past.id in shared else []
        draw_row(past, curves.get(past.id, ()), [*remarks, *describe_expiry(past, since)])
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
    """Return by what a visitor owns their runs."""
    return "with this account" if current_account() else "in this browser"


def draw_filters() -> tuple[str, str, bool]:
    """Return the search text, the order, and whether to show the runs inside comparisons."""
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


def draw_storage_warning() -> None:
    """Warn before anything is deleted because the disk quota is used up."""
    if usage := disk_usage.get_storage_warning():
        used, limit = usage
        st.warning(
            f"What is kept here takes {used:,.1f} of {limit:g} GB. When it is full, the models of "
            "the oldest runs are removed first, then the oldest runs. Pin what should stay, or "
            "take it along.",
            icon=":material/inventory_2:",
        )


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


if keys := st.query_params.get("runs"):
    draw_comparison(list(dict.fromkeys(keys.split(",")))[: 2 * MAX_COMPARED])
else:
    draw_run_list()
