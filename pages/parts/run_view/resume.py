"""An interrupted run: offered to go on from where it was, and the way between its two parts."""

import streamlit as st

from pages.parts.session import room_context
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.run_controls import can_use_data
from trainers.hosting import sharing
from trainers.store import CANCELLED, FAILED, Run, RunNotFound, RunSummary, get_store
from trainers.store.resume import (
    CannotResume,
    ResumePoint,
    find_resume_point as find_point,
    resume_run,
    resumed_by,
    resumed_from,
)


def find_resume_point(run: Run | RunSummary) -> ResumePoint | None:
    """Return where the run would resume; None if it cannot, or already has."""
    if (
        run.state != FAILED
        or (
            found := find_point(
                run.id, anywhere=isinstance(run, Run)
            )  # a list is not to wait for each
        )
        is None
    ):
        return None
    newer = resumed_by(get_store(), run.id)
    return found if newer is None or get_store().get_run(newer).state == CANCELLED else None


def draw_resume_offer(run: Run) -> None:
    """The button at an interrupted run, for who started it; or the way to where it goes on."""
    found = find_resume_point(run)
    if found and run.visitor == current_visitor() and can_use_data(run.job.data):
        with st.container(border=True):
            st.markdown(
                f"**This run was interrupted, and can go on.** {describe_resume_point(found)}"
            )
            draw_resume_button(run.id, found, type="primary")
    elif (
        run.state == FAILED
        and sharing.can_open(run, current_visitor())
        and (newer := resumed_by(get_store(), run.id))
        and get_store().get_run(newer).state != CANCELLED
    ):
        st.page_link(
            "run.py",
            label="This run was interrupted. It goes on here",
            query_params={"run": newer},
            icon=":material/resume:",
        )


def describe_resume_point(found: ResumePoint) -> str:
    after = f"{found.seconds:.0f} seconds"
    passes = "pass" if round(found.epoch) == 1 else "passes"
    if found.epoch >= 1:
        after += f" ({found.epoch:.0f} {passes} over the examples)"
    return (
        f"What it had learned after {after} is kept. A new run goes on from there, and takes only "
        "the time that was left."
    )


def draw_resume_button(key: str, found: ResumePoint, **look: str) -> None:
    label = f"Continue from {found.seconds:.0f} s"
    if st.button(label, icon=":material/resume:", key=f"continue-{key}", **look):
        try:
            plan = get_store().get_run(key).job
            new = room_context.start_run(plan, lambda _, who: resume_run(get_store(), key, who))
        except (CannotResume, RunNotFound) as error:  # deleted, or ended well in another tab
            st.warning(str(error), icon=":material/error:")
            return
        if new:
            st.switch_page("run.py", query_params={"run": new})


def draw_resumed_from_link(run: Run) -> None:
    """The way back to the run that this one goes on from."""
    if sharing.can_open(run, current_visitor()) and (before := resumed_from(get_store(), run.id)):
        st.page_link(
            "run.py",
            label="This goes on from a run that was interrupted",
            query_params={"run": before},
            icon=":material/history:",
        )
