"""Section "Right and wrong": the confusion matrix, and the test examples of each cell."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from pages.parts.figures.confusion_matrix import clickable_confusion_matrix
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.results.test_examples import load_test_examples
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.show_more import ShowMore
from trainers.events import PredictionsRecorded, RunFinished
from trainers.reports.mistakes import (
    ExamplesUnavailable,
    list_matrix_cell,
    list_mistakes,
    list_suspect_labels,
    rank_confusions,
)
from trainers.store import Run

Confusion = tuple[int, int, int]  # label, answer, how often

CELL_PAGE_SIZE = 24  # examples of a cell shown at once
MISTAKES_PAGE_SIZE = 12  # examples of all mistakes shown at once
MAX_DESCRIBED = 5  # confusions named in the text
MAX_TABLE_ROWS = 200


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Which class was taken for which")
    answers, confusions = snapshot.test_answers, rank_confusions(end.confusion_matrix)
    cell = get_selected_cell(run, confusions) if answers else None
    draw_live_plot(
        clickable_confusion_matrix(
            end.classes, end.confusion_matrix, APPROACH_STYLES[end.approach].colour, cell
        ),
        key="confusion",
        alt="Confusion matrix: rows are the truth, columns the model's answer. "
        + describe_confusions(end.classes, confusions),
        on_click=partial(select_cell, run.id, len(end.classes)) if answers else None,
    )
    st.caption(escape_markdown(describe_confusions(end.classes, confusions)))
    if confusions:
        with st.expander("As a table", icon=":material/table:"):
            draw_table(end, confusions)
    if answers is None:  # an older version did not record them
        return
    try:
        draw_cell(end, run, answers)
        st.markdown("### The mistakes it was surest of")
        draw_mistakes(end, run, answers)
    except ExamplesUnavailable as reason:
        st.info(
            f"No examples are shown. {escape_markdown(str(reason))}",
            icon=":material/visibility_off:",
        )


def describe_confusions(classes: Sequence[str], confusions: Sequence[Confusion]) -> str:
    """Return the most frequent confusions in words, as plain text."""
    if not confusions:
        return "Every answer is right."
    most = ", ".join(
        f"{classes[label]} for {classes[answer]} ({count:,})"
        for label, answer, count in confusions[:MAX_DESCRIBED]
    )
    more = (
        f", and {len(confusions) - MAX_DESCRIBED:,} other kinds of mistake"
        if len(confusions) > MAX_DESCRIBED
        else ""
    )
    return f"Most often taken for another: {most}{more}."


def draw_table(end: RunFinished, confusions: Sequence[Confusion]) -> None:
    """Draw the confusions as a table, the most frequent first."""
    rows = ["| it was | the model said | how often |", "|---|---|---|"]
    for truth, answer, count in confusions[:MAX_TABLE_ROWS]:
        total = sum(end.confusion_matrix[truth])
        names = escape_markdown(end.classes[truth]), escape_markdown(end.classes[answer])
        rows.append(f"| {names[0]} | {names[1]} | {count:,} of {total:,} |")
    st.markdown("\n".join(rows))
    if len(confusions) > MAX_TABLE_ROWS:
        st.caption(f"The {MAX_TABLE_ROWS} most frequent of {len(confusions):,} kinds of mistakes.")


def cell_state_keys(run_id: str) -> tuple[str, str]:
    return f"truth-{run_id}", f"answer-{run_id}"


def get_selected_cell(run: Run, confusions: Sequence[Confusion]) -> tuple[int, int]:
    """Return (label, answer) of the chosen cell; at first, that of the most frequent mistake."""
    first = confusions[0][:2] if confusions else (0, 0)
    return tuple(
        st.session_state.setdefault(key, place)
        for key, place in zip(cell_state_keys(run.id), first, strict=True)
    )


def select_cell(run_id: str, class_count: int, mark: object) -> None:
    """Choose the clicked cell. `mark` comes from the browser, so anything else is ignored."""
    match mark:
        case [int(row), int(column)] if 0 <= row < class_count and 0 <= column < class_count:
            st.session_state.update(zip(cell_state_keys(run_id), (row, column), strict=True))


def draw_cell(end: RunFinished, run: Run, answers: PredictionsRecorded) -> None:
    left, right = st.columns(2)
    truth, answer = (
        column.selectbox(
            title, range(len(end.classes)), format_func=end.classes.__getitem__, key=key
        )
        for column, title, key in zip(
            (left, right),
            ("It was …", "… and the model said"),
            cell_state_keys(run.id),
            strict=True,
        )
    )
    places = list_matrix_cell(answers, truth, answer)
    st.caption(
        "Click a square of the matrix, or choose here. "
        + describe_cell(end, truth, answer, len(places))
    )
    draw_cards(end, run, answers, places, first=CELL_PAGE_SIZE, key=f"cell-{truth}-{answer}")


def describe_cell(end: RunFinished, truth: int, answer: int, count: int) -> str:
    total = sum(end.confusion_matrix[truth])
    names = escape_markdown(end.classes[truth]), escape_markdown(end.classes[answer])
    if not total:
        return f"The test has no example of {names[0]}."
    if truth == answer:
        return (
            f"{count:,} of {total:,} examples of {names[0]} are right; the least sure come first."
        )
    if not count:
        return f"None of {total:,} examples of {names[0]} was taken for {names[1]}."
    return (
        f"{count:,} of {total:,} examples of {names[0]} were taken for {names[1]}; those it was "
        "surest of come first."
    )


MISTAKE_VIEWS = {"all": "All mistakes", "labels": "Only where the label may be wrong"}


def draw_mistakes(end: RunFinished, run: Run, answers: PredictionsRecorded) -> None:
    places, suspects = list_mistakes(answers), list_suspect_labels(answers)
    if not places:
        st.markdown("There is none: every answer is right.")
        return
    st.markdown(
        "Look for what they have in common: a wrong label, two things in one example, something "
        "cut off or blurred, a kind that was never among the examples it learned from. More "
        "examples of that kind help most."
    )
    if not answers.confidence:
        st.caption("This approach gives no probabilities, so the mistakes are in no order.")
    elif suspects:
        st.markdown(describe_suspect_labels(len(suspects), len(places)))
        view = st.segmented_control(
            "Which mistakes",
            list(MISTAKE_VIEWS),
            default="all",
            format_func=MISTAKE_VIEWS.__getitem__,
            required=True,
            label_visibility="collapsed",
            key=f"mistakes-{run.id}",
        )
        places = suspects if view == "labels" else places
    else:
        st.caption(
            "It was less sure of each of them than it mostly is of right answers, so none speaks "
            "for a wrong label in the test."
        )
    draw_cards(end, run, answers, places, first=MISTAKES_PAGE_SIZE, key="worst", suspects=suspects)
    st.page_link(
        "data.py",
        label="Labels of the training examples: look this data over",
        icon=":material/folder_open:",
        query_params={"data": run.job.data},
    )


def describe_suspect_labels(suspects: int, mistakes: int) -> str:
    which = "this" if mistakes == 1 else f"{suspects:,} of these {mistakes:,}"
    return (
        f"**The label may be wrong, or the model is**: it was as sure of {which} as it mostly is "
        "when it is right. Only a person who looks can tell. Nothing in the test is changed for "
        "it, and the score stands; a label that you correct in your data counts in later runs."
    )


def draw_cards(
    end: RunFinished,
    run: Run,
    answers: PredictionsRecorded,
    places: Sequence[int],
    *,
    first: int,
    key: str,
    suspects: Sequence[int] = (),
) -> None:
    """Draw cards of the test examples at `places`: `first` of them, more per click."""
    more = ShowMore(f"{run.id}-{key}", first)
    shown = places[: more.count]
    cards: list[ExampleCard] = []
    for place, example in zip(
        shown, load_test_examples(run, answers, end.classes, shown), strict=True
    ):
        card: ExampleCard = {
            "example": example,
            "label": end.classes[answers.labels[place]],
            "answer": end.classes[answers.predictions[place]],
        }
        if answers.confidence:
            card["sure"] = answers.best_confidence[place]
        if place in suspects:
            card["note"] = "? Is the label right?"
        cards.append(card)
    draw_example_cards(
        cards, key=key.partition("-")[0], colour=APPROACH_STYLES[end.approach].colour
    )
    more.draw_button(len(places))
