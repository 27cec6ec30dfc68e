"""A finished run's model to take away: packed when it is asked for, then a file to download."""

from importlib.util import find_spec

import streamlit as st

from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.session import guide_answers
from pages.parts.session.start_job import start
from pages.parts.session.visitor import visitor
from pages.parts.widgets.job_progress import waiting
from trainers.events import Done, Failed, Finished
from trainers.jobs import Export
from trainers.reports.report import report_of
from trainers.store import Run, store
from trainers.system import object_store
from trainers.system.paths import zip_of


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### Take it away")
    st.markdown(
        "The run on one page, for whoever decides with you: what was asked, advised and run, what "
        "came of it and how sure that is, what to do next. It opens in any browser, prints, and "
        "holds no example of the data."
    )
    mine = run.visitor == visitor()
    answers = guide_answers.read(
        st.query_params.get(guide_answers.NAME, "")
    )  # the callable runs without a page
    st.download_button(
        "Download the report",
        lambda: report_of(run, answers=answers, owner=mine),
        f"thaw-report-{run.plan.approach}-{run.id[:6]}.html",
        "text/html",
        on_click="ignore",
        icon=":material/description:",
    )
    st.markdown(
        "The model as a zip that works without Thaw: `predict.py` answers for new examples "
        "and checks that it answers as it did here; a card says what it can and cannot do."
    )
    if object_store.waits(object_store.RUNS, run.id):
        st.caption(
            "The model lies on one computer of this Thaw so far: where it is shared cannot be "
            "reached. That is tried again every minute."
        )
    if not mine:
        st.caption("It is handed out only to who started the run.")
        return
    _pack(run)


def _pack(run: Run) -> None:
    """The offer, how far the packing is, or the file."""
    job = store().latest("export", run.id)
    if job and not job.is_over:
        waiting(job)
        return
    packed = zip_of(run.id)
    if job and job.result and job.result["type"] == Done.kind() and packed.exists():
        st.download_button(
            f"Download the model ({packed.stat().st_size / 1e6:.1f} MB)",
            packed.read_bytes,
            f"thaw-{run.plan.approach}-{run.id[:6]}.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
        )
        again = _onnx(run) and not job.plan.onnx
        if again and st.button(
            "Pack it again, with ONNX", icon=":material/inventory_2:", help=ONNX
        ):
            _start(run, onnx=True)
        return
    if job and job.result and job.result["type"] == Failed.kind():
        st.warning(plain(job.result["text"]), icon=":material/inventory_2:")
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Pack the model", icon=":material/inventory_2:")
        onnx = _onnx(run) and st.checkbox("With ONNX", key=f"onnx-{run.id}", help=ONNX)
    if pressed:
        _start(run, onnx=onnx)


ONNX = (
    "The whole model once more as one file, for programs that are not written in Python. The zip "
    "is larger, and takes some seconds more."
)


def _onnx(run: Run) -> bool:
    """Whether the model can be written so: it has a network, and what writes it is installed."""
    needed = ("onnx", "onnxruntime", "onnxscript")
    return run.plan.approach not in ("none", "simple") and all(map(find_spec, needed))


def _start(run: Run, *, onnx: bool) -> None:
    if start(Export(key=run.id, visitor=visitor(), onnx=onnx)):
        st.rerun()
