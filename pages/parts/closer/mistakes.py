"""Which answers were right and which were wrong."""

import streamlit as st

from pages.parts import figures
from pages.parts.live_plot import live_plot
from pages.parts.look import LOOKS
from pages.parts.story import Story
from trainers.events import Finished
from trainers.store import Run


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### Which class was taken for which")
    live_plot(
        figures.confusion(end.classes, end.confusion, LOOKS[end.approach].colour),
        key="confusion",
        alt="Confusion matrix: rows are the truth, columns the model's answer.",
    )
