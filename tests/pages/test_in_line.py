"""A run that waits behind others: a small page, until its turn comes."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts.run_view import queue_view
from trainers.events import JobCancelled, Notice
from trainers.plan import Plan
from trainers.store import WaitEstimate, get_store

FRAME = str(Path(__file__).parents[2] / "pages" / "frame.py")
PLAN = Plan(data="digits", approach="transfer", seconds=30)


@pytest.fixture(autouse=True)
def nothing_remembered():
    st.cache_data.clear()  # what waits is remembered for half a second: a test is quicker
    yield
    st.cache_data.clear()


def opened(run: str) -> AppTest:
    """The run, as its own visitor sees it."""
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = get_store().get_run(run).visitor
    at.run()
    at.query_params["run"] = run
    return at.switch_page("run.py").run()


def test_who_waits_behind_others_sees_how_long_and_can_leave():
    get_store().record_heartbeat("worker", 1, ready=True)
    first, second = get_store().enqueue(PLAN, "ann"), get_store().enqueue(PLAN, "bob")
    get_store().claim("worker")
    at = opened(second)
    assert not at.exception
    assert "Waiting: one run goes first, about" in at.get("progress")[0].proto.text
    assert [button.label for button in at.button] == [queue_view.STOP_LABEL, "Cancel"]
    assert "How much is right" not in "".join(one.value for one in at.markdown)
    get_store().append(first, [JobCancelled(0.0)])
    st.cache_data.clear()
    at.run()
    assert "Waiting for a free training process" in at.get("progress")[0].proto.text


@pytest.mark.parametrize("place", [0, 1], ids=["first", "behind another"])
def test_who_waits_for_a_cluster_that_is_away_reads_that(place):
    runs = get_store().enqueue(PLAN, "ann"), get_store().enqueue(PLAN, "bob")
    for run in runs:
        get_store().append(run, [Notice("The cluster is away.", 0.0, is_limitation=False)])
    at = opened(runs[place])
    assert not at.exception
    assert at.get("progress")[0].proto.text == "Waiting: nothing can train at the moment."
    assert any("cluster is away" in one.value for one in at.caption)


def test_a_run_that_is_at_work_has_its_charts_at_once():
    get_store().record_heartbeat("worker", 1, ready=True)
    run = get_store().enqueue(PLAN, "ann")
    get_store().claim("worker")
    assert "How much is right" in "".join(one.value for one in opened(run).markdown)


def test_who_is_far_from_their_turn_looks_less_often():
    near, far = (queue_view._poll_seconds(WaitEstimate(3, seconds)) for seconds in (5, 60))
    assert near < far <= 3
