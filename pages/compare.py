"""Every approach on the same examples: the race, the result, and whether the advice was right."""

from contextlib import suppress
from dataclasses import replace
from math import ceil

import streamlit as st

from guide.approaches import APPROACHES
from pages.parts.figures import charts, run_snapshot as tell
from pages.parts.figures.map_animation import HOW_TO_READ, in_words as film_in_words, reel
from pages.parts.figures.markdown import plain, title_of
from pages.parts.figures.run_snapshot import Story
from pages.parts.figures.style import LOOKS
from pages.parts.run_view.event_feed import events_of
from pages.parts.run_view.map_examples import mapped_of
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.run_access import addressed, opened, share, still_open
from pages.parts.session.start_job import start
from pages.parts.session.visitor import visitor
from pages.parts.widgets.glossary import Words, word
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.map_animation import film
from pages.parts.widgets.run_controls import stop_and_cancel
from trainers.events import Curved, Event, Finished, LaneStarted, Point, Progress, Stage, Tried
from trainers.jobs import SETTINGS, Curve
from trainers.store import CANCELLED, FINISHED, NoSuchRun, Run, store

POLL_SECONDS = 0.5


def explain() -> None:
    st.title("Compare the approaches")
    explain = Words("transfer-learning", "fine-tuning", "hybrid", "test", "pre-trained")
    st.markdown(
        explain(
            "Transfer learning, fine-tuning and hybrid on the same examples, with the same budget "
            "and the same test, one after another; beside them the same network "
            f"{word('from-scratch', 'from nothing')}, no training at all, and a method without any "
            "pre-trained model. In the end: was the advice right?"
        )
    )
    st.page_link("run.py", label="Set it up on the Run page", icon=":material/play_circle:")
    mine = store().of_visitor(visitor(), limit=10, kind="compare")
    if mine:
        st.markdown("## Your latest comparisons")
    for job in mine:
        ending = (
            tell.OUTCOMES[job.result["outcome"]][2] if _compared(job) else tell.STATES[job.state]
        )
        st.page_link(
            "compare.py",
            label=f"{title_of(job.plan.data)}: {ending}",
            query_params={"compare": job.id},
        )


def show() -> None:
    try:
        job = opened("compare")
    except NoSuchRun as error:
        job = None
        text = str(error)
    if job is None or job.kind != "compare":
        st.title("Compare the approaches")
        st.warning(text if job is None else "This is no comparison.", icon=":material/link_off:")
        if st.button("Back to the start"):
            st.query_params.clear()
            st.rerun()
        return
    st.markdown(f"# Every approach on {title_of(job.plan.data)}")
    budget = tell.duration(job.plan.seconds)
    st.markdown(f"The same examples and the same {word('test')} for all; at most {budget} each.")
    st.fragment(told_plainly()(watch), run_every=None if job.is_over else POLL_SECONDS)(job)
    if _compared(job):
        more_data(job)


def watch(job: Run) -> None:
    was_over = job.is_over
    if not still_open(job):
        st.rerun()
    job = store().find(job.id)
    if job.is_over and not was_over:
        st.rerun()
    lanes = [event for event in events_of(job.id, None) if isinstance(event, LaneStarted)]
    runs = {}
    for lane_started in lanes:
        with suppress(NoSuchRun):  # deleted by itself: its score is in the result
            runs[lane_started.approach] = store().find(lane_started.run)
    ids = [job.id, *(run.id for run in runs.values())]
    stories = {key: tell.told(events_of(run.id, ids)) for key, run in runs.items()}
    st.progress(share_done(job, stories), text=status(job, runs, stories))
    # What comes and goes has a place of its own: a chart that changes its place is made anew.
    with st.container():
        stop_and_cancel(job, "Stop here and compare what there is")
        share(job)
        if _compared(job):
            tried = [event for event in events_of(job.id, None) if isinstance(event, Tried)]
            verdict(job.result, tried[0] if tried else None)
            misled(job.result)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        st.markdown("## The race: how much is right")
        live_plot(
            charts.race(stories),
            key="race",
            alt="; ".join(f"{APPROACHES[key].title}: {standing(s)}" for key, s in stories.items())
            or "Nothing has started yet.",
        )
        st.caption(
            f"On the {word('validation', 'checks')}, each on its own clock. What has no curve: its "
            "test score."
        )
    with right:
        st.markdown("## The lanes")
        for key in dict.fromkeys(job.plan.approaches):
            lane(key, job, runs.get(key), stories.get(key))
    if _compared(job):
        result(job.result)
        how_each_saw(runs, stories)


def _compared(job: Run) -> bool:
    return bool(job.result and job.result["type"] == "compared")


def status(job: Run, runs: dict[str, Run], stories: dict[str, Story]) -> str:
    """One line that is always true."""
    if _compared(job):
        return f"Finished in {tell.duration(job.result['seconds'])}."
    if job.is_over:
        text = (job.result or {}).get("text", "")
        return plain(f"This comparison ended without a result. {text}")
    if not job.claimed:
        wait = store().wait(job.visitor, job.id)
        return f"Waiting: {tell.in_line(wait)}" if wait.ahead else "Waiting for a free process."
    if not runs:
        told = tell.told(events_of(job.id, None)).stage
        if told and told.key == "trial":
            most = tell.duration(job.plan.trial_seconds)
            return (
                f"Before the race a trial for the advice, about {most}, on parts of the training "
                f"examples. {told.text}."
            )
        return f"{told.text}." if told else "Getting ready."
    key = list(runs)[-1]
    left = (len(set(job.plan.approaches)) - len(runs)) * job.plan.seconds
    lane = f"{len(runs)} of {len(set(job.plan.approaches))}"
    told = tell.status(stories[key], runs[key], None, ready=True)
    more = f" Then the others, at most {tell.duration(left)}." if left else ""
    return f"{lane}, {APPROACHES[key].title.lower()}: {told}{more}"


def share_done(job: Run, stories: dict[str, Story]) -> float:
    if job.is_over:
        return 1.0
    done = sum(1.0 if s.end else 0.5 for s in stories.values())
    return min(0.99, done / max(1, len(set(job.plan.approaches))))


def standing(story: Story | None) -> str:
    """How a lane stands, in a few words."""
    if story is None:
        return "waiting"
    if isinstance(story.end, Finished):
        return f"{story.end.test_accuracy:.0%} right in the test, {story.end.seconds:.1f} s"
    if story.end:
        return "ended without a score"
    if story.looks:
        return f"{story.looks[-1].accuracy:.0%} of the checks right"
    return "starting"


def lane(key: str, job: Run, run: Run | None, story: Story | None) -> None:
    look = LOOKS[key]
    share = tell.share_done(story, run) if run else 0.0
    mark = "" if run is None else " ✓" if run.is_over else " …"
    st.markdown(f":{look.badge}[**{APPROACHES[key].title}**]{mark}  \n{standing(story)}")
    if run and run.state == FINISHED and job.visitor == visitor():
        st.page_link(
            "run.py",
            label="Look closer, try it",
            icon=":material/arrow_forward:",
            query_params={"run": run.id},
        )
    else:
        st.progress(1.0 if run and run.is_over else share)


def verdict(found: dict, tried: Tried | None) -> None:
    colour, icon, title = tell.OUTCOMES[found["outcome"]]
    with st.container(border=True):
        st.markdown(f"## :{colour}[{icon} {title}]")
        answers = (
            "the answers that were given"
            if found.get("answers_from") == "visitor"
            else "answers measured from the data"
        )
        st.markdown(
            f"On {answers}, the article's rules point to {_badge(found['advised_article'])}."
        )
        if tried:
            st.markdown(f"{plain(tried.words)} So the advice was {_badge(found['advised'])}.")
        st.markdown(plain(found["verdict"]))


def misled(found: dict) -> None:
    """Where the advice was wrong: which answer or rule led there, and what to do."""
    why, to_do = found.get("why_wrong"), found.get("to_do")  # a comparison may be older than they
    if not to_do:
        return
    with st.container(border=True):
        left, right = st.columns([1.6, 1], gap="large") if why else (None, st.container())
        if why:
            who = "the advice" if found["outcome"] == "wrong" else "the article's rules"
            left.markdown(f"### What misled {who}")
            left.markdown(_bullets(why))
        right.markdown("### What to do")
        right.markdown(_bullets(to_do))


def _bullets(lines: str) -> str:
    return "\n".join(f"- {plain(line)}" for line in lines.splitlines())


def _badge(approach: str) -> str:
    return f":{LOOKS[approach].badge}[**{APPROACHES[approach].title}**]"


def result(found: dict) -> None:
    st.markdown("## What came out")
    st.markdown("\n".join(table(found)))
    for key, text in found["failed"].items():
        st.warning(f"{APPROACHES[key].title}: {plain(text)}", icon=":material/error:")
    st.markdown("### Worth its time?")
    live_plot(
        charts.accuracy_against_cost(found["runs"]),
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
    st.markdown("\n".join(costs(found)))


FILMS = ("transfer", "fine_tune", "hybrid")  # whose maps tell them apart


def how_each_saw(runs: dict[str, Run], stories: dict[str, Story]) -> None:
    """The maps of the approaches as films, side by side on one slider."""
    made = {key: reel(stories[key]) for key in FILMS if key in stories}
    reels = {key: found for key, found in made.items() if found}
    if not reels:
        return
    title = "How each model saw the examples"
    with st.expander(title, icon=":material/movie:", on_change="rerun", key="films") as opened:
        if not opened.open:
            return
        found = [mapped_of(stories[key], runs[key]) for key in reels]
        # The same examples for all; of several whys the first will do.
        film([*reels.values()], {item: one for some, _ in found for item, one in some.items()},
             key="films-side-by-side")  # fmt: skip
        if whys := [why for _, why in found if why]:
            st.caption(f":material/visibility_off: {plain(whys[0])}")
        st.markdown(
            "\n".join(f"- {_badge(key)}: {film_in_words(one)}" for key, one in reels.items())
        )
        st.caption(HOW_TO_READ + " Each map has its own scale and its own clock.")


def table(found: dict) -> list[str]:
    """Two tables, this and `costs`: on a phone there is room for five columns."""
    rows = [
        f"| approach | right in the test | {word('interval', '95 % interval')} "
        f"| against the advised | {word('macro-f1')} |",
        "|---|---|---|---|---|",
    ]
    for run in best_first(found):
        rows.append(
            f"| {_badge(run['approach'])}"
            f" | {run['test_right']:,} of {run['test_examples']:,}, {run['test_accuracy']:.1%}"
            f" | {run['test_accuracy_low']:.0%} to {run['test_accuracy_high']:.0%}"
            f" | {difference(found['against_advised'].get(run['approach']))}"
            f" | {run['macro_f1']:.2f} |"
        )
    return rows


def costs(found: dict) -> list[str]:
    rows = [
        f"| approach | time | {word('weights', 'numbers')} that learned | memory at most "
        "| to be stored |",
        "|---|---|---|---|---|",
    ]
    for run in best_first(found):
        rows.append(
            f"| {_badge(run['approach'])} | {run['seconds']:.1f} s"
            f" | {tell.count(run['learnable_parameters'])}"
            f" | {size(run['peak_memory_bytes'])} | {size(run['stored_bytes'])} |"
        )
    return rows


def best_first(found: dict) -> list[dict]:
    return sorted(found["runs"], key=lambda run: -run["test_accuracy"])


def difference(paired: dict | None) -> str:
    """How far a run is from the advised one, in points with their interval."""
    if paired is None:
        return "the advised one"
    low, high = 100 * paired["low"], 100 * paired["high"]
    return f"{100 * paired['difference']:+.1f} points ({low:+.1f} to {high:+.1f})"


def size(count: int) -> str:
    if not count:
        return "–"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def more_data(job: Run) -> None:
    """Learning curves with the settings of a comparison: offered, or as far as they are."""
    st.markdown("## Would more data help?")
    wanted = curve_like(job)
    found = started_before(job, wanted)
    if found is None or (found.is_over and not _curved(found)):
        if found:
            st.warning(ended(found), icon=":material/error:")
        offer(job, wanted)
    else:
        every = None if found.is_over else POLL_SECONDS
        st.fragment(told_plainly()(watch_curves), run_every=every)(found)


def curve_like(job: Run) -> Curve:
    settings = {name: getattr(job.plan, name) for name in (*SETTINGS, "mends")}
    took = sum(run["seconds"] for run in job.result["runs"] if run["approach"] in Curve.approaches)
    seconds = max(LEAST_CURVE_SECONDS, 10 * ceil(CURVE_RUNS * took / 10))
    return Curve(**settings | {"visitor": job.visitor, "seconds": seconds})


LEAST_CURVE_SECONDS = 60
CURVE_RUNS = 4  # times what the approaches took with all examples. Ours: 10, 25, 50 and 100 % take
# nearly twice as long as all alone, and two more choices of the smaller sizes nearly as much again


def started_before(job: Run, wanted: Curve) -> Run | None:
    """The newest curves with these settings; what a reload, or a link, shows again."""
    mine = store().of_visitor(job.visitor, kind="curve")
    return next((one for one in mine if replace(one.plan, seconds=wanted.seconds) == wanted), None)


def offer(job: Run, wanted: Curve) -> None:
    budget = tell.duration(wanted.seconds)
    st.markdown(
        f"{', '.join(APPROACHES[key].title for key in wanted.approaches)}, each with a tenth, a "
        "quarter, half and all of the training examples, and with several choices of them where "
        "time allows: where does one overtake the other, and what would twice the examples bring?"
    )
    if job.visitor != visitor():
        st.caption("Only who started this comparison can start that.")
    elif st.button(
        f"Would more data help? At most {budget}", icon=":material/show_chart:"
    ) and start(wanted):
        st.rerun()


def watch_curves(job: Run) -> None:
    was_over = job.is_over
    job = store().find(job.id)
    if job.is_over and not was_over:
        st.rerun()
    events = events_of(job.id, None)
    points = [event for event in events if isinstance(event, Point)]
    end = events[-1] if events and isinstance(events[-1], Curved) else None
    if end:
        st.markdown(_bullets(end.words))
    else:
        st.progress(*how_far(job, events))
        stop_and_cancel(job, "Stop here and show what there is")
    if not points:
        return
    live_plot(
        charts.learning_curves(points, end.forecast if end else ()),
        key="curves",
        alt=end.words if end else "; ".join(point_in_words(point) for point in points),
    )
    st.caption(
        "All on the same test. A small mark is one choice of examples (hollow: there was no time "
        "to learn from all of them), the curve is their mean, the band its 95 % interval."
    )


def how_far(job: Run, events: list[Event]) -> tuple[float, str]:
    """How much of the curves' time is over, 0..1, and a line that is always true."""
    if not job.claimed:
        wait = store().wait(job.visitor, job.id)
        ahead = tell.in_line(wait) if wait.ahead else "for a free process."
        return 0.0, f"Waiting: {ahead}"
    now = [event for event in events if isinstance(event, Stage | Progress)]
    if not now:
        return 0.0, "Reading the data and the model."
    stage = next(event for event in reversed(now) if isinstance(event, Stage))
    left = tell.duration(max(0.0, job.plan.seconds - now[-1].seconds))
    done = sum(isinstance(event, Point) for event in events)
    stopping = " Stopping…" if job.stop else ""
    share = min(0.99, now[-1].seconds / job.plan.seconds)
    return share, f"{stage.text}. Runs done: {done}. At most {left} left.{stopping}"


def point_in_words(point: Point) -> str:
    title = APPROACHES[point.approach].title
    return f"{title} with {point.per_class} of each class: {point.right / point.tests:.0%}"


def _curved(job: Run) -> bool:
    return bool(job.result and job.result["type"] == "curved")


def ended(job: Run) -> str:
    if job.state == CANCELLED:
        return "The curves were cancelled."
    return plain(f"The curves ended without a result. {(job.result or {}).get('text', '')}")


if addressed("compare"):
    show()
else:
    explain()
