"""What somebody sees who was given a run's link, and what they cannot do."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import RUN, finished
from tests.pages.test_sign_in_page import FRAME, words
from tests.support.run_address import address
from trainers.hosting import sharing
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.store import get_store

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
CHANGING = ("Stop", "Cancel", "Pack", "Make a link", "Delete", "Ask it", "Keep this")


def page(name: str, visitor: str, **query: str) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = visitor
    at.run()
    at.query_params.update(query)
    at.switch_page(name).run()
    assert not at.exception, at.exception
    return at


def ran(*, over: bool = True, name: str = "") -> str:
    run = get_store().enqueue(
        Plan(data="digits", approach="hybrid", examples_per_class=1), ANN, worker="test"
    )
    get_store().append(run, [*RUN, *([finished()] if over else [])])
    get_store().annotate(run, ANN, name=name, note=name)
    return run


def test_an_address_of_somebody_elses_run_shows_nothing_of_it():
    run = ran()
    at = page("run.py", BOB, run=run)
    assert "only they can open it" in words(at)
    assert "Hybrid" not in words(at)


@pytest.mark.parametrize("over", [True, False])
def test_a_link_shows_the_run_and_lets_nobody_change_it(over):
    run = ran(over=over, name="SECRET-NOTE")
    at = page("run.py", BOB, **address(run, BOB))
    assert "Hybrid" in words(at)
    assert "SECRET-NOTE" not in words(at)
    there = [one.label for one in at.button if not one.disabled]
    assert not [label for label in there if label.startswith(CHANGING)]


def test_a_press_on_a_button_that_is_off_changes_nothing():
    """A browser is not bound by what a page offers."""
    run = ran(over=False)
    at = page("run.py", BOB, **address(run, BOB))
    for what in ("stop", "cancel"):
        button = at.button(key=f"{what}-{run}")
        button.proto.disabled = False
        button.click().run()
    found = get_store().get_run(run)
    assert (found.stop_requested, found.cancel_requested, found.state) == (False, False, "running")
    at = page("run.py", ANN, run=run)
    at.button(key=f"stop-{run}").click().run()
    assert get_store().get_run(run).stop_requested


def test_a_run_is_shared_and_no_longer():
    run = ran()
    at = page("run.py", ANN, run=run)
    at.button(key="share").click().run()
    token = sharing.find_token(run, ANN)
    assert f"shared={token}" in at.code[0].value
    assert run not in at.code[0].value
    guest = page("run.py", BOB, shared=token)
    assert "Hybrid" in words(guest)
    at.button(key="unshare").click().run()
    assert "leads nowhere" in words(guest.run())
    assert not at.code


def test_a_comparison_is_shared_the_same_way():
    job = get_store().enqueue(Comparison(data="digits", visitor=ANN), ANN, worker="test")
    assert "only they can open it" in words(page("compare.py", BOB, compare=job))
    at = page("compare.py", BOB, **address(job, BOB, "compare"))
    assert "Every approach" in words(at)
    assert [one.label for one in at.button if one.key and one.key.startswith("stop")] == [
        "Stop here and compare what there is"
    ]
    assert all(one.disabled for one in at.button if str(one.key).startswith(("stop", "cancel")))


def test_a_link_of_a_run_is_none_of_a_comparison():
    run = ran()
    at = page("compare.py", BOB, **address(run, BOB))
    assert "This is no comparison" in words(at)
    job = get_store().enqueue(Comparison(data="digits", visitor=ANN), ANN, worker="test")
    at = page("run.py", BOB, shared=sharing.share_run(job, ANN))
    assert "no such run" in words(at)


def test_runs_of_others_are_not_laid_side_by_side():
    run, own = (
        ran(name="SECRET-NOTE"),
        get_store().enqueue(Plan(data="digits", approach="none"), BOB, worker="test"),
    )
    at = page("runs.py", BOB, runs=f"{run},{own}")
    assert "1 of them cannot be shown" in words(at)
    assert "SECRET-NOTE" not in words(at)


def test_the_list_says_which_runs_are_shared():
    run, _ = ran(), ran()
    sharing.share_run(run, ANN)
    assert words(page("runs.py", ANN)).count("shared by a link") == 1
