"""The models of a section: loaded by a process of their own, one or two side by side."""

from dataclasses import dataclass

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers import datasets, serving
from trainers.evaluation.abstention import AbstentionThreshold, choose_threshold, find_calibration
from trainers.events import CalibrationDone
from trainers.serving import Prediction
from trainers.store import FINISHED, Run, data_title, get_store
from trainers.system import object_store
from trainers.system.paths import run_dir
from trainers.system.registry import UnknownKey

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ModelView:
    """A model as the section shows it."""

    run: Run
    title: str  # Markdown
    classes: list[str]
    calibration: CalibrationDone | None
    threshold: AbstentionThreshold | None  # None: it always answers

    @property
    def colour(self) -> str:
        return APPROACH_STYLES[self.run.job.approach].colour

    @property
    def is_similarity(self) -> bool:
        """Return whether it gives similarities: without training there are no probabilities."""
        return self.run.job.approach == "none"

    def is_unsure(self, answer: Prediction) -> bool:
        confidence = answer.sureness[answer.label]
        return self.threshold is not None and confidence < self.threshold.min_confidence


def has_weights(run: Run) -> bool:
    """Return whether the model is still there; fetches it from the object store if need be."""
    return (object_store.fetch_run_dir(run.id) / "model.safetensors").is_file()


def _is_local(run: Run) -> bool:
    """Return whether the model is on this computer; asks no other."""
    return (run_dir(run.id) / "model.safetensors").is_file()


def ensure_loaded(run: Run) -> bool:
    """Return whether the model is loaded; else draw how far that is, or why it failed."""
    status = serving.poll_loading(run.id)
    if status.ready:
        return True
    if status.error:
        st.warning(escape_markdown(status.error), icon=":material/error:")
        st.button(
            "Try again", key=f"reopen-{run.id}", on_click=serving.retry_loading, args=(run.id,)
        )
        return False
    st.fragment(error_boundary()(_draw_loading), run_every=POLL_SECONDS)(run.id)
    return False


def _draw_loading(run: str) -> None:
    status = serving.poll_loading(run)
    if status.ready or status.error:
        st.rerun(scope="app")
    st.progress(status.share, text=f"The model is being loaded. {escape_markdown(status.text)}.")


def choose_second_model(run: Run, modality: str) -> Run | None:
    """Draw the choice of a second model: at first another approach on the same data, if any.

    A model in the object store is fetched when it is chosen, and no sooner: there may be fifty.
    """
    others = {
        other.id: other
        for other in get_store().list_runs(current_visitor(), limit=50)
        if other.id != run.id and other.state == FINISHED and _get_modality(other) == modality
        if object_store.storage_url() or _is_local(other)
    }
    if not others:
        st.caption("Finish a second run on data of this kind, and both answer side by side.")
        return None
    same_data = (
        key
        for key, other in others.items()
        if other.job.data == run.job.data and other.job.approach != run.job.approach
        if _is_local(other)
    )
    keys = ["", *others]
    chosen = st.selectbox(
        "Beside another model",
        keys,
        index=keys.index(next(same_data, "")),
        format_func=lambda key: _format_run(others[key]) if key else "None",
        key=f"beside-{run.id}",
        help="The same inputs, answered by both.",
    )
    return others.get(chosen)


def _get_modality(run: Run) -> str:
    try:
        return datasets.get_dataset(run.job.data).modality
    except UnknownKey:
        return ""


def _format_run(run: Run) -> str:
    """Return the name of a run as plain text."""
    score = run.result.get("test_accuracy") if run.result else None
    score_text = f", {score:.0%} right" if score is not None else ""
    return f"{APPROACHES[run.job.approach].title} on {data_title(run.job.data)}{score_text}"


def build_model_view(run: Run, target: int) -> ModelView:
    calibration = load_calibration(run)
    threshold = None
    if calibration and calibration.confidence and target and run.job.approach != "none":
        threshold = choose_threshold(calibration.confidence, calibration.correct, target / 100)
    badge = APPROACH_STYLES[run.job.approach].badge
    title = f":{badge}[{APPROACHES[run.job.approach].title}] on {format_data_title(run.job.data)}"
    return ModelView(run, title, list(run.result["classes"]), calibration, threshold)


def load_calibration(run: Run) -> CalibrationDone | None:
    """Return the calibration of a finished run; read once, since it does not change."""
    cached = st.session_state.setdefault("tryit-measured", {})
    if run.id not in cached:
        cached[run.id] = find_calibration([event for _, event in get_store().read_events(run.id)])
    return cached[run.id]
