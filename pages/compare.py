"""Every approach on the same examples: the race, the result, and whether the advice was right."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.comparison.lanes import (
    compute_progress,
    describe_lane,
    describe_status,
    draw_lane,
    has_result,
)
from pages.parts.comparison.learning_curves import POLL_SECONDS, draw_learning_curves
from pages.parts.comparison.result import draw_map_animations, draw_result
from pages.parts.comparison.verdict import draw_verdict, draw_wrong_advice
from pages.parts.figures import comparison_charts
from pages.parts.figures.markdown import format_data_title
from pages.parts.figures.run_snapshot import (
    OUTCOME_BADGES,
    STATE_LABELS,
    fold_events,
    format_duration,
)
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.run_access import can_still_open, draw_share_menu, open_run, read_run_key
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker, link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.run_controls import draw_stop_and_cancel
from trainers.events import ComparisonRunStarted, Event, PilotDone
from trainers.store import Run, RunNotFound, get_store


def draw_overview() -> None:
    st.title("Compare the approaches")
    link_terms = TermLinker("transfer-learning", "fine-tuning", "hybrid", "test", "pre-trained")
    st.markdown(
        link_terms(
            "Transfer learning, fine-tuning and hybrid on the same examples, with the same budget "
            "and the same test, one after another; beside them the same network "
            f"{link_term('from-scratch', 'from nothing')}, no training at all, and a "
            "method without any "
            "pre-trained model. In the end: was the advice right?"
        )
    )
    st.page_link("run.py", label="Set it up on the Run page", icon=":material/play_circle:")
    mine = get_store().list_runs(current_visitor(), limit=10, kind="compare")
    if mine:
        st.markdown("## Your latest comparisons")
    for job in mine:
        ending = (
            OUTCOME_BADGES[job.result["outcome"]][2] if has_result(job) else STATE_LABELS[job.state]
        )
        st.page_link(
            "compare.py",
            label=f"{format_data_title(job.job.data)}: {ending}",
            query_params={"compare": job.id},
        )


def draw_comparison() -> None:
    try:
        job = open_run("compare")
    except RunNotFound as error:
        job = None
        text = str(error)
    if job is None or job.kind != "compare":
        st.title("Compare the approaches")
        st.warning(text if job is None else "This is no comparison.", icon=":material/link_off:")
        if st.button("Back to the start"):
            st.query_params.clear()
            st.rerun()
        return
    st.markdown(f"# Every approach on {format_data_title(job.job.data)}")
    budget = format_duration(job.job.seconds)
    st.markdown(
        f"The same examples and the same {link_term('test')} for all; at most {budget} each."
    )
    st.fragment(error_boundary()(watch_job), run_every=None if job.is_over else POLL_SECONDS)(job)
    if has_result(job):
        draw_learning_curves(job)


def watch_job(job: Run) -> None:
    was_over = job.is_over
    if not can_still_open(job):
        st.rerun()
    job = get_store().get_run(job.id)
    if job.is_over and not was_over:
        st.rerun()
    events = read_events(job.id, None)
    runs = load_runs(events)
    ids = [job.id, *(run.id for run in runs.values())]
    snapshots = {key: fold_events(read_events(run.id, ids)) for key, run in runs.items()}
    st.progress(compute_progress(job, snapshots), text=describe_status(job, runs, snapshots))
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        draw_stop_and_cancel(job, "Stop here and compare what there is")
        draw_share_menu(job)
        if has_result(job):
            pilots = [event for event in events if isinstance(event, PilotDone)]
            draw_verdict(job.result, pilots[0] if pilots else None)
            draw_wrong_advice(job.result)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        st.markdown("## The race: how much is right")
        draw_live_plot(
            comparison_charts.accuracy_race(snapshots),
            key="race",
            alt="; ".join(
                f"{APPROACHES[key].title}: {describe_lane(s)}" for key, s in snapshots.items()
            )
            or "Nothing has started yet.",
        )
        st.caption(
            f"On the {link_term('validation', 'checks')}, each on its own clock. "
            "What has no curve: its "
            "test score."
        )
    with right:
        st.markdown("## The lanes")
        for key in dict.fromkeys(job.job.approaches):
            draw_lane(key, job, runs.get(key), snapshots.get(key))
    if has_result(job):
        draw_result(job.result)
        draw_map_animations(runs, snapshots)


def load_runs(events: Sequence[Event]) -> dict[str, Run]:
    """Return the runs of a comparison that have started, by their approach."""
    runs = {}
    for event in events:
        if isinstance(event, ComparisonRunStarted):
            with suppress(RunNotFound):  # deleted by itself: its score is in the result
                runs[event.approach] = get_store().get_run(event.run_id)
    return runs


if read_run_key("compare"):
    draw_comparison()
else:
    draw_overview()
