"""Would more data help? Learning curves with the settings of a comparison."""

from dataclasses import replace
from math import ceil

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.comparison.verdict import format_bullets
from pages.parts.figures import comparison_charts
from pages.parts.figures.markdown import escape_markdown
from pages.parts.figures.run_snapshot import describe_wait, format_duration
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.run_controls import draw_stop_and_cancel
from trainers.events import CurvePoint, Event, LearningCurveDone, Progress, Stage
from trainers.jobs import PLAN_SETTINGS, LearningCurve
from trainers.store import CANCELLED, Run, get_store

POLL_SECONDS = 0.5
MIN_CURVE_SECONDS = 60
# Times what the approaches took with all examples: 10, 25, 50 and 100 % take nearly twice as long
# as all alone, and two more choices of the smaller sizes nearly as much again. Our choice.
CURVE_TIME_FACTOR = 4


def draw_learning_curves(job: Run) -> None:
    """Draw the offer of learning curves, or the curves as far as they are."""
    st.markdown("## Would more data help?")
    settings = build_curve_job(job)
    curves = find_curve_job(job, settings)
    if curves is None or (curves.is_over and not has_curves(curves)):
        if curves:
            st.warning(describe_failure(curves), icon=":material/error:")
        draw_curve_offer(job, settings)
    else:
        poll_seconds = None if curves.is_over else POLL_SECONDS
        st.fragment(error_boundary()(watch_curves), run_every=poll_seconds)(curves)


def build_curve_job(job: Run) -> LearningCurve:
    settings = {name: getattr(job.job, name) for name in PLAN_SETTINGS}
    seconds_taken = sum(
        run["seconds"] for run in job.result["runs"] if run["approach"] in LearningCurve.approaches
    )
    seconds = max(MIN_CURVE_SECONDS, 10 * ceil(CURVE_TIME_FACTOR * seconds_taken / 10))
    return LearningCurve(**settings | {"visitor": job.visitor, "seconds": seconds})


def find_curve_job(job: Run, settings: LearningCurve) -> Run | None:
    """Return the newest curves with these settings; a reload or a link shows them again."""
    for curves in get_store().list_runs(job.visitor, kind="curve"):
        if replace(curves.job, seconds=settings.seconds) == settings:
            return curves
    return None


def draw_curve_offer(job: Run, settings: LearningCurve) -> None:
    budget = format_duration(settings.seconds)
    st.markdown(
        f"{', '.join(APPROACHES[key].title for key in settings.approaches)}, each with a tenth, a "
        "quarter, half and all of the training examples, and with several choices of them where "
        "time allows: where does one overtake the other, and what would twice the examples bring?"
    )
    if job.visitor != current_visitor():
        st.caption("Only who started this comparison can start that.")
    elif st.button(
        f"Would more data help? At most {budget}", icon=":material/show_chart:"
    ) and start_job(settings):
        st.rerun()


def watch_curves(job: Run) -> None:
    was_over = job.is_over
    job = get_store().get_run(job.id)
    if job.is_over and not was_over:
        st.rerun()
    events = read_events(job.id, None)
    points = [event for event in events if isinstance(event, CurvePoint)]
    end = events[-1] if events and isinstance(events[-1], LearningCurveDone) else None
    if end:
        st.markdown(format_bullets(end.summary))
    else:
        st.progress(*describe_curve_progress(job, events))
        draw_stop_and_cancel(job, "Stop here and show what there is")
    if not points:
        return
    draw_live_plot(
        comparison_charts.learning_curves(points, end.extrapolation if end else ()),
        key="curves",
        alt=end.summary if end else "; ".join(describe_point(point) for point in points),
    )
    st.caption(
        "All on the same test. A small mark is one choice of examples (hollow: there was no time "
        "to learn from all of them), the curve is their mean, the band its 95 % interval."
    )


def describe_curve_progress(job: Run, events: list[Event]) -> tuple[float, str]:
    """Return how much of the time is over, 0..1, and a line that is always true."""
    if not job.started_at:
        wait = get_store().estimate_wait(job.visitor, job.id)
        ahead = describe_wait(wait) if wait.position else "for a free process."
        return 0.0, f"Waiting: {ahead}"
    progress = [event for event in events if isinstance(event, Stage | Progress)]
    if not progress:
        return 0.0, "Reading the data and the model."
    stage = next(event for event in reversed(progress) if isinstance(event, Stage))
    left = format_duration(max(0.0, job.job.seconds - progress[-1].seconds))
    done = sum(isinstance(event, CurvePoint) for event in events)
    stopping = " Stopping…" if job.stop_requested else ""
    share = min(0.99, progress[-1].seconds / job.job.seconds)
    return share, f"{stage.text}. Runs done: {done}. At most {left} left.{stopping}"


def describe_point(point: CurvePoint) -> str:
    title = APPROACHES[point.approach].title
    return (
        f"{title} with {point.examples_per_class} of each class: "
        f"{point.correct / point.test_examples:.0%}"
    )


def has_curves(job: Run) -> bool:
    return bool(job.result and job.result["type"] == "curved")


def describe_failure(job: Run) -> str:
    if job.state == CANCELLED:
        return "The curves were cancelled."
    return escape_markdown(
        f"The curves ended without a result. {(job.result or {}).get('text', '')}"
    )
