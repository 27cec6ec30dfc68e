"""Section "How it saw them": the map of the examples, animated over training."""

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
from pages.parts.widgets.map_animation import draw_map_animation
from trainers.events import RunFinished
from trainers.store import Run


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### How the model saw the examples, from start to end")
    animation = build_animation(snapshot)
    if animation is None:
        st.markdown(
            "There is no film: nothing was learned step by step, so there was nothing to watch."
            if end.approach in ("none", "simple")
            else "There is no film: this run ended before it could look at a map twice."
        )
        return
    st.markdown(describe_animation(animation))
    examples, problem = load_map_examples(snapshot, run)
    draw_map_animation([animation], examples, key="film")
    if problem:
        st.caption(f":material/visibility_off: {escape_markdown(problem)}")
    st.caption(MAP_HELP)
    with st.expander("The film as a table", icon=":material/table:"):
        st.markdown("\n".join(format_table(animation)))
        st.caption(
            "Moved: how far a mark is from its start on average; 1 is as far as the marks lay from "
            "their middle."
        )
