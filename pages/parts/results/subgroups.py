"""Section "Score per class and group": which parts of the test set score clearly worse?"""

from collections.abc import Sequence

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.figures.subgroups import MAX_ROWS, subgroup_scores
from pages.parts.results.test_examples import load_test_split
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.evaluation.subgroups import (
    SubgroupScore,
    describe_class_mix,
    describe_gaps,
    find_gaps,
    score_classes,
    score_groups,
)
from trainers.events import PredictionsRecorded, RunFinished
from trainers.reports.mistakes import ExamplesUnavailable
from trainers.store import Run

GAP_ADVICE = (
    "**What to do about a gap.** More examples of the class or group that fares worse help most: "
    "varied ones, like those it will meet. Look at its mistakes under *Right and wrong* first: "
    "wrong or vague labels, or two classes that people confuse as well, are mended in the data, "
    "not by training. Then run it again, and look here again. Where a gap stays and the answers "
    "matter to people, leave the answers on that group to a person."
)


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    answers = snapshot.test_answers
    if answers is None:
        st.info("This run was made by an older Thaw and kept no answers. Run it again.")
        return
    st.markdown(
        "One score for everything can hide that some are served worse. Each line is a part of the "
        "test; the bar is where its score would most likely be with other examples of the kind."
    )
    st.markdown("### Each class")
    draw_scores(score_classes(answers, end.classes), "class", end)
    st.markdown("### Each group")
    draw_group_scores(end, run, answers)
    st.markdown(GAP_ADVICE)


def draw_group_scores(end: RunFinished, run: Run, answers: PredictionsRecorded) -> None:
    if not run.job.data.startswith("own-"):
        st.caption(
            "This data names no groups. Your own can: by place, device, dialect, age, whatever "
            "should make no difference. The page Data says how."
        )
        return
    try:
        split = load_test_split(run, answers, end.classes)
    except ExamplesUnavailable as reason:
        st.info(
            f"No groups are shown. {escape_markdown(str(reason))}", icon=":material/visibility_off:"
        )
        return
    if not split.group_names:
        st.caption(GROUP_HELP)
        return
    parts = score_groups(answers, split.groups, split.group_names)
    draw_scores(parts, "group", end)
    for part in parts:
        if note := describe_class_mix(part, end.test_accuracy):
            st.markdown(f"- {escape_markdown(note)}")


GROUP_HELP = (
    "No groups were named in this data. Texts: a column of the table can be the group; choose it "
    "on the page Data under *Other columns*. Pictures: call the folders `class@group`, such as "
    "`ants@night` and `ants@day`, and bring them again."
)


def draw_scores(parts: Sequence[SubgroupScore], kind: str, end: RunFinished) -> None:
    """Draw the scores of `parts` in words, as a chart and as a table; `kind`: class or group."""
    gaps = find_gaps(parts)
    clear = {gap.name for gap in gaps if gap.clear}
    lines = describe_gaps(parts, gaps, kind)
    st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines))
    tested = sum(part.tests > 0 for part in parts)
    draw_live_plot(
        subgroup_scores(
            parts,
            clear,
            end.test_accuracy,
            APPROACH_STYLES[end.approach].colour,
        ),
        key=f"fair-{kind}",
        alt=f"Share right of each {kind}, with 95 % intervals. " + " ".join(lines),
    )
    st.caption(
        (f"The {MAX_ROWS} lowest of {tested:,}. " if tested > MAX_ROWS else "")
        + "◆ clearly apart from the others, ○ not. The dotted line is the score of all."
    )
    with st.expander("As a table", icon=":material/table:"):
        st.markdown(format_table(parts, clear, kind))
        st.caption("In brackets the 95 % interval.")


def format_table(parts: Sequence[SubgroupScore], clear: set[str], kind: str) -> str:
    """Return all parts as a Markdown table in their own order; few columns, to fit on a phone."""
    with_precision = kind == "class"
    rows = [
        f"| {kind} | right |" + (" right when it says so |" if with_precision else ""),
        "|---|---|" + ("---|" if with_precision else ""),
    ]
    for part in parts:
        right = "none in the test"
        if part.tests:
            right = f"**{part.share:.0%}**, {part.right:,} of {part.tests:,} "
            right += f"({part.low:.0%} to {part.high:.0%})"
            right += " ◆ clearly apart" if part.name in clear else ""
        row = f"| {escape_markdown(part.name)} | {right} |"
        if with_precision and part.said:
            row += f" {part.said_right / part.said:.0%}, {part.said_right:,} of {part.said:,} |"
        elif with_precision:
            row += " never says so |"
        rows.append(row)
    return "\n".join(rows)
