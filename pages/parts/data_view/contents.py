"""What a dataset contains: classes, examples, columns, and what was noticed while reading."""

import streamlit as st

from pages.parts.data_view.importing import start_import
from pages.parts.figures import dataset_charts, plotly_parts
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.datasets import Dataset
from trainers.datasets.uploads import StoredDataset, UploadedDataset, inbox

MAX_EXAMPLES = 6


def draw_contents(sample: Dataset) -> None:
    if isinstance(sample, StoredDataset):
        draw_live_plot(
            dataset_charts.class_counts(sample.class_counts),
            key="counts",
            alt="; ".join(
                f"{name}: {learn:,} to learn from, {test:,} to test"
                for name, learn, test in sample.class_counts[: plotly_parts.MAX_BARS]
            ),
        )
        if len(sample.class_counts) > plotly_parts.MAX_BARS:
            st.caption(
                f"The {plotly_parts.MAX_BARS} largest of {len(sample.class_counts):,} classes."
            )
    cards: list[ExampleCard] = [
        {"example": example, "label": label} for example, label in sample.preview()[:MAX_EXAMPLES]
    ]
    draw_example_cards(cards, key="glimpse", colour=APPROACH_STYLES["transfer"].colour)
    if (
        isinstance(sample, UploadedDataset)
        and sample.columns
        and inbox.find_draft(sample.draft_key)
    ):
        draw_column_selection(sample)
    if isinstance(sample, StoredDataset) and sample.notices:
        with st.expander("What was noticed while reading", icon=":material/info:"):
            for notice in sample.notices:
                st.markdown(f"- {escape_markdown(notice)}")


def draw_column_selection(sample: UploadedDataset) -> None:
    """Draw the choice of columns; the files must still be in the inbox."""
    with st.expander("Other columns", icon=":material/view_column:"):
        places = range(len(sample.columns))
        text, label = (
            column.selectbox(
                f"Column of the {what}",
                places,
                index=place,
                format_func=sample.columns.__getitem__,
                key=f"{what}-{sample.key}",
            )
            for column, what, place in zip(
                st.columns(2), ("texts", "labels"), sample.text_label_columns, strict=True
            )
        )
        group = st.selectbox(
            "Column of the groups, where there is one",
            [None, *places],
            index=0 if sample.group_column is None else 1 + sample.group_column,
            format_func=lambda place: "No groups" if place is None else sample.columns[place],
            key=f"groups-{sample.key}",
            help="A finished run then says how good the model is for each group. The model is "
            "never told it.",
        )
        chosen = text, label, group
        current = (*sample.text_label_columns, sample.group_column)
        if st.button(
            "Read again with these columns",
            disabled=chosen == current or len(set(chosen)) < len(chosen),
        ):
            start_import(
                str(inbox.find_draft(sample.draft_key)),
                sample.title,
                text_column=f"#{text + 1}",
                label_column=f"#{label + 1}",
                group_column=None if group is None else f"#{group + 1}",
                replaced_data=sample.key,
            )
        st.caption("The files that came are kept for a day for this, then deleted.")
