"""The sections below a finished run; only the chosen one is computed.

Each section is a module with `show(snapshot, end, run)`; `SECTIONS` lists them. *Try it*
(`try_model`) has its own parts: `models` (loading, and a second model beside the first),
`model_inputs`, `abstention_choice` ("not sure"), `answers` and `answer_table`. `disagreements`
belongs to the page that lays two runs side by side; `test_examples` loads what several show.
"""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.results import (
    calibration,
    export,
    forgetting,
    map_animation,
    mistakes,
    saliency,
    settings,
    subgroups,
    try_model,
    weight_change,
)
from trainers.events import RunFinished
from trainers.store import Run
from trainers.system.registry import build_registry


class Section(NamedTuple):
    key: str  # in links: never rename
    title: str
    icon: str
    show: Callable[[RunSnapshot, RunFinished, Run], None]


SECTIONS = build_registry(
    Section("mistakes", "Right and wrong", ":material/grid_on:", mistakes.show),
    Section("try", "Try it", ":material/science:", try_model.show),
    Section("why", "Why this answer", ":material/center_focus_strong:", saliency.show),
    Section("sure", "How sure it is", ":material/speed:", calibration.show),
    Section("fair", "Score per class and group", ":material/balance:", subgroups.show),
    Section("film", "How it saw them", ":material/movie:", map_animation.show),
    Section("changed", "What changed inside", ":material/layers:", weight_change.show),
    Section("forgot", "What it forgot", ":material/psychology_alt:", forgetting.show),
    Section("settings", "What was run", ":material/tune:", settings.show),
    Section("take", "Take it away", ":material/inventory_2:", export.show),
)


def draw_results(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    """Draw the choice of sections, and the chosen one; `section` in the address opens one."""
    st.markdown("## Look closer")
    requested = st.query_params.get("section", "")
    chosen = st.segmented_control(
        "What to look at",
        list(SECTIONS),
        default=requested if requested in SECTIONS else next(iter(SECTIONS)),
        format_func=lambda key: f"{SECTIONS[key].icon} {SECTIONS[key].title}",
        required=True,
        label_visibility="collapsed",
        key="section",
        wrap=True,
    )
    SECTIONS[chosen].show(snapshot, end, run)
