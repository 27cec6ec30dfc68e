"""Section "How sure it is": calibration on the test set, before and after temperature scaling."""

import streamlit as st

from pages.parts.figures.calibration import reliability_diagram
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.evaluation.calibration import ReliabilityBin, reliability_bins
from trainers.events import PredictionsRecorded, RunFinished
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


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Is it right as often as it is sure?")
    answers, calibration = snapshot.test_answers, snapshot.calibration
    if not answers or not answers.confidence:
        st.info(NO_PROBABILITIES_REASONS.get(end.approach, "This run kept no probabilities."))
        return
    right = _list_correct(answers)
    before = reliability_bins(answers.confidence, right)
    changed = answers.calibrated_confidence and (not calibration or calibration.temperature != 1)
    after = reliability_bins(answers.calibrated_confidence, right) if changed else []
    best, shown = answers.calibrated_confidence or answers.confidence, after or before
    groups = "1 group" if len(shown) == 1 else f"{len(shown)} groups"
    st.markdown(
        link_marked_terms(
            "Each answer comes with a [[probability]]: how sure the model says it is. One that is "
            "[[calibration|well calibrated]] is right 8 of 10 times where it says 80 %. Here are "
            f"the {len(right):,} test answers, sorted by how sure they are, in {groups}."
        )
    )
    draw_live_plot(
        reliability_diagram(before, after, APPROACH_STYLES[end.approach].colour),
        key="reliability",
        alt=" ".join(map(_describe_bin, shown)),
    )
    st.markdown(
        f"{calibration_text.describe_extremes(shown)} "
        f"{calibration_text.describe_calibration(best, right)}"
    )
    st.markdown(calibration_text.describe_ece(shown))
    if calibration:
        st.markdown(
            link_marked_terms(f"**[[temperature|Temperature]].** {_describe_temperature(snapshot)}")
        )
    else:
        st.caption(
            f"{explain_no_validation(end.approach)}: so nothing is corrected, and "
            "the curve shows its probabilities as they came."
        )
    with st.expander("The same as a table"):
        st.table(_build_rows("as it came", before) + _build_rows("by its temperature", after))


def explain_no_validation(approach: str) -> str:
    """Return why a run has no calibration."""
    return NO_VALIDATION_REASONS.get(approach, NO_VALIDATION_REASONS[""])


def _describe_temperature(snapshot: RunSnapshot) -> str:
    calibration, answers = snapshot.calibration, snapshot.test_answers
    text = calibration_text.describe_temperature(calibration, answers)
    if not answers.calibrated_confidence or calibration.temperature == 1:
        return text
    before = calibration_text.describe_calibration(answers.confidence, _list_correct(answers))
    return f"{text} Before it: {before[0].lower()}{before[1:]}"


def _list_correct(answers: PredictionsRecorded) -> list[bool]:
    return [a == b for a, b in zip(answers.labels, answers.predictions, strict=True)]


def _describe_bin(group: ReliabilityBin) -> str:
    return f"Says {group.mean_confidence:.0%}: right {group.right} of {group.count}."


def _build_rows(name: str, groups: list[ReliabilityBin]) -> list[dict[str, str]]:
    return [
        {
            "probabilities": name,
            "it says": f"{group.low:.0%} to {group.high:.0%} (mean {group.mean_confidence:.0%})",
            "right": f"{group.right:,} of {group.count:,}",
            "share right": f"{group.accuracy:.0%}",
            "95 % interval": f"{group.right_low:.0%} to {group.right_high:.0%}",
        }
        for group in groups
    ]
