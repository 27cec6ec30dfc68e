"""Section "Take it away": the report, and the model as a zip that is packed on request."""

from importlib.util import find_spec

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.session import guide_answers
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.job_progress import draw_job_progress
from trainers.events import JobDone, JobFailed, RunFinished
from trainers.jobs import Export
from trainers.reports.report import render_stored_report
from trainers.store import Run, get_store
from trainers.system import object_store
from trainers.system.paths import bundle_path


def show(_snapshot: RunSnapshot, _end: RunFinished, run: Run) -> None:
    st.markdown("### Take it away")
    st.markdown(
        "The run on one page, for whoever decides with you: what was asked, advised and run, what "
        "came of it and how sure that is, what to do next. It opens in any browser, prints, and "
        "holds no example of the data."
    )
    is_owner = run.visitor == current_visitor()
    # Read here: the download's callable runs outside the page.
    answers = guide_answers.decode(st.query_params.get(guide_answers.PARAM, ""))
    st.download_button(
        "Download the report",
        lambda: render_stored_report(run, answers=answers, owner=is_owner),
        f"thaw-report-{run.job.approach}-{run.id[:6]}.html",
        "text/html",
        on_click="ignore",
        icon=":material/description:",
    )
    st.markdown(
        "The model as a zip that works without Thaw: `predict.py` answers for new examples "
        "and checks that it answers as it did here; a card says what it can and cannot do."
    )
    if object_store.is_pending(object_store.RUNS, run.id):
        st.caption(
            "The model lies on one computer of this Thaw so far: where it is shared cannot be "
            "reached. That is tried again every minute."
        )
    if not is_owner:
        st.caption("It is handed out only to who started the run.")
        return
    _draw_export(run)


def _draw_export(run: Run) -> None:
    """Draw the button that packs the model, the progress of that, or the download."""
    job = get_store().find_latest("export", run.id)
    if job and not job.is_over:
        draw_job_progress(job)
        return
    bundle = bundle_path(run.id)
    if job and job.result and job.result["type"] == JobDone.type and bundle.exists():
        st.download_button(
            f"Download the model ({bundle.stat().st_size / 1e6:.1f} MB)",
            bundle.read_bytes,
            f"thaw-{run.job.approach}-{run.id[:6]}.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
        )
        can_add_onnx = _can_export_onnx(run) and not job.job.onnx
        if can_add_onnx and st.button(
            "Pack it again, with ONNX", icon=":material/inventory_2:", help=ONNX_HELP
        ):
            _start_export(run, onnx=True)
        return
    if job and job.result and job.result["type"] == JobFailed.type:
        st.warning(escape_markdown(job.result["text"]), icon=":material/inventory_2:")
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Pack the model", icon=":material/inventory_2:")
        onnx = _can_export_onnx(run) and st.checkbox(
            "With ONNX", key=f"onnx-{run.id}", help=ONNX_HELP
        )
    if pressed:
        _start_export(run, onnx=onnx)


ONNX_HELP = (
    "The whole model once more as one file, for programs that are not written in Python. The zip "
    "is larger, and takes some seconds more."
)


def _can_export_onnx(run: Run) -> bool:
    """Return whether the model is a network and the ONNX packages are installed."""
    packages = ("onnx", "onnxruntime", "onnxscript")
    return run.job.approach not in ("none", "simple") and all(map(find_spec, packages))


def _start_export(run: Run, *, onnx: bool) -> None:
    if start_job(Export(key=run.id, visitor=current_visitor(), onnx=onnx)):
        st.rerun()
