"""What one computer was at when it was lost goes on on another that shares what it keeps."""

import math
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.trainers.store.test_resume import (  # noqa: F401
    FILE,
    at_every_look,
    executed,
    interrupted,
    of,
    plan,
    stored,
)
from trainers.events import (
    JobCancelled,
    Notice,
    RunFinished,
    RunResumed,
    RunStarted,
    Step,
    ValidationDone,
)
from trainers.store import CANCELLED, QUEUED, get_store, resume
from trainers.store.requeue import requeue_runs
from trainers.store.tables import runs
from trainers.system import object_store
from trainers.system.checkpoint_file import read_checkpoint_header
from trainers.system.paths import data_dir, run_dir
from trainers.training.run import run
from trainers.workers.execute import execute


@pytest.fixture(autouse=True)
def shared(tmp_path, monkeypatch) -> Path:
    """Where two computers share what they keep; and their database."""
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path}/thaw.db")
    monkeypatch.setattr(resume, "UPLOAD_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(resume, "UPLOAD_TIME_FRACTION", math.inf)
    object_store.reset()
    return tmp_path / "shared"


@pytest.fixture
def on_another(tmp_path, monkeypatch):
    """Goes to another computer."""

    def go() -> None:
        monkeypatch.setenv("THAW_HOME", str(tmp_path / "another"))
        object_store.reset()

    return go


def begun(shared: Path) -> str:
    """A run in whose midst its computer was lost, as far along as was shared by then."""
    wanted = plan(data="words", approach="fine_tune", examples_per_class=50)
    key = get_store().enqueue(wanted, "ann", worker="lost")
    stream = execute(get_store(), key, wanted, run, run_dir(key))
    for event in stream:
        at = read_checkpoint_header(resume._shared_checkpoint_path(key).parent)
        put = (shared / "standing" / key / "manifest.json").exists()
        if put and at and at["step"] > 2 and isinstance(event, Step):
            get_store().remove_worker("lost", "The computer was lost.")
            stream.close()
            return key
        if isinstance(event, ValidationDone):
            time.sleep(0.05)  # for it to be put: toys are quick
    raise AssertionError("It was not shared before its end.")


def test_a_run_whose_computer_was_lost_goes_on_on_another(toy, shared, on_another):
    lost = begun(shared)
    on_another()
    assert not run_dir(lost).exists()
    assert resume.find_resume_point(lost, anywhere=False) is None
    at = resume.find_resume_point(lost)
    assert at.step > 0
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    events = executed(new)
    assert isinstance(events[-1], RunFinished)
    (went_on,) = of(RunResumed, events)
    assert went_on.step == at.step
    assert min(event.step for event in of(Step, events[events.index(went_on) :])) > 0
    assert len(of(RunStarted, events)) == 1
    # With its score nobody needs that any more, here and there.
    assert not list((shared / "standing").rglob("*.*"))
    assert not list(data_dir().rglob(FILE))


def test_a_run_that_was_queued_again_goes_on_wherever_it_is_taken(toy, shared, on_another):
    """As a coordinator of a Ray cluster does: trainers/store/queue.py."""
    lost = begun(shared)
    with get_store().engine.begin() as sql:
        sql.execute(runs.update().where(runs.c.id == lost).values(state=QUEUED, worker_id=None))
    on_another()
    assert get_store().claim("other").id == lost
    events = executed(lost)
    assert isinstance(events[-1], RunFinished)
    assert (run_dir(lost) / "model.safetensors").exists()
    first = of(ValidationDone, events)[0]
    assert first.step > 0  # a run that begins anew looks before its first step


def test_what_is_further_here_is_not_taken_back(toy, shared):
    lost = begun(shared)
    there = shared.parent / "old"
    shutil.copytree(resume._shared_checkpoint_path(lost).parent, there)
    here = resume.find_resume_point(lost)
    resume.fetch_checkpoint(lost)
    assert resume.find_resume_point(lost) == here


def test_a_deleted_run_leaves_nothing_there(toy, shared):
    lost = begun(shared)
    object_store.delete_run(lost)
    assert not list((shared / "standing").rglob("*.*"))
    assert not resume._shared_checkpoint_path(lost).exists()


def test_a_continued_run_is_taken_where_what_it_goes_on_from_lies(toy, on_another, monkeypatch):
    monkeypatch.setattr(resume, "engine", SimpleNamespace(is_shared=lambda engine: True))
    new = resume.resume_run(get_store(), interrupted(), "ann")
    here = data_dir()
    on_another()
    assert get_store().claim("there") is None
    monkeypatch.setenv("THAW_HOME", str(here))
    assert get_store().claim("here").id == new


def test_a_word_about_the_wait_is_no_beginning(toy):
    """A continued run that waited for its cluster tells what was told before, all the same."""
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    get_store().append(new, [Notice("The cluster is away.", 0.0)])
    events = executed(new)
    assert len(of(RunStarted, events)) == len(of(RunResumed, events)) == 1


def test_a_run_that_was_cancelled_is_not_queued_again(toy):
    key = get_store().enqueue(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_dir(key).mkdir(parents=True)
    (run_dir(key) / FILE).write_bytes(b"so far")
    get_store().request_cancel(key)
    requeue_runs(get_store(), "lost")
    assert get_store().get_run(key).state == CANCELLED
    assert isinstance(stored(key)[-1], JobCancelled)
    assert not (run_dir(key) / FILE).exists()


def test_stop_while_it_waits_for_the_next_coordinator_keeps_the_best_so_far(toy):
    key = get_store().enqueue(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_dir(key).mkdir(parents=True)
    (run_dir(key) / FILE).write_bytes(b"so far")
    requeue_runs(get_store(), "lost")
    get_store().request_stop(key, "ann")
    assert get_store().claim("next").stop_requested
    assert (run_dir(key) / FILE).exists()
