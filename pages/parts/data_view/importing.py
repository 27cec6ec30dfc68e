"""The import of what was added: started here, done by a worker, watched until it is over."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import fold_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.data_upload import Upload
from trainers.datasets.uploads import BadUpload, inbox
from trainers.jobs import ImportData
from trainers.store import Run, RunNotFound, get_store

POLL_SECONDS = 0.5
MAX_COLUMN_NAME_CHARS = 200  # our choice


def get_or_create_draft() -> str:
    """Return the key of the draft that collects this visitor's files until they are imported."""
    key = st.session_state.get("draft")
    if key is None or inbox.find_draft(key) is None:
        key = st.session_state["draft"] = inbox.create_draft(current_visitor())
    return key


def import_upload(upload: Upload) -> None:
    """Let a worker import the files, and show the progress."""
    try:
        listing = inbox.write_listing(inbox.find_draft(get_or_create_draft()), upload.files)
    except BadUpload as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    start_import(str(listing), upload.title)


def start_import(path: str, title: str, **columns: str | None) -> None:
    if key := start_job(ImportData(path=path, title=title, visitor=current_visitor(), **columns)):
        if st.session_state.get("draft") == path.rpartition("/")[2]:
            del st.session_state["draft"]  # further files belong to another draft
        st.query_params.from_dict({"reading": key})
        st.rerun()


def draw_import_page(key: str) -> None:
    try:
        job = get_store().get_run(key)
    except RunNotFound:
        job = None
    if job is None or job.kind != "read" or job.visitor != current_visitor():
        reset_page()
    failed = job.result and "text" in job.result
    st.title(f"{'Not read:' if failed else 'Reading'} {escape_markdown(job.job.title)}")
    st.fragment(error_boundary()(watch_import), run_every=None if job.is_over else POLL_SECONDS)(
        job
    )


def reset_page() -> None:
    st.query_params.clear()
    st.rerun()


def watch_import(job: Run) -> None:
    was_over = job.is_over
    job = get_store().get_run(job.id)
    if job.is_over and not was_over:
        st.rerun()
    if not job.is_over:
        draw_progress(job, "Waiting for a free moment.")
        st.button(
            "Cancel",
            icon=":material/close:",
            on_click=error_boundary()(get_store().request_cancel),
            args=(job.id, current_visitor()),
        )
        return
    match job.result:
        case {"found": {"data": str(data)}}:
            st.session_state.pop("pasted-kept", None)
            st.query_params.from_dict({"data": data})
            st.rerun(scope="app")
        case {"type": "failed", "text": str(text)}:
            st.error(escape_markdown(text), icon=":material/error:")
            draw_column_form(job)
            if "no folders" in text and st.button("Add them class by class", type="primary"):
                st.query_params.from_dict({"way": "classes"})
                st.rerun(scope="app")
    if st.button("Add something else", icon=":material/arrow_back:"):
        reset_page()


def draw_progress(job: Run, waiting: str) -> None:
    """Draw one line that says how far a job is."""
    snapshot = fold_events([event for _, event in get_store().read_events(job.id)])
    if snapshot.stage is None:
        st.progress(0.0, text=waiting)
        return
    share = snapshot.progress.done / max(1, snapshot.progress.total) if snapshot.progress else 0.0
    st.progress(1.0 if job.is_over else min(share, 1.0), text=escape_markdown(snapshot.stage.text))


def draw_column_form(job: Run) -> None:
    """Offer another try with named columns, if there is a choice and the files are still there."""
    text = job.result["text"]
    has_choice = "column" in text and "single column" not in text and "no rows" not in text
    if not has_choice or inbox.find_draft(job.job.path.rpartition("/")[2]) is None:
        return
    with st.form("columns"):
        left, right = st.columns(2)
        help_text = "Its name, or its number from 1."
        text = left.text_input(
            "Column of the texts", max_chars=MAX_COLUMN_NAME_CHARS, help=help_text
        )
        label = right.text_input(
            "Column of the labels", max_chars=MAX_COLUMN_NAME_CHARS, help=help_text
        )
        if st.form_submit_button("Read again with these columns"):
            start_import(
                job.job.path,
                job.job.title,
                text_column=text or None,
                label_column=label or None,
            )
