"""Continue, on the page of an interrupted run and in the list of runs."""

import json

import pytest
import torch
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import look, started, words
from tests.pages.test_runs_page import ANN, FRAME, choose, page, pressed
from trainers.plan import Plan
from trainers.store import CANCELLED, QUEUED, get_store, resume
from trainers.system import checkpoint_file
from trainers.system.paths import run_dir
from trainers.training import checkpoint as standing


def interrupted(*, kept=True, visitor=ANN) -> str:
    plan = Plan(data="digits", approach="fine_tune", examples_per_class=5)
    run = get_store().enqueue(plan, visitor=visitor, worker="lost")
    get_store().append(run, [started("fine_tune"), look(seconds=2.0)])
    get_store().remove_worker("lost", "The process that trained this was ended.")
    if kept:
        facts = {
            "form": checkpoint_file.FORMAT_VERSION,
            "phase": 0,
            "step": 20,
            "epoch": 3.0,
            "seconds": 12.3,
        }
        file = run_dir(run) / checkpoint_file.CHECKPOINT_FILE
        standing.write_tensors({"a": torch.zeros(1)}, file, {"standing": json.dumps(facts)})
    return run


def run_page(run) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = ANN
    at.run()
    at.query_params["run"] = run
    at.switch_page("run.py").run()
    assert not at.exception
    return at


def labels(at) -> list[str]:
    return [button.label for button in at.button]


def links(at) -> list[str]:
    return [link.proto.label for link in at.get("page_link")]


def test_an_interrupted_run_can_go_on_from_its_page():
    lost = interrupted()
    at = run_page(lost)
    assert "after 12 seconds (3 passes over the examples)" in words(at)
    pressed(at, "Continue from 12 s")
    new = resume.resumed_by(get_store(), lost)
    assert get_store().get_run(new).state == QUEUED
    assert get_store().get_run(new).job == get_store().get_run(lost).job
    assert at.query_params["run"] in (new, [new])
    assert "This goes on from a run that was interrupted" in links(at)


def test_it_is_offered_once_and_again_when_that_was_cancelled():
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, ANN)
    at = run_page(lost)
    assert "Continue from 12 s" not in labels(at)
    assert "This run was interrupted. It goes on here" in links(at)
    get_store().request_cancel(new)
    assert get_store().get_run(new).state == CANCELLED
    assert "Continue from 12 s" in labels(run_page(lost))


@pytest.mark.parametrize("of", [{"kept": False}, {"visitor": "somebody-else-0000"}])
def test_what_kept_nothing_or_is_anothers_is_not_offered(of):
    assert "Continue from 12 s" not in labels(run_page(interrupted(**of)))


def test_the_list_says_which_can_be_continued_and_does_it():
    lost, other = interrupted(), interrupted(kept=False)
    at = page()
    assert words(at).count("can be continued") == 1
    choose(at, other)
    assert "Continue from 12 s" not in labels(at)
    choose(at, lost)
    at.checkbox(key=f"chosen-{other}").uncheck()
    at.run()
    pressed(at, "Continue from 12 s")
    assert resume.resumed_by(get_store(), lost)
