"""Two runs laid side by side: the test examples on which one is right and the other wrong."""

from collections.abc import Sequence

import streamlit as st

from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.results.test_examples import shown_of
from pages.parts.widgets.example_cards import Card, examples
from pages.parts.widgets.show_more import More
from trainers.evaluation.disagreement import Differing, differing
from trainers.evaluation.metrics import Asked
from trainers.reports.mistakes import Gone
from trainers.store import Run

SHOWN = 12  # of each kind, and so many more each time


def differ(
    found: Sequence[Run],
    stories: Sequence[Story],
    names: Sequence[str],
    tests: Sequence[Asked | None],
) -> None:
    """Nothing, where no two of the runs were asked the same."""
    pairs = [
        (one, other)
        for one in range(len(found))
        for other in range(one + 1, len(found))
        if tests[one] and tests[other] and tests[one].test == tests[other].test
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
    apart = differing(tests[one], tests[other])
    if apart is None:
        st.info(
            "The test was another by the time of the second: its data changed in between.",
            icon=":material/balance:",
        )
        return
    told = [stories[place] for place in pair]
    numbers = [place + 1 for place in pair]
    st.markdown("\n".join(counted(apart, *numbers)))
    st.markdown(apart.words(*(f"run {number}" for number in numbers)))
    for run, story, number, against, places in (
        (found[one], told[0], numbers[0], (numbers[1], told[1]), apart.first),
        (found[other], told[1], numbers[1], (numbers[0], told[0]), apart.second),
    ):
        if not places:
            continue
        st.markdown(f"### Only run {number} is right: {len(places):,}")
        try:
            shown(run, story, number, against, places)
        except Gone as why:
            text = f"The examples are not shown. {plain(str(why))}"
            st.info(text, icon=":material/visibility_off:")
            return


def counted(apart: Differing, one: int, other: int) -> list[str]:
    """All four kinds, as a table."""
    return [
        f"| of {apart.gap.tests:,} test examples | run {other} is right | run {other} is wrong |",
        "|---|---|---|",
        f"| **run {one} is right** | {apart.both:,} | {len(apart.first):,} |",
        f"| **run {one} is wrong** | {len(apart.second):,} | {apart.neither:,} |",
    ]


def shown(
    run: Run, story: Story, number: int, against: tuple[int, Story], places: Sequence[int]
) -> None:
    """Cards of the examples at `places` of the test, that `run` alone has right."""
    more = More(f"apart-{run.id}-{against[0]}", SHOWN)
    some = places[: more.count]
    classes, answered = story.end.classes, story.answered
    other, theirs = against
    cards: list[Card] = [
        {
            "example": example,
            "label": classes[answered.labels[place]],
            "note": f"✓ run {number} · ✗ run {other} says "
            f"{theirs.end.classes[theirs.answered.answers[place]]}",
        }
        for place, example in zip(some, shown_of(run, answered, classes, some), strict=True)
    ]
    examples(cards, key=f"differ-{number}-{other}", colour=LOOKS[run.plan.approach].colour)
    more.offer(len(places))
