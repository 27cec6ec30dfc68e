"""Two runs laid side by side: the test examples on which one is right and the other wrong."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.results.test_examples import load_test_examples
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.show_more import ShowMore
from trainers.evaluation.disagreement import Disagreement, find_disagreement
from trainers.evaluation.metrics import Predictions
from trainers.reports.mistakes import ExamplesUnavailable
from trainers.store import Run

PAGE_SIZE = 12  # of each kind, and so many more each time


def draw_disagreements(
    found: Sequence[Run],
    stories: Sequence[RunSnapshot],
    names: Sequence[str],
    tests: Sequence[Predictions | None],
) -> None:
    """Nothing, where no two of the runs were asked the same."""
    pairs = [
        (one, other)
        for one in range(len(found))
        for other in range(one + 1, len(found))
        if tests[one] and tests[other] and tests[one].test_id == tests[other].test_id
    ]
    if not pairs:
        return
    st.markdown("## Where they differ")
    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Which two",
            pairs,
            format_func=lambda two: f"{names[two[0]]} and {names[two[1]]}",
            key="pair",
        )
    one, other = pair
    apart = find_disagreement(tests[one], tests[other])
    if apart is None:
        st.info(
            "The test was another by the time of the second: its data changed in between.",
            icon=":material/balance:",
        )
        return
    told = [stories[place] for place in pair]
    numbers = [place + 1 for place in pair]
    st.markdown("\n".join(format_counts(apart, *numbers)))
    st.markdown(apart.describe(*(f"run {number}" for number in numbers)))
    for run, story, number, against, places in (
        (found[one], told[0], numbers[0], (numbers[1], told[1]), apart.first_only),
        (found[other], told[1], numbers[1], (numbers[0], told[0]), apart.second_only),
    ):
        if not places:
            continue
        st.markdown(f"### Only run {number} is right: {len(places):,}")
        try:
            draw_cards(run, story, number, against, places)
        except ExamplesUnavailable as why:
            text = f"The examples are not shown. {escape_markdown(str(why))}"
            st.info(text, icon=":material/visibility_off:")
            return


def format_counts(apart: Disagreement, one: int, other: int) -> list[str]:
    """All four kinds, as a table."""
    return [
        f"| of {apart.comparison.tests:,} test examples | run {other} is right | "
        f"run {other} is wrong |",
        "|---|---|---|",
        f"| **run {one} is right** | {apart.both_right:,} | {len(apart.first_only):,} |",
        f"| **run {one} is wrong** | {len(apart.second_only):,} | {apart.neither_right:,} |",
    ]


def draw_cards(
    run: Run,
    story: RunSnapshot,
    number: int,
    against: tuple[int, RunSnapshot],
    places: Sequence[int],
) -> None:
    """Cards of the examples at `places` of the test, that `run` alone has right."""
    more = ShowMore(f"apart-{run.id}-{against[0]}", PAGE_SIZE)
    some = places[: more.count]
    classes, answered = story.end.classes, story.test_answers
    other, theirs = against
    cards: list[ExampleCard] = [
        {
            "example": example,
            "label": classes[answered.labels[place]],
            "note": f"✓ run {number} · ✗ run {other} says "
            f"{theirs.end.classes[theirs.test_answers.predictions[place]]}",
        }
        for place, example in zip(
            some, load_test_examples(run, answered, classes, some), strict=True
        )
    ]
    draw_example_cards(
        cards, key=f"differ-{number}-{other}", colour=APPROACH_STYLES[run.job.approach].colour
    )
    more.draw_button(len(places))
