"""What the backbone forgot while it learned: asked before and after, on request."""

import streamlit as st

from pages.parts.figures.markdown import plain
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.figures.weight_change import before_and_after
from pages.parts.results.weight_change import put_back
from pages.parts.session.start_job import start
from pages.parts.session.visitor import visitor
from pages.parts.widgets.example_cards import Card, examples
from pages.parts.widgets.glossary import explained
from pages.parts.widgets.job_progress import waiting
from pages.parts.widgets.live_plot import live_plot
from trainers.events import Done, Failed, Finished
from trainers.jobs import Forgot
from trainers.store import Run, store

NOTHING_TO_FORGET = {
    "none": "Nothing was trained, so nothing was forgotten: the backbone is as it came.",
    "simple": "There is no pre-trained model in this approach, so there is nothing to forget.",
    "scratch": "It started from nothing, so there was nothing to forget.",
    "transfer": "**Transfer learning forgets nothing.** A model that learns something new can lose "
    "some of what it knew before. Here the pre-trained part (the [[backbone]]) stayed [[frozen]], "
    "only a new last layer learned: so the same backbone can serve other tasks beside this one.",
}
HOW = {
    "text": "It is asked 60 times, before and after, about English sentences that it never learned "
    "here: which of two is closer to a third, the one that says the same in other words or the one "
    "from the same scene that says something else? Written for Thaw.",
    "images": "It is asked, before and after, about pictures from the other samples that come with "
    "Thaw, of which it learned none here: is the most similar of all others of the same kind? "
    "What the backbone itself was pre-trained on does not come with Thaw, so that is not asked.",
}
OUTCOMES = {
    "worse": ("orange", ":material/trending_down:", "It forgot something"),
    "better": ("green", ":material/trending_up:", "It forgot nothing here"),
    "cannot tell": ("gray", ":material/help:", "It cannot be told"),
    "untouched": ("green", ":material/check_circle:", "It forgot nothing"),
}


def show(told: Story, end: Finished, run: Run) -> None:
    st.markdown("### What the model forgot")
    if words := _nothing(told, end):
        st.markdown(explained(words))
        return
    st.markdown(
        explained(
            "Whoever learns something new may lose something old. When the [[backbone]] itself "
            "learns, its [[features]] fit the new task better, and others perhaps less well. That "
            "matters where you want to use it again for something else."
        )
    )
    st.caption(HOW[told.started.modality])
    job = store().latest("forgot", run.id)
    if job and not job.is_over:
        waiting(job)
    elif job and job.result and job.result["type"] == Done.kind():
        result(job.result["found"], end, told.started.modality)
    else:
        ask(job, run)


def _nothing(told: Story, end: Finished) -> str:
    """Why there is nothing to forget; "" where there may be."""
    if end.approach in NOTHING_TO_FORGET:
        return NOTHING_TO_FORGET[end.approach]
    moved = told.changed is None or any(part["change"] for part in told.changed.parts)
    if moved:
        return ""
    if put_back(told.changed):
        return (
            "Nothing was forgotten: the backbone learned, but on the checks it was best where it "
            "had started, so it was put back."
        )
    return "Nothing was forgotten: the run ended before the backbone itself learned anything."


def ask(job: Run | None, run: Run) -> None:
    """The button, for who started the run."""
    if job and job.result and job.result["type"] == Failed.kind():
        st.warning(plain(job.result["text"]), icon=":material/error:")
    if run.visitor != visitor():
        st.caption("Only who started this run can ask it.")
    elif st.button("Ask it, before and after", icon=":material/psychology_alt:") and start(
        Forgot(key=run.id, visitor=visitor())
    ):
        st.rerun()


def result(found: dict, end: Finished, modality: str) -> None:
    colour, icon, title = OUTCOMES[found["outcome"]]
    with st.container(border=True):
        st.markdown(f"#### :{colour}[{icon} {title}]")
        st.markdown(plain(found["words"]))
        live_plot(
            before_and_after(found, LOOKS[end.approach].colour),
            key="forgot",
            alt=f"Right before: {found['before']} of {found['tests']}; after: {found['after']}. "
            f"95 % intervals {found['before_low']:.0%} to {found['before_high']:.0%} and "
            f"{found['after_low']:.0%} to {found['after_high']:.0%}.",
        )
        st.caption(
            "The lines are 95 % intervals. Whether it got worse is judged by the questions whose "
            "answer changed, not by whether the lines overlap."
        )
    rows = ["| asked about | questions | right before | right after |", "|---|---|---|---|"]
    rows += [
        f"| {plain(row['name'])} | {row['tests']:,} | {row['before']:,} | {row['after']:,} |"
        for row in found["groups"]
    ]
    st.markdown("\n".join(rows))
    if found["lost"]:
        st.markdown("**Right before, wrong now**")
        examples(lost(found["lost"], modality), key="lost", colour=LOOKS[end.approach].colour)


def lost(some: list[dict], modality: str) -> list[Card]:
    if modality == "text":
        return [
            {
                "example": one["asked"],
                "label": f"The same: {one['right']}",
                "note": f"Now closer: {one['answer']}",
            }
            for one in some
        ]
    return [
        {"example": one["asked"], "label": one["right"], "note": f"now most like: {one['answer']}"}
        for one in some
    ]
