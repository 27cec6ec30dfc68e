"""The map of the examples as a film over training."""

import streamlit as st

from pages.parts.figures.map_animation import (
    MAP_HELP,
    build_animation,
    describe_animation,
    format_table,
)
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.run_view.map_examples import load_map_examples
from pages.parts.widgets import map_animation as films
from trainers.events import RunFinished
from trainers.store import Run


def show(told: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### How the model saw the examples, from start to end")
    found = build_animation(told)
    if found is None:
        st.markdown(
            "There is no film: nothing was learned step by step, so there was nothing to watch."
            if end.approach in ("none", "simple")
            else "There is no film: this run ended before it could look at a map twice."
        )
        return
    st.markdown(describe_animation(found))
    examples, why = load_map_examples(told, run)
    films.draw_map_animation([found], examples, key="film")
    if why:
        st.caption(f":material/visibility_off: {escape_markdown(why)}")
    st.caption(MAP_HELP)
    with st.expander("The film as a table", icon=":material/table:"):
        st.markdown("\n".join(format_table(found)))
        st.caption(
            "Moved: how far a mark is from its start on average; 1 is as far as the marks lay from "
            "their middle."
        )
