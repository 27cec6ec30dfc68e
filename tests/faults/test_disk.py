"""A disk that is full, or that nothing may be written to."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.forged import MAY_MOUNT, PATIENCE_SECONDS, mounted, plan, told, unmounted, until
from trainers.events import Finished, Notice, Validated
from trainers.store import FINISHED, RUNNING, store
from trainers.system.paths import run_folder
from trainers.workers.supervisor import ROOT

FRAME = str(ROOT / "pages" / "frame.py")


def test_a_run_outlasts_a_full_disk_and_the_next_one_works(toy, forge, home, small_disk):
    key = store().start(plan(approach="scratch", seconds=60), "ann")
    worker = forge.worker(home, jobs=2, slow=0.02, impatient=200)
    until(lambda: any(isinstance(event, Validated) for event in told(key)))
    small_disk.fill(worker)
    until(lambda: "The disk is full" in worker.log.read_text())
    before = len(told(key))
    assert store().find(key).state == RUNNING
    small_disk.free(worker)
    until(lambda: len(told(key)) > before)
    store().stop(key)
    until(lambda: store().find(key).is_over)
    assert store().find(key).state == FINISHED, store().find(key).result
    assert told(key)[-1].stopped  # its heart goes on listening
    events = told(key)
    steps = [event.step for event in events if isinstance(event, Validated)]
    assert steps == sorted(set(steps))  # what was told meanwhile is there, once
    following = store().start(plan(), "bob")
    assert worker.ended() == 0, worker.log.read_text()
    assert store().find(following).state == FINISHED
    assert (run_folder(following) / "model.safetensors").is_file()
    assert "Traceback" not in worker.log.read_text()


@pytest.mark.parametrize("approach", ["fine_tune", "simple"])
def test_a_score_is_not_lost_with_weights_that_find_no_room(approach, toy, forge, home):
    key = store().start(plan(approach=approach), "ann")
    run_folder(key).mkdir(parents=True)
    if MAY_MOUNT:  # one page: the file's name finds room, its content does not
        assert mounted(run_folder(key), "size=4k")
        (run_folder(key) / "filler").write_bytes(b"full")
        worker = forge.worker(home)
    else:
        worker = forge.worker(home, no_room_for="model.safetensors")
    try:
        assert worker.ended() == 0, worker.log.read_text()
        assert isinstance(told(key)[-1], Finished)
        notices = [event.text for event in told(key) if isinstance(event, Notice)]
        assert sum("trained model could not be kept" in text for text in notices) == 1
        assert {file.name for file in run_folder(key).iterdir()} <= {"filler"}
    finally:
        if MAY_MOUNT:
            unmounted(run_folder(key))


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
        store().start(plan(data="digits", approach="none"), "ann")
        store().engine.dispose()
        command = ["mount", "-o", "remount,ro", str(home)]
        subprocess.run(command, check=True)
        at = AppTest.from_file(FRAME, default_timeout=60)
        at.session_state["visitor"] = "ann-of-the-tests-00"
        at.switch_page("runs.py").run()
        assert not at.exception
        assert "data folder" in at.error[0].value
    finally:
        store().engine.dispose()
        unmounted(home)


def test_a_folder_that_is_not_there_yet_is_made_wherever_the_database_is(
    home, tmp_path, monkeypatch
):
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert not home.exists()
    assert store().start(plan(data="digits"), "ann")
    assert home.is_dir()


def test_what_is_said_names_no_path_to_visitors_of_a_hosted_thaw(monkeypatch):
    from trainers.system.errors import said

    error = OSError(28, "No space left on device")
    assert os.environ["THAW_HOME"] in said(error)
    monkeypatch.setenv("THAW_HOSTED", "1")
    assert os.environ["THAW_HOME"] not in said(error)
    assert "disk is full" in said(error)
