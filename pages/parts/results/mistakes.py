"""Which answers were right and which were wrong, and the examples themselves."""

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

CELL_PAGE_SIZE = 24  # at once, of a cell
MISTAKES_PAGE_SIZE = 12  # of all mistakes
MAX_DESCRIBED = 5  # confusions in words
MAX_TABLE_ROWS = 200  # in the table


def show(told: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### Which class was taken for which")
    answered, kinds = told.test_answers, rank_confusions(end.confusion_matrix)
    cell = get_selected_cell(run, kinds) if answered else None
    draw_live_plot(
        clickable_confusion_matrix(
            end.classes, end.confusion_matrix, APPROACH_STYLES[end.approach].colour, cell
        ),
        key="confusion",
        alt="Confusion matrix: rows are the truth, columns the model's answer. "
        + describe_confusions(end.classes, kinds),
        on_click=partial(select_cell, run.id, len(end.classes)) if answered else None,
    )
    st.caption(escape_markdown(describe_confusions(end.classes, kinds)))
    if kinds:
        with st.expander("As a table", icon=":material/table:"):
            draw_table(end, kinds)
    if answered is None:  # a run of an older Thaw
        return
    try:
        draw_cell(end, run, answered)
        st.markdown("### The mistakes it was surest of")
        draw_mistakes(end, run, answered)
    except ExamplesUnavailable as why:
        st.info(
            f"No examples are shown. {escape_markdown(str(why))}", icon=":material/visibility_off:"
        )


def describe_confusions(classes: Sequence[str], kinds: Sequence[tuple[int, int, int]]) -> str:
    if not kinds:
        return "Every answer is right."
    most = ", ".join(
        f"{classes[t]} for {classes[a]} ({count:,})" for t, a, count in kinds[:MAX_DESCRIBED]
    )
    more = (
        f", and {len(kinds) - MAX_DESCRIBED:,} other kinds of mistake"
        if len(kinds) > MAX_DESCRIBED
        else ""
    )
    return f"Most often taken for another: {most}{more}."


def draw_table(end: RunFinished, kinds: Sequence[tuple[int, int, int]]) -> None:
    """All kinds of mistakes, in text."""
    rows = ["| it was | the model said | how often |", "|---|---|---|"]
    for truth, answer, count in kinds[:MAX_TABLE_ROWS]:
        of = sum(end.confusion_matrix[truth])
        names = escape_markdown(end.classes[truth]), escape_markdown(end.classes[answer])
        rows.append(f"| {names[0]} | {names[1]} | {count:,} of {of:,} |")
    st.markdown("\n".join(rows))
    if len(kinds) > MAX_TABLE_ROWS:
        st.caption(f"The {MAX_TABLE_ROWS} most frequent of {len(kinds):,} kinds of mistakes.")


# --- one cell of the matrix ---------------------------------------------------------------------


def cell_state_keys(run: str) -> tuple[str, str]:
    return f"truth-{run}", f"answer-{run}"


def get_selected_cell(run: Run, kinds: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """The cell that is looked at: to begin with, that of the most frequent mistake."""
    first = kinds[0][:2] if kinds else (0, 0)
    return tuple(
        st.session_state.setdefault(key, place)
        for key, place in zip(cell_state_keys(run.id), first, strict=True)
    )


def select_cell(run: str, classes: int, mark: object) -> None:
    """Chooses the cell that was clicked."""
    match mark:
        case [int(row), int(column)] if 0 <= row < classes and 0 <= column < classes:
            st.session_state.update(zip(cell_state_keys(run), (row, column), strict=True))


def draw_cell(end: RunFinished, run: Run, answered: PredictionsRecorded) -> None:
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
    places = list_matrix_cell(answered, truth, answer)
    st.caption(
        "Click a square of the matrix, or choose here. "
        + describe_cell(end, truth, answer, len(places))
    )
    draw_cards(end, run, answered, places, first=CELL_PAGE_SIZE, key=f"cell-{truth}-{answer}")


def describe_cell(end: RunFinished, truth: int, answer: int, count: int) -> str:
    of = sum(end.confusion_matrix[truth])
    names = escape_markdown(end.classes[truth]), escape_markdown(end.classes[answer])
    if not of:
        return f"The test has no example of {names[0]}."
    if truth == answer:
        return f"{count:,} of {of:,} examples of {names[0]} are right; the least sure come first."
    if not count:
        return f"None of {of:,} examples of {names[0]} was taken for {names[1]}."
    return (
        f"{count:,} of {of:,} examples of {names[0]} were taken for {names[1]}; those it was "
        "surest of come first."
    )


# --- all mistakes -------------------------------------------------------------------------------

MISTAKE_VIEWS = {"all": "All mistakes", "labels": "Only where the label may be wrong"}


def draw_mistakes(end: RunFinished, run: Run, answered: PredictionsRecorded) -> None:
    places, doubts = list_mistakes(answered), list_suspect_labels(answered)
    if not places:
        st.markdown("There is none: every answer is right.")
        return
    st.markdown(
        "Look for what they have in common: a wrong label, two things in one example, something "
        "cut off or blurred, a kind that was never among the examples it learned from. More "
        "examples of that kind help most."
    )
    if not answered.confidence:
        st.caption("This approach gives no probabilities, so the mistakes are in no order.")
    elif doubts:
        st.markdown(describe_doubtful_labels(len(doubts), len(places)))
        view = st.segmented_control(
            "Which mistakes",
            list(MISTAKE_VIEWS),
            default="all",
            format_func=MISTAKE_VIEWS.__getitem__,
            required=True,
            label_visibility="collapsed",
            key=f"mistakes-{run.id}",
        )
        places = doubts if view == "labels" else places
    else:
        st.caption(
            "It was less sure of each of them than it mostly is of right answers, so none speaks "
            "for a wrong label in the test."
        )
    draw_cards(end, run, answered, places, first=MISTAKES_PAGE_SIZE, key="worst", doubts=doubts)
    st.page_link(
        "data.py",
        label="Labels of the training examples: look this data over",
        icon=":material/folder_open:",
        query_params={"data": run.job.data},
    )


def describe_doubtful_labels(doubts: int, mistakes: int) -> str:
    which = "this" if mistakes == 1 else f"{doubts:,} of these {mistakes:,}"
    return (
        f"**The label may be wrong, or the model is**: it was as sure of {which} as it mostly is "
        "when it is right. Only a person who looks can tell. Nothing in the test is changed for "
        "it, and the score stands; a label that you correct in your data counts in later runs."
    )


def draw_cards(
    end: RunFinished,
    run: Run,
    answered: PredictionsRecorded,
    places: Sequence[int],
    *,
    first: int,
    key: str,
    doubts: Sequence[int] = (),
) -> None:
    """Cards of the examples at `places`, the first of them, and more when asked for."""
    more = ShowMore(f"{run.id}-{key}", first)
    some, doubtful = places[: more.count], set(doubts)
    cards: list[ExampleCard] = []
    for place, example in zip(
        some, load_test_examples(run, answered, end.classes, some), strict=True
    ):
        card: ExampleCard = {
            "example": example,
            "label": end.classes[answered.labels[place]],
            "answer": end.classes[answered.predictions[place]],
        }
        if answered.confidence:
            card["sure"] = answered.best_confidence[place]
        if place in doubtful:
            card["note"] = "? Is the label right?"
        cards.append(card)
    draw_example_cards(
        cards, key=key.partition("-")[0], colour=APPROACH_STYLES[end.approach].colour
    )
    more.draw_button(len(places))
