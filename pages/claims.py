"""The article's claims, each with the experiment that tests it, and what came out."""

import streamlit as st

from guide.approaches import APPROACHES
from guide.claims import CLAIMS, Claim
from pages.parts.figures import charts, run_snapshot as tell
from pages.parts.figures.markdown import plain, title_of
from pages.parts.run_view.event_feed import events_of
from pages.parts.session.error_boundary import told_plainly
from pages.parts.session.start_job import start
from pages.parts.session.visitor import visitor
from pages.parts.widgets.glossary import Words
from pages.parts.widgets.live_plot import live_plot
from pages.parts.widgets.run_controls import stop_and_cancel
from trainers import claims
from trainers.events import ClaimRunDone, ClaimRunStarted
from trainers.jobs import ClaimTest
from trainers.store import Run, store

POLL_SECONDS = 1.0
BADGES = {
    claims.HOLDS: ("green", ":material/check_circle:", "Holds"),
    claims.PARTLY: ("orange", ":material/contrast:", "Holds partly"),
    claims.FAILS: ("red", ":material/cancel:", "Does not hold here"),
    claims.UNKNOWN: ("gray", ":material/help:", "Cannot tell yet"),
}
NOT_MEASURED = ("gray", ":material/hourglass_empty:", "Not measured yet")
SPEAKS = {
    "for": ":green[:material/thumb_up:] For it:",
    "against": ":red[:material/thumb_down:] Against it:",
    "open": ":gray[:material/help:] Open:",
}
TERMS = ("transfer-learning", "fine-tuning", "hybrid", "lora", "pre-trained", "from-scratch")
TERMS += ("accuracy", "zero-shot")
LATEST = 100  # tests of this visitor that are looked through for the newest of each claim


def card(claim: Claim, ships: dict | None, jobs: list[Run]) -> None:
    own = next((job for job in jobs if job.result and job.result["type"] == "judged"), None)
    result = own.result if own else ships
    colour, icon, word = BADGES[result["outcome"]] if result else NOT_MEASURED
    with st.container(border=True):
        st.markdown(f"## {claim.title}")
        st.badge(word, icon=icon, color=colour)
        left, right = st.columns([1, 1.2], gap="large")
        with left:
            st.markdown(f"**The article says:** {explain(claim.article)}")
            st.markdown(f"**The experiment:** {explain(claim.experiment)}")
            with st.expander("When does it hold?", icon=":material/balance:"):
                st.markdown(
                    f"- **Holds:** {claim.holds}\n- **Holds partly:** {claim.partly}\n"
                    f"- **Does not hold here:** {claim.fails}\n- **Cannot tell yet:** all else."
                )
            run_here(claim, ships, jobs[0] if jobs else None)
        with right:
            if result:
                found(claim, result)
                source(result, ships if own else None)
            else:
                st.markdown("Nobody has measured this yet. Run it here to see.")


def run_here(claim: Claim, ships: dict | None, newest: Run | None) -> None:
    if newest and not newest.is_over:
        st.fragment(told_plainly()(watch), run_every=POLL_SECONDS)(newest)
        return
    seconds = claims.ceiling(claim.key)
    takes = f"about {minutes(ships['seconds'])}" if ships else f"at most {minutes(seconds)}"
    label = f"Run it here ({takes})"
    if st.button(label, icon=":material/play_arrow:", key=f"run-{claim.key}") and start(
        ClaimTest(key=claim.key, seconds=seconds)
    ):
        st.rerun()
    if newest and newest.result and newest.result["type"] != "judged":
        text = newest.result.get("text", "It was stopped before its first run was done.")
        st.warning(
            f"The latest try ended without a verdict. {plain(text)}", icon=":material/error:"
        )


def minutes(seconds: float) -> str:
    whole = max(1, round(seconds / 60))
    return "1 minute" if whole == 1 else f"{whole} minutes"


def watch(job: Run) -> None:
    job = store().find(job.id)
    if job.is_over:
        st.rerun()
    events = events_of(job.id, None)
    begun = [event for event in events if isinstance(event, ClaimRunStarted)]
    done = [event for event in events if isinstance(event, ClaimRunDone)]
    share = len(done) / begun[-1].total if begun else 0.0
    st.progress(share, text=status(job, begun[-1] if begun else None))
    for event in done[-3:]:
        st.caption(f"{in_words(event)}: {event.right} of {event.tests} right")
    stop_and_cancel(job, "Stop here and judge what there is")


def status(job: Run, now: ClaimRunStarted | None) -> str:
    """One line that is always true."""
    if now:
        stopping = " Stopping…" if job.stop else ""
        return f"Run {now.number + 1} of {now.total}: {in_words(now)}.{stopping}"
    if job.claimed:
        return "Reading the data and the model."
    wait = store().wait(job.visitor, job.id)
    return f"Waiting: {tell.in_line(wait)}" if wait.ahead else "Waiting for a free process."


def in_words(run: ClaimRunStarted | ClaimRunDone) -> str:
    many = f"{run.per_class} of each class" if run.per_class else "names of the classes alone"
    return f"{APPROACHES[run.approach].title} on {title_of(run.data)}, {many}"


def found(claim: Claim, result: dict) -> None:
    summary, *_ = result["words"].split("\n")
    st.markdown(f"**{plain(summary)}**")
    live_plot(chart(result["numbers"]), key=f"chart-{claim.key}", alt=result["words"])
    rows = [
        f"- {SPEAKS[row['speaks']]} {plain(row['words'])}" for row in result["numbers"]["found"]
    ]
    st.markdown("\n".join(rows))
    if not result["whole"]:
        st.caption("It was stopped early: what was not measured is open.")


def chart(numbers: dict) -> dict:
    """Times where the claim is about them, else test scores; both where it is about both."""
    if timed := [titled(row) for row in numbers["found"] if "times" in row]:
        return charts.claim_times(timed)
    scores = [titled(row) for row in numbers["scores"]]
    if any("seconds" in row for row in numbers["found"]):
        return charts.claim_cost(scores)
    return charts.claim_scores(scores)


def titled(row: dict) -> dict:
    title = claims.title(row["data"])
    return row | {"title": f"{title}, {row['part']}" if "part" in row else title}


def source(result: dict, ships: dict | None) -> None:
    """Where the numbers come from."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    command = result.get("command")
    by = f"ships with Thaw, made by `{command}`" if command else "measured here, by you"
    st.caption(
        f"{result['date']}, {by}: {plain(result['machine'])}; {plain(versions)}; "
        f"{tell.duration(result['seconds'])}."
    )
    if ships:
        word = BADGES[ships["outcome"]][2].lower()
        st.caption(f"The result that ships with Thaw ({ships['date']}): {word}.")


explain = Words(*TERMS)
st.title("The article's claims, put to the test")
st.markdown(
    "The article makes eight claims that can be tested. Here is each with an experiment on the "
    "data that comes with Thaw, small enough to be run while you wait, and with what came out. A "
    "verdict is about this data and these models; yours may differ: **Compare** tells."
)
ships = claims.shipped()
mine = store().of_visitor(visitor(), limit=LATEST, kind="claim")
for claim in CLAIMS.values():
    card(claim, ships.get(claim.key), [job for job in mine if job.plan.key == claim.key])
