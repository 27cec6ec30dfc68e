"""How sure it is, and whether it is right as often as that."""

import streamlit as st

from pages.parts.figures.calibration import reliability_diagram
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.evaluation.calibration import ReliabilityBin, reliability_bins
from trainers.events import RunFinished
from trainers.reports import calibration_text
from trainers.store import Run

NO_PROBABILITIES_REASONS = {
    "none": "Without training there are no probabilities, only how alike an example and a class "
    "are. So it cannot be said how sure it is.",
}
NO_VALIDATION_REASONS = {
    "simple": "This approach holds no example out to check itself",
    "": "No example was held out in this run, or it was made by an older version",
}


def show(told: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Is it right as often as it is sure?")
    answered, calibrated = told.test_answers, told.calibration
    if not answered or not answered.confidence:
        st.info(NO_PROBABILITIES_REASONS.get(end.approach, "This run kept no probabilities."))
        return
    right = [a == b for a, b in zip(answered.labels, answered.predictions, strict=True)]
    came = reliability_bins(answered.confidence, right)
    changed = answered.calibrated_confidence and (not calibrated or calibrated.temperature != 1)
    after = reliability_bins(answered.calibrated_confidence, right) if changed else []
    best, shown = answered.calibrated_confidence or answered.confidence, after or came
    groups = "1 group" if len(shown) == 1 else f"{len(shown)} groups"
    st.markdown(
        link_marked_terms(
            "Each answer comes with a [[probability]]: how sure the model says it is. One that is "
            "[[calibration|well calibrated]] is right 8 of 10 times where it says 80 %. Here are "
            f"the {len(right):,} test answers, sorted by how sure they are, in {groups}."
        )
    )
    draw_live_plot(
        reliability_diagram(came, after, APPROACH_STYLES[end.approach].colour),
        key="reliability",
        alt=" ".join(map(_describe_bin, shown)),
    )
    st.markdown(
        f"{calibration_text.describe_extremes(shown)} "
        f"{calibration_text.describe_calibration(best, right)}"
    )
    st.markdown(calibration_text.describe_ece(shown))
    if calibrated:
        st.markdown(
            link_marked_terms(f"**[[temperature|Temperature]].** {_describe_temperature(told)}")
        )
    else:
        st.caption(
            f"{explain_no_validation(end.approach)}: so nothing is corrected, and "
            "the curve shows its "
            "probabilities as they came."
        )
    with st.expander("The same as a table"):
        st.table(_build_rows("as it came", came) + _build_rows("by its temperature", after))


def explain_no_validation(approach: str) -> str:
    """Why how sure it may be was not measured."""
    return NO_VALIDATION_REASONS.get(approach, NO_VALIDATION_REASONS[""])


def _describe_temperature(told: RunSnapshot) -> str:
    words = calibration_text.describe_temperature(told.calibration, told.test_answers)
    if not told.test_answers.calibrated_confidence or told.calibration.temperature == 1:
        return words
    right = [
        a == b for a, b in zip(told.test_answers.labels, told.test_answers.predictions, strict=True)
    ]
    before = calibration_text.describe_calibration(told.test_answers.confidence, right)
    return f"{words} Before it: {before[0].lower()}{before[1:]}"


def _describe_bin(one: ReliabilityBin) -> str:
    return f"Says {one.mean_confidence:.0%}: right {one.right} of {one.count}."


def _build_rows(name: str, found: list[ReliabilityBin]) -> list[dict[str, str]]:
    return [
        {
            "probabilities": name,
            "it says": f"{one.low:.0%} to {one.high:.0%} (mean {one.mean_confidence:.0%})",
            "right": f"{one.right:,} of {one.count:,}",
            "share right": f"{one.accuracy:.0%}",
            "95 % interval": f"{one.right_low:.0%} to {one.right_high:.0%}",
        }
        for one in found
    ]
