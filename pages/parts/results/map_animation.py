"""The map of the examples as a film over training."""

import streamlit as st

from pages.parts.figures.map_animation import HOW_TO_READ, in_words, reel, table
from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.run_view.map_examples import mapped_of
from pages.parts.widgets import map_animation as films
from trainers.events import Finished
from trainers.store import Run


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### How the model saw the examples, from start to end")
    found = reel(told)
    if found is None:
        st.markdown(
            "There is no film: nothing was learned step by step, so there was nothing to watch."
            if end.approach in ("none", "simple")
            else "There is no film: this run ended before it could look at a map twice."
        )
        return
    st.markdown(in_words(found))
    examples, why = mapped_of(told, run)
    films.film([found], examples, key="film")
    if why:
        st.caption(f":material/visibility_off: {plain(why)}")
    st.caption(HOW_TO_READ)
    with st.expander("The film as a table", icon=":material/table:"):
        st.markdown("\n".join(table(found)))
        st.caption(
            "Moved: how far a mark is from its start on average; 1 is as far as the marks lay from "
            "their middle."
        )
