"""The narrator on a page: a sentence or two on a run, and the one thing to do next."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from guide.narrator import ACTIONS
from pages.parts.figures.markdown import escape_markdown
from pages.parts.run_setup.form import BUDGETS_SECONDS
from pages.parts.widgets.run_controls import build_run_params, can_use_data
from trainers import datasets
from trainers.events import Event
from trainers.plan import Plan
from trainers.reports.narrate import narrate_run
from trainers.store import Run

LIVE_PX = 84  # three lines, as a narrow phone breaks the longest: what is below does not jump
RESULT_SECTIONS = ("mistakes", "sure", "take")  # of "Look closer"


def draw_narration(events: Sequence[Event], run: Run) -> None:
    """Keep its height while the run is live."""
    narration = narrate_run(events)
    if not run.is_over:
        with st.container(height=LIVE_PX, border=False):
            if narration.text:
                st.markdown(f":material/campaign: {escape_markdown(narration.text)}")
        return
    if not narration.text:
        return
    with st.container(border=True):
        st.markdown(f":material/campaign: **In short.** {escape_markdown(narration.text)}")
        if narration.action in RESULT_SECTIONS:
            st.button(
                ACTIONS[narration.action],
                icon=":material/arrow_downward:",
                key=f"do-{narration.action}",
                on_click=_open_section,
                args=(narration.action,),
            )
        elif narration.action and can_use_data(run.job.data):
            page, settings = find_action_page(narration.action, run.job)
            st.page_link(
                page,
                label=ACTIONS[narration.action],
                icon=":material/arrow_forward:",
                query_params=settings,
            )


def _open_section(section: str) -> None:
    st.session_state["section"] = section


def find_action_page(do: str, plan: Plan) -> tuple[str, dict[str, str]]:
    """The page that helps with `do`, a key of the narrator's ACTIONS, and what fills it in."""
    settings = build_run_params(plan)
    data: tuple[str, dict[str, str]] = ("data.py", {"data": plan.data})
    match do:
        case "more-seconds":
            longer = next(
                (budget for budget in BUDGETS_SECONDS if budget >= 2 * plan.seconds),
                BUDGETS_SECONDS[-1],
            )
            return "run.py", settings | {"seconds": f"{longer}"}
        case "more-examples":
            most = _max_examples_per_class(plan)
            if plan.examples_per_class is None or plan.examples_per_class >= most:
                return data
            return "run.py", settings | {"per_class": f"{min(most, 2 * plan.examples_per_class)}"}
        case "add-examples" | "look-over":
            return data
        case "frozen" | "none":
            return "run.py", settings | {"approach": "transfer" if do == "frozen" else "none"}
    return "run.py", settings


def _max_examples_per_class(plan: Plan) -> int:
    """Examples of each class that there are, at the most."""
    sample: Any = datasets.get_dataset(plan.data)
    counts = [learn for _, learn, _ in getattr(sample, "class_counts", ())]
    return max(counts, default=sample.train_examples_per_class)
