"""Two runs compared on the same test set: the examples that only one of them has right."""

from collections.abc import Sequence
from itertools import combinations

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

PAGE_SIZE = 12  # examples of each kind; as many more per click


def draw_disagreements(
    runs: Sequence[Run],
    snapshots: Sequence[RunSnapshot],
    names: Sequence[str],
    tests: Sequence[Predictions | None],
) -> None:
    """Draw where two of `runs` disagree; nothing unless two of them share a test set."""
    pairs = [
        (first, second)
        for first, second in combinations(range(len(runs)), 2)
        if tests[first] and tests[second] and tests[first].test_id == tests[second].test_id
    ]
    if not pairs:
        return
    st.markdown("## Where they differ")
    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Which two",
            pairs,
            format_func=lambda pair: f"{names[pair[0]]} and {names[pair[1]]}",
            key="pair",
        )
    first, second = pair
    disagreement = find_disagreement(tests[first], tests[second])
    if disagreement is None:
        st.info(
            "The test was another by the time of the second: its data changed in between.",
            icon=":material/balance:",
        )
        return
    sides = [(place + 1, runs[place], snapshots[place]) for place in pair]
    numbers = [number for number, *_ in sides]
    st.markdown("\n".join(format_counts(disagreement, *numbers)))
    st.markdown(disagreement.describe(*(f"run {number}" for number in numbers)))
    for (number, run, snapshot), (other_number, _, other), places in (
        (*sides, disagreement.first_only),
        (*reversed(sides), disagreement.second_only),
    ):
        if not places:
            continue
        st.markdown(f"### Only run {number} is right: {len(places):,}")
        try:
            draw_cards(run, snapshot, number, (other_number, other), places)
        except ExamplesUnavailable as reason:
            text = f"The examples are not shown. {escape_markdown(str(reason))}"
            st.info(text, icon=":material/visibility_off:")
            return


def format_counts(disagreement: Disagreement, first: int, second: int) -> list[str]:
    """Return the 2×2 table of right and wrong as Markdown rows; runs are named by number."""
    return [
        f"| of {disagreement.comparison.tests:,} test examples | run {second} is right | "
        f"run {second} is wrong |",
        "|---|---|---|",
        f"| **run {first} is right** | {disagreement.both_right:,} | "
        f"{len(disagreement.first_only):,} |",
        f"| **run {first} is wrong** | {len(disagreement.second_only):,} | "
        f"{disagreement.neither_right:,} |",
    ]


def draw_cards(
    run: Run,
    snapshot: RunSnapshot,
    number: int,
    versus: tuple[int, RunSnapshot],
    places: Sequence[int],
) -> None:
    """Draw cards of the test examples at `places`, which `run` has right and `versus` has wrong."""
    other_number, other = versus
    more = ShowMore(f"apart-{run.id}-{other_number}", PAGE_SIZE)
    shown = places[: more.count]
    classes, answers = snapshot.end.classes, snapshot.test_answers
    cards: list[ExampleCard] = [
        {
            "example": example,
            "label": classes[answers.labels[place]],
            "note": f"✓ run {number} · ✗ run {other_number} says "
            f"{other.end.classes[other.test_answers.predictions[place]]}",
        }
        for place, example in zip(
            shown, load_test_examples(run, answers, classes, shown), strict=True
        )
    ]
    draw_example_cards(
        cards,
        key=f"differ-{number}-{other_number}",
        colour=APPROACH_STYLES[run.job.approach].colour,
    )
    more.draw_button(len(places))
