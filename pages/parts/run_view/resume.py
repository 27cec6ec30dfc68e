"""An interrupted run: offered to go on from where it was, and the way between its two parts."""

import streamlit as st

from pages.parts.session import room_context
from pages.parts.session.visitor import visitor
from pages.parts.widgets.run_controls import may_use
from trainers.hosting import sharing
from trainers.store import CANCELLED, FAILED, NoSuchRun, Past, Run, store
from trainers.store.resume import (
    CannotContinue,
    Place,
    continue_run,
    continued_by,
    continues,
    place,
)


def where(run: Run | Past) -> Place | None:
    """Where the run would go on; None where it cannot, or does already."""
    if (
        run.state != FAILED
        or (
            found := place(run.id, anywhere=isinstance(run, Run))  # a list is not to wait for each
        )
        is None
    ):
        return None
    newer = continued_by(store(), run.id)
    return found if newer is None or store().find(newer).state == CANCELLED else None


def offer(run: Run) -> None:
    """The button at an interrupted run, for who started it; or the way to where it goes on."""
    found = where(run)
    if found and run.visitor == visitor() and may_use(run.plan.data):
        with st.container(border=True):
            st.markdown(f"**This run was interrupted, and can go on.** {kept(found)}")
            button(run.id, found, type="primary")
    elif (
        run.state == FAILED
        and sharing.theirs(run, visitor())
        and (newer := continued_by(store(), run.id))
        and store().find(newer).state != CANCELLED
    ):
        st.page_link(
            "run.py",
            label="This run was interrupted. It goes on here",
            query_params={"run": newer},
            icon=":material/resume:",
        )


def kept(found: Place) -> str:
    after = f"{found.seconds:.0f} seconds"
    passes = "pass" if round(found.epoch) == 1 else "passes"
    if found.epoch >= 1:
        after += f" ({found.epoch:.0f} {passes} over the examples)"
    return (
        f"What it had learned after {after} is kept. A new run goes on from there, and takes only "
        "the time that was left."
    )


def button(key: str, found: Place, **look: str) -> None:
    label = f"Continue from {found.seconds:.0f} s"
    if st.button(label, icon=":material/resume:", key=f"continue-{key}", **look):
        try:
            plan = store().find(key).plan
            new = room_context.start(plan, lambda _, who: continue_run(store(), key, who))
        except (CannotContinue, NoSuchRun) as error:  # deleted, or ended well in another tab
            st.warning(str(error), icon=":material/error:")
            return
        if new:
            st.switch_page("run.py", query_params={"run": new})


def first_part(run: Run) -> None:
    """The way back to the run that this one goes on from."""
    if sharing.theirs(run, visitor()) and (before := continues(store(), run.id)):
        st.page_link(
            "run.py",
            label="This goes on from a run that was interrupted",
            query_params={"run": before},
            icon=":material/history:",
        )
