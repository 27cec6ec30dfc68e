"""The article's claims, each with the experiment that tests it, and what came out."""

import streamlit as st

from guide.approaches import APPROACHES
from guide.claims import CLAIMS, Claim
from pages.parts.figures import claim_charts, run_snapshot as tell
from pages.parts.figures.markdown import escape_markdown, format_data_title
from pages.parts.run_view.event_feed import read_events
from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.start_job import start_job
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.glossary import TermLinker
from pages.parts.widgets.live_plot import draw_live_plot
from pages.parts.widgets.run_controls import draw_stop_and_cancel
from trainers import claims
from trainers.events import ClaimRunDone, ClaimRunStarted
from trainers.jobs import ClaimTest
from trainers.store import Run, get_store

POLL_SECONDS = 1.0
BADGES = {
    claims.HOLDS: ("green", ":material/check_circle:", "Holds"),
    claims.PARTLY: ("orange", ":material/contrast:", "Holds partly"),
    claims.FAILS: ("red", ":material/cancel:", "Does not hold here"),
    claims.UNKNOWN: ("gray", ":material/help:", "Cannot tell yet"),
}
NOT_MEASURED_BADGE = ("gray", ":material/hourglass_empty:", "Not measured yet")
EVIDENCE_LABELS = {
    "for": ":green[:material/thumb_up:] For it:",
    "against": ":red[:material/thumb_down:] Against it:",
    "open": ":gray[:material/help:] Open:",
}
TERMS = ("transfer-learning", "fine-tuning", "hybrid", "lora", "pre-trained", "from-scratch")
TERMS += ("accuracy", "zero-shot")
# Tests of this visitor that are looked through for the newest of each claim.
MAX_JOBS_SEARCHED = 100


def draw_claim(claim: Claim, ships: dict | None, jobs: list[Run]) -> None:
    own = next((job for job in jobs if job.result and job.result["type"] == "judged"), None)
    result = own.result if own else ships
    colour, icon, word = BADGES[result["outcome"]] if result else NOT_MEASURED_BADGE
    with st.container(border=True):
        st.markdown(f"## {claim.title}")
        st.badge(word, icon=icon, color=colour)
        left, right = st.columns([1, 1.2], gap="large")
        with left:
            st.markdown(f"**The article says:** {link_terms(claim.quote)}")
            st.markdown(f"**The experiment:** {link_terms(claim.experiment)}")
            with st.expander("When does it hold?", icon=":material/balance:"):
                st.markdown(
                    f"- **Holds:** {claim.holds_when}\n- **Holds partly:** {claim.partly_when}\n"
                    f"- **Does not hold here:** {claim.fails_when}\n- **Cannot tell yet:** "
                    "all else."
                )
            draw_run_button(claim, ships, jobs[0] if jobs else None)
        with right:
            if result:
                draw_result(claim, result)
                draw_source(result, ships if own else None)
            else:
                st.markdown("Nobody has measured this yet. Run it here to see.")


def draw_run_button(claim: Claim, ships: dict | None, newest: Run | None) -> None:
    if newest and not newest.is_over:
        st.fragment(error_boundary()(watch_job), run_every=POLL_SECONDS)(newest)
        return
    seconds = claims.max_seconds(claim.key)
    takes = (
        f"about {format_minutes(ships['seconds'])}"
        if ships
        else f"at most {format_minutes(seconds)}"
    )
    label = f"Run it here ({takes})"
    if st.button(label, icon=":material/play_arrow:", key=f"run-{claim.key}") and start_job(
        ClaimTest(key=claim.key, seconds=seconds)
    ):
        st.rerun()
    if newest and newest.result and newest.result["type"] != "judged":
        text = newest.result.get("text", "It was stopped before its first run was done.")
        st.warning(
            f"The latest try ended without a verdict. {escape_markdown(text)}",
            icon=":material/error:",
        )


def format_minutes(seconds: float) -> str:
    whole = max(1, round(seconds / 60))
    return "1 minute" if whole == 1 else f"{whole} minutes"


def watch_job(job: Run) -> None:
    job = get_store().get_run(job.id)
    if job.is_over:
        st.rerun()
    events = read_events(job.id, None)
    begun = [event for event in events if isinstance(event, ClaimRunStarted)]
    done = [event for event in events if isinstance(event, ClaimRunDone)]
    share = len(done) / begun[-1].total if begun else 0.0
    st.progress(share, text=describe_status(job, begun[-1] if begun else None))
    for event in done[-3:]:
        st.caption(f"{describe_run(event)}: {event.correct} of {event.test_examples} right")
    draw_stop_and_cancel(job, "Stop here and judge what there is")


def describe_status(job: Run, now: ClaimRunStarted | None) -> str:
    """One line that is always true."""
    if now:
        stopping = " Stopping…" if job.stop_requested else ""
        return f"Run {now.index + 1} of {now.total}: {describe_run(now)}.{stopping}"
    if job.started_at:
        return "Reading the data and the model."
    wait = get_store().estimate_wait(job.visitor, job.id)
    return (
        f"Waiting: {tell.describe_wait(wait)}" if wait.position else "Waiting for a free process."
    )


def describe_run(run: ClaimRunStarted | ClaimRunDone) -> str:
    many = (
        f"{run.examples_per_class} of each class"
        if run.examples_per_class
        else "names of the classes alone"
    )
    return f"{APPROACHES[run.approach].title} on {format_data_title(run.data)}, {many}"


def draw_result(claim: Claim, result: dict) -> None:
    summary, *_ = result["words"].split("\n")
    st.markdown(f"**{escape_markdown(summary)}**")
    draw_live_plot(build_chart(result["numbers"]), key=f"chart-{claim.key}", alt=result["words"])
    rows = [
        f"- {EVIDENCE_LABELS[row['speaks']]} {escape_markdown(row['words'])}"
        for row in result["numbers"]["found"]
    ]
    st.markdown("\n".join(rows))
    if not result["whole"]:
        st.caption("It was stopped early: what was not measured is open.")


def build_chart(numbers: dict) -> dict:
    """Times where the claim is about them, else test scores; both where it is about both."""
    if timed := [add_title(row) for row in numbers["found"] if "times" in row]:
        return claim_charts.claim_times(timed)
    scores = [add_title(row) for row in numbers["scores"]]
    if any("seconds" in row for row in numbers["found"]):
        return claim_charts.claim_cost(scores)
    return claim_charts.claim_scores(scores)


def add_title(row: dict) -> dict:
    title = claims.dataset_title(row["data"])
    return row | {"title": f"{title}, {row['part']}" if "part" in row else title}


def draw_source(result: dict, ships: dict | None) -> None:
    """Draw where the numbers come from."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    command = result.get("command")
    by = f"ships with Thaw, made by `{command}`" if command else "measured here, by you"
    st.caption(
        f"{result['date']}, {by}: {escape_markdown(result['machine'])}; "
        f"{escape_markdown(versions)}; "
        f"{tell.format_duration(result['seconds'])}."
    )
    if ships:
        word = BADGES[ships["outcome"]][2].lower()
        st.caption(f"The result that ships with Thaw ({ships['date']}): {word}.")


link_terms = TermLinker(*TERMS)
st.title("The article's claims, put to the test")
st.markdown(
    "The article makes eight claims that can be tested. Here is each with an experiment on the "
    "data that comes with Thaw, small enough to be run while you wait, and with what came out. A "
    "verdict is about this data and these models; yours may differ: **Compare** tells."
)
bundled_results = claims.load_results()
visitor_jobs = get_store().list_runs(current_visitor(), limit=MAX_JOBS_SEARCHED, kind="claim")
for claim in CLAIMS.values():
    draw_claim(
        claim,
        bundled_results.get(claim.key),
        [job for job in visitor_jobs if job.job.key == claim.key],
    )
