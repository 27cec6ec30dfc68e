"""The settings of a room: the form, and a one-line summary."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import format_duration
from trainers import backbones, datasets
from trainers.hosting.room_settings import CHANGEABLE_SETTINGS, RoomSettings
from trainers.plan import BadPlan

BUDGETS_SECONDS = (5, 10, 20, 30, 60, 120, 300)


def draw_settings_form(current: RoomSettings, prefix: str) -> RoomSettings | None:
    """Draw the form and return its settings, or None below a warning if they are invalid."""
    usable = {sample.key: sample for sample in datasets.list_available()}
    data = st.selectbox(
        "Data",
        list(usable),
        index=list(usable).index(current.data) if current.data in usable else 0,
        format_func=lambda key: usable[key].title,
        key=f"{prefix}-data",
    )
    approaches = st.pills(
        "Approaches that people may choose",
        list(APPROACHES),
        selection_mode="multi",
        default=current.approaches,
        format_func=lambda key: APPROACHES[key].title,
        key=f"{prefix}-approaches",
    )
    seconds = st.select_slider(
        "Time budget of a run",
        BUDGETS_SECONDS,
        value=current.seconds if current.seconds in BUDGETS_SECONDS else 20,
        format_func=format_duration,
        key=f"{prefix}-seconds",
    )
    examples_per_class = most = usable[data].train_examples_per_class
    if most > 1:  # a slider with a single value raises
        examples_per_class = st.slider(
            "Examples of each class to learn from",
            1,
            most,
            min(most, current.examples_per_class or most),
            key=f"{prefix}-per-class-{data}",
        )
    changeable = st.pills(
        "People may change",
        list(CHANGEABLE_SETTINGS),
        selection_mode="multi",
        default=current.changeable,
        format_func=CHANGEABLE_SETTINGS.__getitem__,
        help="Everything else is locked: a run with other settings is not started.",
        key=f"{prefix}-may-change",
    )
    seed_per_person = st.checkbox(
        "Everybody learns from other examples of the same data",
        current.seed_per_person,
        help="Each person gets a draw (seed) of their own, so that the board shows how much of a "
        "score is luck. Without it the same settings give everybody the same score.",
        key=f"{prefix}-draws",
    )
    titles = {
        row.key: row.title
        for row in backbones.list_for_modality(usable[data].modality)
        if backbones.is_downloaded(row)
    }
    backbone = st.selectbox(
        "Backbone (the pre-trained model)",
        list(titles),
        index=list(titles).index(current.backbone) if current.backbone in titles else 0,
        format_func=lambda key: titles[key],
        key=f"{prefix}-backbone-{usable[data].modality}",
    )
    try:
        return RoomSettings(
            data=data,
            approaches=tuple(approaches),
            seconds=seconds,
            examples_per_class=examples_per_class,
            backbone=backbone,
            changeable=tuple(changeable),
            seed_per_person=seed_per_person,
            exercise=current.exercise if data == current.data else "",
        )
    except BadPlan as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None


def describe_settings(settings: RoomSettings) -> str:
    """Return a line of Markdown: data, examples, time budget, approaches, what may change."""
    count = (
        "all examples"
        if settings.examples_per_class is None
        else f"{settings.examples_per_class} of each class"
    )
    titles = ", ".join(APPROACHES[key].title for key in settings.approaches)
    free = [CHANGEABLE_SETTINGS[key].lower() for key in settings.changeable]
    text = (
        f"{format_data_title(settings.data)}; {count}; "
        f"{format_duration(settings.seconds)}. {titles}."
    )
    return f"{text} People choose: {', '.join(free)}." if free else text
