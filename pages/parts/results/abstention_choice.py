"""When a model says "not sure": the target that a visitor chooses, and what it means."""

import streamlit as st

from pages.parts.figures import abstention
from pages.parts.results.calibration import explain_no_validation
from pages.parts.results.models import ModelView, load_calibration
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.evaluation.abstention import (
    DEFAULT_ACCURACY_PERCENT,
    AbstentionThreshold,
    coverage_accuracy_curve,
)
from trainers.store import Run

ALWAYS_ANSWER = 0
TARGET_PRECISIONS = (ALWAYS_ANSWER, 70, 75, 80, 85, 90, 95, 97, 99)  # per cent


def choose_precision(run: Run) -> int:
    """Return the per cent of answers that should be right, or `ALWAYS_ANSWER`."""
    calibration = load_calibration(run)
    if run.job.approach == "none":
        st.caption(
            "Without training there are no probabilities, only how like each class an input is, "
            "from -100 to 100. So the best one is always answered."
        )
        return ALWAYS_ANSWER
    if not (calibration and calibration.confidence):
        st.caption(
            f"{explain_no_validation(run.job.approach)}: so there is no line below "
            "which it would say "
            '"not sure".'
        )
        return ALWAYS_ANSWER
    return st.select_slider(
        "How many of its answers should be right?",
        TARGET_PRECISIONS,
        value=DEFAULT_ACCURACY_PERCENT,
        format_func=lambda share: f"{share} %" if share else "Answer always",
        key=f"wanted-{run.id}",
        help="The more should be right, the more often it says: not sure.",
    )


def draw_threshold(model: ModelView, target: int) -> None:
    """Draw what the chosen threshold means for the validation examples."""
    if not (model.threshold and target):
        return
    threshold, calibration = model.threshold, model.calibration
    steps = coverage_accuracy_curve(calibration.confidence, calibration.correct)
    st.markdown(link_marked_terms(describe_threshold(threshold)))
    draw_live_plot(
        abstention.coverage_accuracy_curve(steps, threshold, model.colour),
        key="trade",
        alt=f"Answering {threshold.coverage:.0%} of the checks, "
        f"{threshold.right / threshold.answered_count:.0%} of "
        f"those answers are right; answering all, {steps[0].right / steps[0].answered_count:.0%}.",
    )


def describe_threshold(threshold: AbstentionThreshold) -> str:
    """Return the threshold in words, as Markdown with marked terms."""
    coverage = (
        f"Of {threshold.validation_count:,} [[validation|checks]], "
        f"{threshold.answered_count:,} would be answered "
        f"({threshold.coverage:.0%}), {threshold.right:,} of them rightly "
        f"({threshold.right / threshold.answered_count:.0%})."
    )
    if threshold.min_confidence == 0 and threshold.guaranteed:
        return f"It may answer always. {coverage}"
    text = coverage
    if threshold.min_confidence > 0:
        limit = format_threshold(threshold.min_confidence)
        text = f'Below **{limit}** it says "not sure". {coverage}'
    if threshold.guaranteed:  # of many lines the one that looks well has had luck, too
        return f"{text} The line was chosen by these checks: of new answers fewer may be right."
    return (
        f"{threshold.validation_count:,} checks are too few, or it errs too often, to count on "
        f"{threshold.target_accuracy:.0%}: at best {threshold.accuracy_lower_bound:.0%}. {text}"
    )


def format_threshold(confidence: float) -> str:
    """Return a threshold with a decimal near certainty; it never reaches 100 %."""
    return f"{confidence:.0%}" if confidence < 0.985 else f"{min(confidence, 0.999):.1%}"
