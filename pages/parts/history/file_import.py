"""Import of a run from a file that was downloaded here or on another computer."""

from math import ceil

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.history.rows import format_time
from pages.parts.session.visitor import current_visitor
from trainers.hosting import quotas
from trainers.reports.run_file import MAX_BYTES, BadFile, import_run
from trainers.store import RunSummary, get_store


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
    """Say, once, what became of a file."""
    match st.session_state.pop("brought", None):
        case RunSummary() as past:
            st.success(
                f"{escape_markdown(past.title)} is among your runs now, at the time when "
                "it was made: "
                f"{format_time(past.created_at)}.",
                icon=":material/check:",
            )
        case str() as problem:
            st.warning(escape_markdown(problem), icon=":material/error:")


def handle_file() -> None:
    number = st.session_state.get("files", 0)
    uploaded = st.session_state[f"file-{number}"]
    if uploaded is None:
        return
    st.session_state["files"] = number + 1  # an empty field: one file is brought in once
    try:
        quotas.check_upload_quota(current_visitor())
        run = import_run(get_store(), uploaded.getvalue(), current_visitor())
        st.session_state["brought"] = get_store().get_summary(run)
    except (BadFile, quotas.QuotaExceeded) as error:
        st.session_state["brought"] = str(error)
