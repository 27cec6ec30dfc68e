"""What one computer was at when it was lost goes on on another that shares what it keeps."""

import math
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_continue import FILE, at_every_look, executed, interrupted, of, plan, stored  # noqa: F401

from trainers import artifacts, continuing
from trainers.checkpoint import standing_of
from trainers.engine.execute import execute
from trainers.engine.lead import requeue
from trainers.events import Cancelled, Continued, Finished, Notice, Started, Step, Validated
from trainers.home import home, run_folder
from trainers.run import run
from trainers.store import CANCELLED, QUEUED, runs, store


@pytest.fixture(autouse=True)
def shared(tmp_path, monkeypatch) -> Path:
    """Where two computers share what they keep; and their database."""
    monkeypatch.setenv("THAW_ARTIFACTS", f"file://{tmp_path}/shared")
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path}/thaw.db")
    monkeypatch.setattr(continuing, "SHARE_SECONDS", 0.01)
    monkeypatch.setattr(continuing, "SHARE", math.inf)
    artifacts._missing.clear()
    return tmp_path / "shared"


@pytest.fixture
def on_another(tmp_path, monkeypatch):
    """Goes to another computer."""

    def go() -> None:
        monkeypatch.setenv("THAW_HOME", str(tmp_path / "another"))
        artifacts._missing.clear()

    return go


def begun(shared: Path) -> str:
    """A run in whose midst its computer was lost, as far along as was shared by then."""
    wanted = plan(data="words", approach="fine_tune", per_class=50)
    key = store().start(wanted, "ann", worker="lost")
    stream = execute(store(), key, wanted, run, run_folder(key))
    for event in stream:
        at = standing_of(continuing._shared(key).parent)
        put = (shared / "standing" / key / "manifest.json").exists()
        if put and at and at["step"] > 2 and isinstance(event, Step):
            store().gone("lost", "The computer was lost.")
            stream.close()
            return key
        if isinstance(event, Validated):
            time.sleep(0.05)  # for it to be put: toys are quick
    raise AssertionError("It was not shared before its end.")


def test_a_run_whose_computer_was_lost_goes_on_on_another(toy, shared, on_another):
    lost = begun(shared)
    on_another()
    assert not run_folder(lost).exists()
    assert continuing.place(lost, anywhere=False) is None
    at = continuing.place(lost)
    assert at.step > 0
    new = continuing.continue_run(store(), lost, "ann", worker="worker")
    events = executed(new)
    assert isinstance(events[-1], Finished)
    (went_on,) = of(Continued, events)
    assert went_on.step == at.step
    assert min(event.step for event in of(Step, events[events.index(went_on) :])) > 0
    assert len(of(Started, events)) == 1
    # With its score nobody needs that any more, here and there.
    assert not list((shared / "standing").rglob("*.*"))
    assert not list(home().rglob(FILE))


def test_a_run_that_was_queued_again_goes_on_wherever_it_is_taken(toy, shared, on_another):
    """As a coordinator of a Ray cluster does: trainers/engine/lead.py."""
    lost = begun(shared)
    with store().engine.begin() as sql:
        sql.execute(runs.update().where(runs.c.id == lost).values(state=QUEUED, worker=None))
    on_another()
    assert store().claim("other").id == lost
    events = executed(lost)
    assert isinstance(events[-1], Finished)
    assert (run_folder(lost) / "model.safetensors").exists()
    first = of(Validated, events)[0]
    assert first.step > 0  # a run that begins anew looks before its first step


def test_what_is_further_here_is_not_taken_back(toy, shared):
    lost = begun(shared)
    there = shared.parent / "old"
    shutil.copytree(continuing._shared(lost).parent, there)
    here = continuing.place(lost)
    continuing.bring(lost)
    assert continuing.place(lost) == here


def test_a_deleted_run_leaves_nothing_there(toy, shared):
    lost = begun(shared)
    artifacts.drop(lost)
    assert not list((shared / "standing").rglob("*.*"))
    assert not continuing._shared(lost).exists()


def test_a_continued_run_is_taken_where_what_it_goes_on_from_lies(toy, on_another, monkeypatch):
    monkeypatch.setattr(continuing, "database", SimpleNamespace(is_shared=lambda engine: True))
    new = continuing.continue_run(store(), interrupted(), "ann")
    here = home()
    on_another()
    assert store().claim("there") is None
    monkeypatch.setenv("THAW_HOME", str(here))
    assert store().claim("here").id == new


def test_a_word_about_the_wait_is_no_beginning(toy):
    """A continued run that waited for its cluster tells what was told before, all the same."""
    lost = interrupted()
    new = continuing.continue_run(store(), lost, "ann", worker="worker")
    store().append(new, [Notice("The cluster is away.", 0.0)])
    events = executed(new)
    assert len(of(Started, events)) == len(of(Continued, events)) == 1


def test_a_run_that_was_cancelled_is_not_queued_again(toy):
    key = store().start(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_folder(key).mkdir(parents=True)
    (run_folder(key) / FILE).write_bytes(b"so far")
    store().cancel(key)
    requeue(store(), "lost")
    assert store().find(key).state == CANCELLED
    assert isinstance(stored(key)[-1], Cancelled)
    assert not (run_folder(key) / FILE).exists()


def test_stop_while_it_waits_for_the_next_coordinator_keeps_the_best_so_far(toy):
    key = store().start(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_folder(key).mkdir(parents=True)
    (run_folder(key) / FILE).write_bytes(b"so far")
    requeue(store(), "lost")
    store().stop(key, "ann")
    assert store().claim("next").stop
    assert (run_folder(key) / FILE).exists()
