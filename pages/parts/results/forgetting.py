"""Section "What it forgot": the backbone tested on other tasks before and after, on request."""

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.figures.weight_change import forgetting_chart
from pages.parts.results.weight_change import is_restored
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.example_cards import ExampleCard, draw_example_cards
from pages.parts.widgets.glossary import link_marked_terms
from pages.parts.widgets.job_progress import draw_job_progress
from pages.parts.widgets.live_plot import draw_live_plot
from trainers.events import JobDone, JobFailed, RunFinished
from trainers.jobs import ForgettingTest
from trainers.store import Run, get_store

NOTHING_TO_FORGET = {
    "none": "Nothing was trained, so nothing was forgotten: the backbone is as it came.",
    "simple": "There is no pre-trained model in this approach, so there is nothing to forget.",
    "scratch": "It started from nothing, so there was nothing to forget.",
    "transfer": "**Transfer learning forgets nothing.** A model that learns something new can lose "
    "some of what it knew before. Here the pre-trained part (the [[backbone]]) stayed [[frozen]], "
    "only a new last layer learned: so the same backbone can serve other tasks beside this one.",
}
TEST_DESCRIPTIONS = {
    "text": "It is asked 60 times, before and after, about English sentences that it never learned "
    "here: which of two is closer to a third, the one that says the same in other words or the one "
    "from the same scene that says something else? Written for Thaw.",
    "images": "It is asked, before and after, about pictures from the other samples that come with "
    "Thaw, of which it learned none here: is the most similar of all others of the same kind? "
    "What the backbone itself was pre-trained on does not come with Thaw, so that is not asked.",
}
OUTCOME_BADGES = {
    "worse": ("orange", ":material/trending_down:", "It forgot something"),
    "better": ("green", ":material/trending_up:", "It forgot nothing here"),
    "cannot tell": ("gray", ":material/help:", "Too close to call"),
    "untouched": ("green", ":material/check_circle:", "It forgot nothing"),
}


def show(snapshot: RunSnapshot, end: RunFinished, run: Run) -> None:
    st.markdown("### What the model forgot")
    if reason := _explain_no_forgetting(snapshot, end):
        st.markdown(link_marked_terms(reason))
        return
    st.markdown(
        link_marked_terms(
            "Whoever learns something new may lose something old. When the [[backbone]] itself "
            "learns, its [[features]] fit the new task better, and others perhaps less well. That "
            "matters where you want to use it again for something else."
        )
    )
    st.caption(TEST_DESCRIPTIONS[snapshot.started.modality])
    job = get_store().find_latest("forgot", run.id)
    if job and not job.is_over:
        draw_job_progress(job)
    elif job and job.result and job.result["type"] == JobDone.type:
        draw_result(job.result["found"], end, snapshot.started.modality)
    else:
        draw_start_button(job, run)


def _explain_no_forgetting(snapshot: RunSnapshot, end: RunFinished) -> str:
    """Return why nothing can have been forgotten, as Markdown with marked terms; "" if it can."""
    if end.approach in NOTHING_TO_FORGET:
        return NOTHING_TO_FORGET[end.approach]
    moved = snapshot.weight_change is None or any(
        part["change"] for part in snapshot.weight_change.blocks
    )
    if moved:
        return ""
    if is_restored(snapshot.weight_change):
        return (
            "Nothing was forgotten: the backbone learned, but on the checks it was best where it "
            "had started, so it was put back."
        )
    return "Nothing was forgotten: the run ended before the backbone itself learned anything."


def draw_start_button(job: Run | None, run: Run) -> None:
    """Draw the button that starts the test; only the run's owner has it."""
    if job and job.result and job.result["type"] == JobFailed.type:
        st.warning(escape_markdown(job.result["text"]), icon=":material/error:")
    if run.visitor != current_visitor():
        st.caption("Only who started this run can ask it.")
    elif st.button("Ask it, before and after", icon=":material/psychology_alt:") and start_job(
        ForgettingTest(key=run.id, visitor=current_visitor())
    ):
        st.rerun()


def draw_result(result: dict, end: RunFinished, modality: str) -> None:
    colour, icon, title = OUTCOME_BADGES[result["outcome"]]
    with st.container(border=True):
        st.markdown(f"#### :{colour}[{icon} {title}]")
        st.markdown(escape_markdown(result["words"]))
        draw_live_plot(
            forgetting_chart(result, APPROACH_STYLES[end.approach].colour),
            key="forgot",
            alt=f"Right before: {result['before']} of {result['tests']}; after: {result['after']}. "
            f"95 % intervals {result['before_low']:.0%} to {result['before_high']:.0%} and "
            f"{result['after_low']:.0%} to {result['after_high']:.0%}.",
        )
        st.caption(
            "The lines are 95 % intervals. Whether it got worse is judged by the questions whose "
            "answer changed, not by whether the lines overlap."
        )
    rows = ["| asked about | questions | right before | right after |", "|---|---|---|---|"]
    rows += [
        f"| {escape_markdown(row['name'])} | {row['tests']:,} | "
        f"{row['before']:,} | {row['after']:,} |"
        for row in result["groups"]
    ]
    st.markdown("\n".join(rows))
    if result["lost"]:
        st.markdown("**Right before, wrong now**")
        draw_example_cards(
            build_cards(result["lost"], modality),
            key="lost",
            colour=APPROACH_STYLES[end.approach].colour,
        )


def build_cards(items: list[dict], modality: str) -> list[ExampleCard]:
    if modality == "text":
        return [
            {
                "example": item["asked"],
                "label": f"The same: {item['right']}",
                "note": f"Now closer: {item['answer']}",
            }
            for item in items
        ]
    return [
        {
            "example": item["asked"],
            "label": item["right"],
            "note": f"now most like: {item['answer']}",
        }
        for item in items
    ]
