"""What will be run: the approach, the data, and a few of its examples."""

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import drawings
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.svg import draw_svg
from trainers import datasets
from trainers.plan import Plan


def draw_preview(plan: Plan) -> None:
    style = APPROACH_STYLES[plan.approach]
    words, aside = st.columns([2, 1], vertical_alignment="center")
    words.markdown(f"## :{style.badge}[{APPROACHES[plan.approach].title}]")
    words.markdown(f"on *{escape_markdown(datasets.get_dataset(plan.data).title)}*")
    with aside:
        draw_svg(drawings.layer_stack(plan.approach), key="preview-picture")
    with st.skeleton(height=260):
        # So few that Start stays in sight.
        count = 6 if datasets.get_dataset(plan.data).modality == "images" else 3
        cards: list[ExampleCard] = [
            {"example": example, "label": label}
            for example, label in load_preview(plan.data)[:count]
        ]
        draw_example_cards(cards, key="preview", colour=style.colour)


def load_preview(data: str) -> list[tuple[str, str]]:
    """Return examples of a dataset; a visitor's own go into no cache that others share."""
    return (
        load_bundled_preview(data)
        if data in datasets.BUNDLED_DATASETS
        else datasets.get_dataset(data).preview()
    )


@st.cache_data(show_spinner=False)
def load_bundled_preview(data: str) -> list[tuple[str, str]]:
    """Return examples of a bundled dataset, the same for every visitor."""
    return datasets.get_dataset(data).preview()
