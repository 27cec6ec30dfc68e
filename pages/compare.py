"""Every approach on the same examples: the race, the result, and whether the advice was right."""

from contextlib import suppress
from dataclasses import replace
from math import ceil

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import comparison_charts, run_snapshot as tell
from pages.parts.figures.map_animation import (
    MAP_HELP,
    build_animation,
    describe_animation as film_in_words,
)
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.figures.run_snapshot import RunSnapshot
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.run_view.event_feed import read_events
from pages.parts.run_view.map_examples import load_map_examples
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.run_access import can_still_open, draw_share_menu, open_run, read_run_key
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker, link_term
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.map_animation import draw_map_animation
from pages.parts.widgets.run_controls import draw_stop_and_cancel
from trainers.events import (
    ComparisonRunStarted,
    CurvePoint,
    Event,
    LearningCurveDone,
    PilotDone,
    Progress,
    RunFinished,
    Stage,
)
from trainers.jobs import PLAN_SETTINGS, LearningCurve
from trainers.reports.sentences import format_count
from trainers.store import CANCELLED, FINISHED, Run, RunNotFound, get_store

POLL_SECONDS = 0.5


def draw_overview() -> None:
    st.title("Compare the approaches")
    explain = TermLinker("transfer-learning", "fine-tuning", "hybrid", "test", "pre-trained")
    st.markdown(
        explain(
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
            tell.OUTCOME_BADGES[job.result["outcome"]][2]
            if _has_result(job)
            else tell.STATE_LABELS[job.state]
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
    budget = tell.format_duration(job.job.seconds)
    st.markdown(
        f"The same examples and the same {link_term('test')} for all; at most {budget} each."
    )
    st.fragment(error_boundary()(watch_job), run_every=None if job.is_over else POLL_SECONDS)(job)
    if _has_result(job):
        draw_learning_curves(job)


def watch_job(job: Run) -> None:
    was_over = job.is_over
    if not can_still_open(job):
        st.rerun()
    job = get_store().get_run(job.id)
    if job.is_over and not was_over:
        st.rerun()
    lanes = [
        event for event in read_events(job.id, None) if isinstance(event, ComparisonRunStarted)
    ]
    runs = {}
    for lane_started in lanes:
        with suppress(RunNotFound):  # deleted by itself: its score is in the result
            runs[lane_started.approach] = get_store().get_run(lane_started.run_id)
    ids = [job.id, *(run.id for run in runs.values())]
    stories = {key: tell.fold_events(read_events(run.id, ids)) for key, run in runs.items()}
    st.progress(compute_progress(job, stories), text=describe_status(job, runs, stories))
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        draw_stop_and_cancel(job, "Stop here and compare what there is")
        draw_share_menu(job)
        if _has_result(job):
            tried = [event for event in read_events(job.id, None) if isinstance(event, PilotDone)]
            draw_verdict(job.result, tried[0] if tried else None)
            draw_wrong_advice(job.result)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        st.markdown("## The race: how much is right")
        draw_live_plot(
            comparison_charts.accuracy_race(stories),
            key="race",
            alt="; ".join(
                f"{APPROACHES[key].title}: {describe_lane(s)}" for key, s in stories.items()
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
            draw_lane(key, job, runs.get(key), stories.get(key))
    if _has_result(job):
        draw_result(job.result)
        draw_map_animations(runs, stories)


def _has_result(job: Run) -> bool:
    return bool(job.result and job.result["type"] == "compared")


def describe_status(job: Run, runs: dict[str, Run], stories: dict[str, RunSnapshot]) -> str:
    """One line that is always true."""
    if _has_result(job):
        return f"Finished in {tell.format_duration(job.result['seconds'])}."
    if job.is_over:
        text = (job.result or {}).get("text", "")
        return escape_markdown(f"This comparison ended without a result. {text}")
    if not job.started_at:
        wait = get_store().estimate_wait(job.visitor, job.id)
        return (
            f"Waiting: {tell.describe_wait(wait)}"
            if wait.position
            else "Waiting for a free process."
        )
    if not runs:
        told = tell.fold_events(read_events(job.id, None)).stage
        if told and told.key == "trial":
            most = tell.format_duration(job.job.pilot_seconds)
            return (
                f"Before the race a trial for the advice, about {most}, on parts of the training "
                f"examples. {told.text}."
            )
        return f"{told.text}." if told else "Getting ready."
    key = list(runs)[-1]
    left = (len(set(job.job.approaches)) - len(runs)) * job.job.seconds
    lane = f"{len(runs)} of {len(set(job.job.approaches))}"
    told = tell.describe_status(stories[key], runs[key], None, ready=True)
    more = f" Then the others, at most {tell.format_duration(left)}." if left else ""
    return f"{lane}, {APPROACHES[key].title.lower()}: {told}{more}"


def compute_progress(job: Run, stories: dict[str, RunSnapshot]) -> float:
    if job.is_over:
        return 1.0
    done = sum(1.0 if s.end else 0.5 for s in stories.values())
    return min(0.99, done / max(1, len(set(job.job.approaches))))


def describe_lane(story: RunSnapshot | None) -> str:
    """How a lane stands, in a few words."""
    if story is None:
        return "waiting"
    if isinstance(story.end, RunFinished):
        return f"{story.end.test_accuracy:.0%} right in the test, {story.end.seconds:.1f} s"
    if story.end:
        return "ended without a score"
    if story.evaluations:
        return f"{story.evaluations[-1].accuracy:.0%} of the checks right"
    return "starting"


def draw_lane(key: str, job: Run, run: Run | None, story: RunSnapshot | None) -> None:
    look = APPROACH_STYLES[key]
    share = tell.compute_progress(story, run) if run else 0.0
    mark = "" if run is None else " ✓" if run.is_over else " …"
    st.markdown(f":{look.badge}[**{APPROACHES[key].title}**]{mark}  \n{describe_lane(story)}")
    if run and run.state == FINISHED and job.visitor == current_visitor():
        st.page_link(
            "run.py",
            label="Look closer, try it",
            icon=":material/arrow_forward:",
            query_params={"run": run.id},
        )
    else:
        st.progress(1.0 if run and run.is_over else share)


def draw_verdict(found: dict, tried: PilotDone | None) -> None:
    colour, icon, title = tell.OUTCOME_BADGES[found["outcome"]]
    with st.container(border=True):
        st.markdown(f"## :{colour}[{icon} {title}]")
        answers = (
            "the answers that were given"
            if found.get("answers_from") == "visitor"
            else "answers measured from the data"
        )
        st.markdown(
            f"On {answers}, the article's rules point to {_format_badge(found['advised_article'])}."
        )
        if tried:
            st.markdown(
                f"{escape_markdown(tried.summary)} So the advice was "
                f"{_format_badge(found['advised'])}."
            )
        st.markdown(escape_markdown(found["verdict"]))


def draw_wrong_advice(found: dict) -> None:
    """Where the advice was wrong: which answer or rule led there, and what to do."""
    why, to_do = found.get("why_wrong"), found.get("to_do")  # a comparison may be older than they
    if not to_do:
        return
    with st.container(border=True):
        left, right = st.columns([1.6, 1], gap="large") if why else (None, st.container())
        if why:
            who = "the advice" if found["outcome"] == "wrong" else "the article's rules"
            left.markdown(f"### What misled {who}")
            left.markdown(_format_bullets(why))
        right.markdown("### What to do")
        right.markdown(_format_bullets(to_do))


def _format_bullets(lines: str) -> str:
    return "\n".join(f"- {escape_markdown(line)}" for line in lines.splitlines())


def _format_badge(approach: str) -> str:
    return f":{APPROACH_STYLES[approach].badge}[**{APPROACHES[approach].title}**]"


def draw_result(found: dict) -> None:
    st.markdown("## What came out")
    st.markdown("\n".join(format_score_table(found)))
    for key, text in found["failed"].items():
        st.warning(f"{APPROACHES[key].title}: {escape_markdown(text)}", icon=":material/error:")
    st.markdown("### Worth its time?")
    draw_live_plot(
        comparison_charts.accuracy_against_cost(found["runs"]),
        key="cost",
        alt="; ".join(
            f"{APPROACHES[run['approach']].title}: {run['test_accuracy']:.0%} in "
            f"{run['seconds']:.1f} s"
            for run in found["runs"]
        ),
    )
    st.caption(
        "A filled mark: no cheaper approach has as good a test score. The bars are 95 % intervals."
    )
    st.markdown("\n".join(format_cost_table(found)))


ANIMATED_APPROACHES = ("transfer", "fine_tune", "hybrid")  # whose maps tell them apart


def draw_map_animations(runs: dict[str, Run], stories: dict[str, RunSnapshot]) -> None:
    """The maps of the approaches as films, side by side on one slider."""
    made = {key: build_animation(stories[key]) for key in ANIMATED_APPROACHES if key in stories}
    reels = {key: found for key, found in made.items() if found}
    if not reels:
        return
    title = "How each model saw the examples"
    with st.expander(title, icon=":material/movie:", on_change="rerun", key="films") as opened:
        if not opened.open:
            return
        found = [load_map_examples(stories[key], runs[key]) for key in reels]
        # The same examples for all; of several whys the first will do.
        draw_map_animation(
            [*reels.values()],
            {item: one for some, _ in found for item, one in some.items()},
            key="films-side-by-side",
        )
        if whys := [why for _, why in found if why]:
            st.caption(f":material/visibility_off: {escape_markdown(whys[0])}")
        st.markdown(
            "\n".join(f"- {_format_badge(key)}: {film_in_words(one)}" for key, one in reels.items())
        )
        st.caption(MAP_HELP + " Each map has its own scale and its own clock.")


def format_score_table(found: dict) -> list[str]:
    """Two tables, this and `costs`: on a phone there is room for five columns."""
    rows = [
        f"| approach | right in the test | {link_term('interval', '95 % interval')} "
        f"| against the advised | {link_term('macro-f1')} |",
        "|---|---|---|---|---|",
    ]
    for run in sort_by_score(found):
        rows.append(
            f"| {_format_badge(run['approach'])}"
            f" | {run['test_right']:,} of {run['test_examples']:,}, {run['test_accuracy']:.1%}"
            f" | {run['test_accuracy_low']:.0%} to {run['test_accuracy_high']:.0%}"
            f" | {format_difference(found['against_advised'].get(run['approach']))}"
            f" | {run['macro_f1']:.2f} |"
        )
    return rows


def format_cost_table(found: dict) -> list[str]:
    rows = [
        f"| approach | time | {link_term('weights', 'numbers')} that learned | memory at most "
        "| to be stored |",
        "|---|---|---|---|---|",
    ]
    for run in sort_by_score(found):
        rows.append(
            f"| {_format_badge(run['approach'])} | {run['seconds']:.1f} s"
            f" | {format_count(run['learnable_parameters'])}"
            f" | {format_bytes(run['peak_memory_bytes'])} | {format_bytes(run['stored_bytes'])} |"
        )
    return rows


def sort_by_score(found: dict) -> list[dict]:
    return sorted(found["runs"], key=lambda run: -run["test_accuracy"])


def format_difference(paired: dict | None) -> str:
    """How far a run is from the advised one, in points with their interval."""
    if paired is None:
        return "the advised one"
    low, high = 100 * paired["low"], 100 * paired["high"]
    return f"{100 * paired['difference']:+.1f} points ({low:+.1f} to {high:+.1f})"


def format_bytes(count: int) -> str:
    if not count:
        return "–"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def draw_learning_curves(job: Run) -> None:
    """Learning curves with the settings of a comparison: offered, or as far as they are."""
    st.markdown("## Would more data help?")
    wanted = build_curve_job(job)
    found = find_curve_job(job, wanted)
    if found is None or (found.is_over and not _has_curves(found)):
        if found:
            st.warning(describe_failure(found), icon=":material/error:")
        draw_curve_offer(job, wanted)
    else:
        every = None if found.is_over else POLL_SECONDS
        st.fragment(error_boundary()(watch_curves), run_every=every)(found)


def build_curve_job(job: Run) -> LearningCurve:
    settings = {name: getattr(job.job, name) for name in PLAN_SETTINGS}
    took = sum(
        run["seconds"] for run in job.result["runs"] if run["approach"] in LearningCurve.approaches
    )
    seconds = max(MIN_CURVE_SECONDS, 10 * ceil(CURVE_TIME_FACTOR * took / 10))
    return LearningCurve(**settings | {"visitor": job.visitor, "seconds": seconds})


MIN_CURVE_SECONDS = 60
CURVE_TIME_FACTOR = (
    4  # times what the approaches took with all examples. Ours: 10, 25, 50 and 100 % take
)
# nearly twice as long as all alone, and two more choices of the smaller sizes nearly as much again


def find_curve_job(job: Run, wanted: LearningCurve) -> Run | None:
    """The newest curves with these settings; what a reload, or a link, shows again."""
    mine = get_store().list_runs(job.visitor, kind="curve")
    return next((one for one in mine if replace(one.job, seconds=wanted.seconds) == wanted), None)


def draw_curve_offer(job: Run, wanted: LearningCurve) -> None:
    budget = tell.format_duration(wanted.seconds)
    st.markdown(
        f"{', '.join(APPROACHES[key].title for key in wanted.approaches)}, each with a tenth, a "
        "quarter, half and all of the training examples, and with several choices of them where "
        "time allows: where does one overtake the other, and what would twice the examples bring?"
    )
    if job.visitor != current_visitor():
        st.caption("Only who started this comparison can start that.")
    elif st.button(
        f"Would more data help? At most {budget}", icon=":material/show_chart:"
    ) and start_job(wanted):
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
        st.markdown(_format_bullets(end.summary))
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
    """How much of the curves' time is over, 0..1, and a line that is always true."""
    if not job.started_at:
        wait = get_store().estimate_wait(job.visitor, job.id)
        ahead = tell.describe_wait(wait) if wait.position else "for a free process."
        return 0.0, f"Waiting: {ahead}"
    now = [event for event in events if isinstance(event, Stage | Progress)]
    if not now:
        return 0.0, "Reading the data and the model."
    stage = next(event for event in reversed(now) if isinstance(event, Stage))
    left = tell.format_duration(max(0.0, job.job.seconds - now[-1].seconds))
    done = sum(isinstance(event, CurvePoint) for event in events)
    stopping = " Stopping…" if job.stop_requested else ""
    share = min(0.99, now[-1].seconds / job.job.seconds)
    return share, f"{stage.text}. Runs done: {done}. At most {left} left.{stopping}"


def describe_point(point: CurvePoint) -> str:
    title = APPROACHES[point.approach].title
    return (
        f"{title} with {point.examples_per_class} of each class: "
        f"{point.correct / point.test_examples:.0%}"
    )


def _has_curves(job: Run) -> bool:
    return bool(job.result and job.result["type"] == "curved")


def describe_failure(job: Run) -> str:
    if job.state == CANCELLED:
        return "The curves were cancelled."
    return escape_markdown(
        f"The curves ended without a result. {(job.result or {}).get('text', '')}"
    )


if read_run_key("compare"):
    draw_comparison()
else:
    draw_overview()
