"""Which answers were right and which were wrong, and the examples themselves."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from pages.parts.figures.confusion_matrix import matrix
from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.results.test_examples import shown_of
from pages.parts.widgets.example_cards import Card, examples
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.show_more import More
from trainers.events import Answered, Finished
from trainers.reports.mistakes import Gone, confusions, doubted, in_cell, wrong
from trainers.store import Run

SHOWN = 24  # at once, of a cell
WORST = 12  # of all mistakes
TOLD = 5  # confusions in words
LISTED = 200  # in the table


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### Which class was taken for which")
    answered, kinds = told.answered, confusions(end.confusion)
    cell = chosen_cell(run, kinds) if answered else None
    live_plot(
        matrix(end.classes, end.confusion, LOOKS[end.approach].colour, cell),
        key="confusion",
        alt="Confusion matrix: rows are the truth, columns the model's answer. "
        + in_words(end.classes, kinds),
        on_click=partial(clicked, run.id, len(end.classes)) if answered else None,
    )
    st.caption(plain(in_words(end.classes, kinds)))
    if kinds:
        with st.expander("As a table", icon=":material/table:"):
            table(end, kinds)
    if answered is None:  # a run of an older Thaw
        return
    try:
        in_a_cell(end, run, answered)
        st.markdown("### The mistakes it was surest of")
        surest(end, run, answered)
    except Gone as why:
        st.info(f"No examples are shown. {plain(str(why))}", icon=":material/visibility_off:")


def in_words(classes: Sequence[str], kinds: Sequence[tuple[int, int, int]]) -> str:
    if not kinds:
        return "Every answer is right."
    most = ", ".join(f"{classes[t]} for {classes[a]} ({count:,})" for t, a, count in kinds[:TOLD])
    more = f", and {len(kinds) - TOLD:,} other kinds of mistake" if len(kinds) > TOLD else ""
    return f"Most often taken for another: {most}{more}."


def table(end: Finished, kinds: Sequence[tuple[int, int, int]]) -> None:
    """All kinds of mistakes, in text."""
    rows = ["| it was | the model said | how often |", "|---|---|---|"]
    for truth, answer, count in kinds[:LISTED]:
        of = sum(end.confusion[truth])
        names = plain(end.classes[truth]), plain(end.classes[answer])
        rows.append(f"| {names[0]} | {names[1]} | {count:,} of {of:,} |")
    st.markdown("\n".join(rows))
    if len(kinds) > LISTED:
        st.caption(f"The {LISTED} most frequent of {len(kinds):,} kinds of mistakes.")


# --- one cell of the matrix ---------------------------------------------------------------------


def keys(run: str) -> tuple[str, str]:
    return f"truth-{run}", f"answer-{run}"


def chosen_cell(run: Run, kinds: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """The cell that is looked at: to begin with, that of the most frequent mistake."""
    first = kinds[0][:2] if kinds else (0, 0)
    return tuple(
        st.session_state.setdefault(key, place)
        for key, place in zip(keys(run.id), first, strict=True)
    )


def clicked(run: str, classes: int, mark: object) -> None:
    """Chooses the cell that was clicked."""
    match mark:
        case [int(row), int(column)] if 0 <= row < classes and 0 <= column < classes:
            st.session_state.update(zip(keys(run), (row, column), strict=True))


def in_a_cell(end: Finished, run: Run, answered: Answered) -> None:
    left, right = st.columns(2)
    truth, answer = (
        column.selectbox(
            title, range(len(end.classes)), format_func=end.classes.__getitem__, key=key
        )
        for column, title, key in zip(
            (left, right), ("It was …", "… and the model said"), keys(run.id), strict=True
        )
    )
    places = in_cell(answered, truth, answer)
    st.caption(
        "Click a square of the matrix, or choose here. " + about(end, truth, answer, len(places))
    )
    draw(end, run, answered, places, first=SHOWN, key=f"cell-{truth}-{answer}")


def about(end: Finished, truth: int, answer: int, count: int) -> str:
    of = sum(end.confusion[truth])
    names = plain(end.classes[truth]), plain(end.classes[answer])
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

VIEWS = {"all": "All mistakes", "labels": "Only where the label may be wrong"}


def surest(end: Finished, run: Run, answered: Answered) -> None:
    places, doubts = wrong(answered), doubted(answered)
    if not places:
        st.markdown("There is none: every answer is right.")
        return
    st.markdown(
        "Look for what they have in common: a wrong label, two things in one example, something "
        "cut off or blurred, a kind that was never among the examples it learned from. More "
        "examples of that kind help most."
    )
    if not answered.sureness:
        st.caption("This approach gives no probabilities, so the mistakes are in no order.")
    elif doubts:
        st.markdown(labels_in_words(len(doubts), len(places)))
        view = st.segmented_control(
            "Which mistakes",
            list(VIEWS),
            default="all",
            format_func=VIEWS.__getitem__,
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
    draw(end, run, answered, places, first=WORST, key="worst", doubts=doubts)
    st.page_link(
        "data.py",
        label="Labels of the training examples: look this data over",
        icon=":material/folder_open:",
        query_params={"data": run.plan.data},
    )


def labels_in_words(doubts: int, mistakes: int) -> str:
    which = "this" if mistakes == 1 else f"{doubts:,} of these {mistakes:,}"
    return (
        f"**The label may be wrong, or the model is**: it was as sure of {which} as it mostly is "
        "when it is right. Only a person who looks can tell. Nothing in the test is changed for "
        "it, and the score stands; a label that you correct in your data counts in later runs."
    )


def draw(
    end: Finished,
    run: Run,
    answered: Answered,
    places: Sequence[int],
    *,
    first: int,
    key: str,
    doubts: Sequence[int] = (),
) -> None:
    """Cards of the examples at `places`, the first of them, and more when asked for."""
    more = More(f"{run.id}-{key}", first)
    some, doubtful = places[: more.count], set(doubts)
    cards: list[Card] = []
    for place, example in zip(some, shown_of(run, answered, end.classes, some), strict=True):
        card: Card = {
            "example": example,
            "label": end.classes[answered.labels[place]],
            "answer": end.classes[answered.answers[place]],
        }
        if answered.sureness:
            card["sure"] = answered.sure[place]
        if place in doubtful:
            card["note"] = "? Is the label right?"
        cards.append(card)
    examples(cards, key=key.partition("-")[0], colour=LOOKS[end.approach].colour)
    more.offer(len(places))
