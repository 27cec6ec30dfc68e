"""A disk that is full, or that nothing may be written to."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.forged import MAY_MOUNT, PATIENCE_SECONDS, mounted, plan, told, unmounted, until
from trainers.events import Notice, RunFinished, ValidationDone
from trainers.store import FINISHED, RUNNING, get_store
from trainers.system.paths import run_dir
from trainers.workers.supervisor import ROOT

FRAME = str(ROOT / "pages" / "frame.py")


def test_a_run_outlasts_a_full_disk_and_the_next_one_works(toy, forge, home, small_disk):
    key = get_store().enqueue(plan(approach="scratch", seconds=60), "ann")
    worker = forge.worker(home, jobs=2, slow=0.02, impatient=200)
    until(lambda: any(isinstance(event, ValidationDone) for event in told(key)))
    small_disk.fill(worker)
    until(lambda: "The disk is full" in worker.log.read_text())
    before = len(told(key))
    assert get_store().get_run(key).state == RUNNING
    small_disk.free(worker)
    until(lambda: len(told(key)) > before)
    get_store().request_stop(key)
    until(lambda: get_store().get_run(key).is_over)
    assert get_store().get_run(key).state == FINISHED, get_store().get_run(key).result
    assert told(key)[-1].stopped_by_user  # the event writer still polls
    events = told(key)
    steps = [event.step for event in events if isinstance(event, ValidationDone)]
    assert steps == sorted(set(steps))  # what was told meanwhile is there, once
    following = get_store().enqueue(plan(), "bob")
    assert worker.ended() == 0, worker.log.read_text()
    assert get_store().get_run(following).state == FINISHED
    assert (run_dir(following) / "model.safetensors").is_file()
    assert "Traceback" not in worker.log.read_text()


@pytest.mark.parametrize("approach", ["fine_tune", "simple"])
def test_a_score_is_not_lost_with_weights_that_find_no_room(approach, toy, forge, home):
    key = get_store().enqueue(plan(approach=approach), "ann")
    run_dir(key).mkdir(parents=True)
    if MAY_MOUNT:  # one page: the file's name finds room, its content does not
        assert mounted(run_dir(key), "size=4k")
        (run_dir(key) / "filler").write_bytes(b"full")
        worker = forge.worker(home)
    else:
        worker = forge.worker(home, no_room_for="model.safetensors")
    try:
        assert worker.ended() == 0, worker.log.read_text()
        assert isinstance(told(key)[-1], RunFinished)
        notices = [event.text for event in told(key) if isinstance(event, Notice)]
        assert sum("trained model could not be kept" in text for text in notices) == 1
        assert {file.name for file in run_dir(key).iterdir()} <= {"filler"}
    finally:
        if MAY_MOUNT:
            unmounted(run_dir(key))


@contextmanager
def read_only(folder):
    """A data folder that even root cannot write to."""
    if MAY_MOUNT:
        folder.mkdir(parents=True)
        assert mounted(folder, "ro,size=64k")
        try:
            yield folder
        finally:
            unmounted(folder)
    elif os.geteuid():
        folder.mkdir(parents=True, mode=0o500)
        yield folder
    else:
        yield "/sys/kernel/thaw"  # nobody makes a folder there


APP = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "trainers", "runs"],
        [sys.executable, "-m", "trainers", "run", "--data", "digits", "--approach", "none"],
        [*APP, "--server.port", "0"],
    ],
    ids=["list", "run", "app"],
)
@pytest.mark.parametrize("database", ["in it", "elsewhere"])
def test_a_folder_that_nobody_may_write_to_is_said_in_one_line(command, database, home, tmp_path):
    elsewhere = {"THAW_DATABASE_URL": f"sqlite:///{tmp_path / 'thaw.db'}"}
    elsewhere = elsewhere if database == "elsewhere" else {}
    with read_only(home) as folder:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"THAW_HOME": str(folder)} | elsewhere,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    assert done.returncode == 2, done
    assert "may not write to its data folder" in done.stderr
    assert f"{folder}" in done.stderr
    assert "set THAW_HOME" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.skipif(not MAY_MOUNT, reason="only root can make a folder read-only under a process")
def test_a_page_says_that_the_folder_became_read_only(home):
    assert mounted(home, "size=4m")
    try:
        get_store().enqueue(plan(data="digits", approach="none"), "ann")
        get_store().engine.dispose()
        command = ["mount", "-o", "remount,ro", str(home)]
        subprocess.run(command, check=True)
        at = AppTest.from_file(FRAME, default_timeout=60)
        at.session_state["visitor"] = "ann-of-the-tests-00"
        at.switch_page("runs.py").run()
        assert not at.exception
        assert "data folder" in at.error[0].value
    finally:
        get_store().engine.dispose()
        unmounted(home)


def test_a_folder_that_is_not_there_yet_is_made_wherever_the_database_is(
    home, tmp_path, monkeypatch
):
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert not home.exists()
    assert get_store().enqueue(plan(data="digits"), "ann")
    assert home.is_dir()


def test_what_is_said_names_no_path_to_visitors_of_a_hosted_thaw(monkeypatch):
    from trainers.system.errors import user_message

    error = OSError(28, "No space left on device")
    assert os.environ["THAW_HOME"] in user_message(error)
    monkeypatch.setenv("THAW_HOSTED", "1")
    assert os.environ["THAW_HOME"] not in user_message(error)
    assert "disk is full" in user_message(error)
