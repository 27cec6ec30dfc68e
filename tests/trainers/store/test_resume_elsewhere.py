"""A run whose computer was lost is resumed on another with the same storage URL."""

import math
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.trainers.store.test_resume import (  # noqa: F401
    FILE,
    checkpoint_at_every_evaluation,
    execute_stored,
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
    """Return the storage that two computers share, as they do the database."""
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path}/thaw.db")
    monkeypatch.setattr(resume, "UPLOAD_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(resume, "UPLOAD_TIME_FRACTION", math.inf)
    object_store.reset()
    return tmp_path / "shared"


@pytest.fixture
def move_to_another_computer(tmp_path, monkeypatch):
    """Return a function that makes the test go on as another computer."""

    def go() -> None:
        monkeypatch.setenv("THAW_HOME", str(tmp_path / "another"))
        object_store.reset()

    return go


def lose_computer(shared: Path) -> str:
    """Return a run whose computer was lost after a checkpoint was uploaded."""
    requested = plan(data="words", approach="fine_tune", examples_per_class=50)
    key = get_store().enqueue(requested, "ann", worker="lost")
    stream = execute(get_store(), key, requested, run, run_dir(key))
    for event in stream:
        at = read_checkpoint_header(resume._shared_checkpoint_path(key).parent)
        put = (shared / "standing" / key / "manifest.json").exists()
        if put and at and at["step"] > 2 and isinstance(event, Step):
            get_store().remove_worker("lost", "The computer was lost.")
            stream.close()
            return key
        if isinstance(event, ValidationDone):
            time.sleep(0.05)  # toys are fast: give the upload time
    raise AssertionError("No checkpoint was uploaded before the end.")


def test_a_run_is_resumed_on_another_computer(toy, shared, move_to_another_computer):
    lost = lose_computer(shared)
    move_to_another_computer()
    assert not run_dir(lost).exists()
    assert resume.find_resume_point(lost, anywhere=False) is None
    at = resume.find_resume_point(lost)
    assert at.step > 0
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    events = execute_stored(new)
    assert isinstance(events[-1], RunFinished)
    (went_on,) = of(RunResumed, events)
    assert went_on.step == at.step
    assert min(event.step for event in of(Step, events[events.index(went_on) :])) > 0
    assert len(of(RunStarted, events)) == 1
    # With the score, checkpoints are of no use any more, local or shared.
    assert not list((shared / "standing").rglob("*.*"))
    assert not list(data_dir().rglob(FILE))


def test_a_requeued_run_continues_on_the_computer_that_claims_it(
    toy, shared, move_to_another_computer
):
    """As the coordinator of a Ray cluster does: trainers/store/requeue.py."""
    lost = lose_computer(shared)
    with get_store().engine.begin() as sql:
        sql.execute(runs.update().where(runs.c.id == lost).values(state=QUEUED, worker_id=None))
    move_to_another_computer()
    assert get_store().claim("other").id == lost
    events = execute_stored(lost)
    assert isinstance(events[-1], RunFinished)
    assert (run_dir(lost) / "model.safetensors").exists()
    first = of(ValidationDone, events)[0]
    assert first.step > 0  # a run that starts anew evaluates before its first step


def test_an_older_shared_checkpoint_replaces_no_newer_local_one(toy, shared):
    lost = lose_computer(shared)
    there = shared.parent / "old"
    shutil.copytree(resume._shared_checkpoint_path(lost).parent, there)
    here = resume.find_resume_point(lost)
    resume.fetch_checkpoint(lost)
    assert resume.find_resume_point(lost) == here


def test_deleting_a_run_deletes_its_shared_checkpoint(toy, shared):
    lost = lose_computer(shared)
    object_store.delete_run(lost)
    assert not list((shared / "standing").rglob("*.*"))
    assert not resume._shared_checkpoint_path(lost).exists()


def test_a_resumed_run_is_claimed_where_its_checkpoint_is(
    toy, move_to_another_computer, monkeypatch
):
    monkeypatch.setattr(resume, "engine", SimpleNamespace(is_shared=lambda engine: True))
    new = resume.resume_run(get_store(), interrupted(), "ann")
    here = data_dir()
    move_to_another_computer()
    assert get_store().claim("there") is None
    monkeypatch.setenv("THAW_HOME", str(here))
    assert get_store().claim("here").id == new


def test_a_notice_while_waiting_is_no_start(toy):
    """A resumed run that waited for its cluster replays its source's events all the same."""
    lost = interrupted()
    new = resume.resume_run(get_store(), lost, "ann", worker="worker")
    get_store().append(new, [Notice("The cluster is away.", 0.0)])
    events = execute_stored(new)
    assert len(of(RunStarted, events)) == len(of(RunResumed, events)) == 1


def test_a_cancelled_run_is_not_requeued(toy):
    key = get_store().enqueue(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_dir(key).mkdir(parents=True)
    (run_dir(key) / FILE).write_bytes(b"so far")
    get_store().request_cancel(key)
    requeue_runs(get_store(), "lost")
    assert get_store().get_run(key).state == CANCELLED
    assert isinstance(stored(key)[-1], JobCancelled)
    assert not (run_dir(key) / FILE).exists()


def test_stopping_a_requeued_run_keeps_its_checkpoint(toy):
    key = get_store().enqueue(plan(data="words", approach="fine_tune"), "ann", worker="lost")
    run_dir(key).mkdir(parents=True)
    (run_dir(key) / FILE).write_bytes(b"so far")
    requeue_runs(get_store(), "lost")
    get_store().request_stop(key, "ann")
    assert get_store().claim("next").stop_requested
    assert (run_dir(key) / FILE).exists()
