"""The charts of a run. They keep their order and height while it is live, so nothing jumps."""

import streamlit as st

from pages.parts.figures import chart_text, example_map, run_charts
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES, FROZEN_COLOUR
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.glossary import link_term
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.reports.sentences import format_count
from trainers.store import Run

VALIDATION_HELP = (
    "The checks are training examples that were held back. While the last layer learns, five "
    "copies of it each go without a fifth of the examples, and are asked about those "
    "(cross-validation). While the whole model learns, a fifth is held back. In the end all are "
    "learned from, where there is time. The test asks about examples that nobody looked at before."
)


def draw_charts(snapshot: RunSnapshot, run: Run) -> None:
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        against = draw_accuracy(snapshot, run)
    with right:
        draw_map(snapshot)
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        draw_loss(snapshot, against)
    with right:
        draw_layers(snapshot, APPROACH_STYLES[run.job.approach].colour)
    draw_watched_examples(snapshot, run)


def draw_accuracy(snapshot: RunSnapshot, run: Run) -> str:
    """Draw the accuracy and return what the curves are drawn against: "seconds" or "epoch"."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown("## How much is right", help=VALIDATION_HELP)
        against = st.segmented_control(
            "Draw the curves by seconds, or by passes over the examples",
            ["seconds", "epoch"],
            # A last layer alone learns in a blink: by seconds its curve would stand upright.
            default="epoch" if run.job.approach == "transfer" else "seconds",
            format_func={"seconds": "by seconds", "epoch": "by passes"}.__getitem__,
            required=True,
            label_visibility="collapsed",
            key=f"against-{run.job.approach}",
        )
    draw_live_plot(
        run_charts.accuracy_curve(snapshot, against=against),
        key="accuracy",
        alt=chart_text.describe_accuracy(snapshot),
    )
    return against


def draw_map(snapshot: RunSnapshot) -> None:
    st.markdown(
        "## What the model sees",
        help="Each mark is an example held out for checking. Close together: alike to the "
        "model. Hollow marks are answered wrong. The two directions are those in which the "
        "examples differ most at the start, and stay fixed.",
    )
    draw_live_plot(
        example_map.example_map(snapshot),
        key="map",
        alt=chart_text.describe_map(snapshot),
    )
    st.caption(chart_text.describe_map(snapshot))


def draw_loss(snapshot: RunSnapshot, against: str) -> None:
    st.markdown(
        "## How wrong it is (loss)",
        help="The number that training makes smaller. It also counts how sure a wrong answer "
        "was, so it can rise while more answers become right.",
    )
    draw_live_plot(
        run_charts.loss_curve(snapshot, against=against),
        key="loss",
        alt=chart_text.describe_loss(snapshot),
    )
    if snapshot.end and snapshot.evaluations:
        with st.expander("The curves as a table", icon=":material/table:"):
            st.markdown("\n".join(chart_text.format_table(snapshot)))


def draw_layers(snapshot: RunSnapshot, colour: str) -> None:
    st.markdown("## Frozen and learning")
    if snapshot.phases:
        phase = snapshot.phases[-1]
        share = phase.trainable_parameters / max(1, sum(p["parameters"] for p in phase.blocks))
        part = "under 0.1%" if share < 0.001 else "100%" if share == 1 else f"{share:.1%}"
        st.caption(
            f"{format_count(phase.trainable_parameters)} "
            f"{link_term('weights', 'numbers')} learn, "
            f"{part} of all."
        )
        draw_live_plot(
            run_charts.layer_bars(phase.blocks, colour, FROZEN_COLOUR),
            key="layers",
            alt=chart_text.describe_layers(phase),
        )
    else:
        st.skeleton(height=220)


def draw_watched_examples(snapshot: RunSnapshot, run: Run) -> None:
    st.markdown("## A few examples, and the answer now")
    if run.job.data.startswith("own-") and run.visitor != current_visitor():
        st.caption("The examples are shown only to who added them.")
    elif snapshot.watched_examples and snapshot.started:
        draw_example_cards(
            build_cards(snapshot), key="watched", colour=APPROACH_STYLES[run.job.approach].colour
        )
    else:
        st.skeleton(height=150)


def build_cards(snapshot: RunSnapshot) -> list[ExampleCard]:
    classes = snapshot.started.classes
    last = snapshot.evaluations[-1] if snapshot.evaluations else None
    cards: list[ExampleCard] = []
    for place, (example, label) in enumerate(
        zip(snapshot.watched_examples.inputs, snapshot.watched_examples.labels, strict=True)
    ):
        answer = classes[last.watched_predictions[place]] if last else ""
        confidence = last.confidence[place] if last else 0.0
        cards.append(
            {"example": example, "label": classes[label], "answer": answer, "sure": confidence}
        )
    return cards
