"""How sure it is, and whether it is right as often as that."""

import streamlit as st

from pages.parts.figures.calibration import reliability
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.widgets.glossary import explained
from pages.parts.widgets.live_plot import live_plot
from trainers.evaluation.calibration import Bin, bins
from trainers.events import Finished
from trainers.reports import calibration_text
from trainers.store import Run

NO_PROBABILITIES = {
    "none": "Without training there are no probabilities, only how alike an example and a class "
    "are. So it cannot be said how sure it is.",
}
NOTHING_HELD_OUT = {
    "simple": "This approach holds no example out to check itself",
    "": "No example was held out in this run, or it was made by an older version",
}


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### Is it right as often as it is sure?")
    answered, calibrated = told.answered, told.calibrated
    if not answered or not answered.sureness:
        st.info(NO_PROBABILITIES.get(end.approach, "This run kept no probabilities."))
        return
    right = [a == b for a, b in zip(answered.labels, answered.answers, strict=True)]
    came = bins(answered.sureness, right)
    changed = answered.calibrated and (not calibrated or calibrated.temperature != 1)
    after = bins(answered.calibrated, right) if changed else []
    best, shown = answered.calibrated or answered.sureness, after or came
    groups = "1 group" if len(shown) == 1 else f"{len(shown)} groups"
    st.markdown(
        explained(
            "Each answer comes with a [[probability]]: how sure the model says it is. One that is "
            "[[calibration|well calibrated]] is right 8 of 10 times where it says 80 %. Here are "
            f"the {len(right):,} test answers, sorted by how sure they are, in {groups}."
        )
    )
    live_plot(
        reliability(came, after, LOOKS[end.approach].colour),
        key="reliability",
        alt=" ".join(map(_in_words, shown)),
    )
    st.markdown(f"{calibration_text.ends(shown)} {calibration_text.verdict(best, right)}")
    st.markdown(calibration_text.off(shown))
    if calibrated:
        st.markdown(explained(f"**[[temperature|Temperature]].** {_tempered(told)}"))
    else:
        st.caption(
            f"{nothing_held_out(end.approach)}: so nothing is corrected, and the curve shows its "
            "probabilities as they came."
        )
    with st.expander("The same as a table"):
        st.table(_rows("as it came", came) + _rows("by its temperature", after))


def nothing_held_out(approach: str) -> str:
    """Why how sure it may be was not measured."""
    return NOTHING_HELD_OUT.get(approach, NOTHING_HELD_OUT[""])


def _tempered(told: Story) -> str:
    words = calibration_text.tempered(told.calibrated, told.answered)
    if not told.answered.calibrated or told.calibrated.temperature == 1:
        return words
    right = [a == b for a, b in zip(told.answered.labels, told.answered.answers, strict=True)]
    before = calibration_text.verdict(told.answered.sureness, right)
    return f"{words} Before it: {before[0].lower()}{before[1:]}"


def _in_words(one: Bin) -> str:
    return f"Says {one.said:.0%}: right {one.right} of {one.count}."


def _rows(name: str, found: list[Bin]) -> list[dict[str, str]]:
    return [
        {
            "probabilities": name,
            "it says": f"{one.low:.0%} to {one.high:.0%} (mean {one.said:.0%})",
            "right": f"{one.right:,} of {one.count:,}",
            "share right": f"{one.share:.0%}",
            "95 % interval": f"{one.right_low:.0%} to {one.right_high:.0%}",
        }
        for one in found
    ]
