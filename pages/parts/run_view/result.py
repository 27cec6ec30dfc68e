"""The score of a finished run, and what it took."""

import streamlit as st

from guide.glossary import GLOSSARY
from pages.parts.figures.run_charts import score_line
from pages.parts.figures.run_snapshot import RunSnapshot, compare_with_baseline, describe_score
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.glossary import TermLinker
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.events import RunFinished
from trainers.reports.sentences import format_count


def draw_result(snapshot: RunSnapshot, end: RunFinished) -> None:
    style = APPROACH_STYLES[end.approach]
    with st.container(border=True):
        score, words = st.columns([1, 2.4], gap="large", vertical_alignment="center")
        with score:
            st.markdown(f"Test score\n# :{style.badge}[{end.test_accuracy:.0%}]")
        with words:
            st.markdown(TermLinker("test")(describe_score(end)))
            draw_live_plot(
                score_line(end, style.colour),
                key="score-line",
                alt=f"{end.test_accuracy:.0%}, between {end.test_accuracy_low:.0%} and "
                f"{end.test_accuracy_high:.0%} (95 % interval).",
            )
        if better := compare_with_baseline(snapshot):
            st.markdown(TermLinker("validation|checks")(better))
        elif (
            snapshot.baseline and not snapshot.evaluations
        ):  # else it is measured on the validation set
            st.markdown(f"With {snapshot.baseline.method}: {snapshot.baseline.accuracy:.0%} right.")
        with st.grid(4, min_column_width=150):
            st.metric("Time", f"{end.seconds:.1f} s")
            st.metric(
                "Numbers that learned",
                format_count(end.trainable_parameters),
                help=GLOSSARY["weights"].definition,
            )
            st.metric("Passes (epochs)", f"{end.epochs:.0f}", help=GLOSSARY["epoch"].definition)
            st.metric(
                "Macro-F1",
                f"{end.macro_f1:.2f}",
                help="From 0 to 1. Each class gets a score for how many of its examples are found "
                "and how many found are really of it; this is the mean, so a rare class counts as "
                "much as a common one.",
            )
