"""App servers that share one PostgreSQL: every job is executed once, and the server may go away."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from trainers.events import JobCancelled, Notice, RunFinished, RunStarted, Step
from trainers.jobs import ImportData
from trainers.plan import Plan
from trainers.store import FAILED, FINISHED, QUEUED, RUNNING, Store, get_store
from trainers.store.engine import connect, server_time
from trainers.store.tables import runs, workers
from trainers.system.paths import data_dir_id
from trainers.workers import liveness, supervisor
from trainers.workers.execute import execute

QUICK = Plan(data="digits", approach="transfer", examples_per_class=5, seconds=5)
PATIENCE_SECONDS = 150  # a busy machine imports torch slowly
# What app.py does, without the pages.
APP = """
import sys
from trainers.workers.supervisor import WorkerSupervisor
from trainers.store import get_store
with WorkerSupervisor(get_store(), 1):
    sys.stdin.read()
"""


def until(condition, seconds=PATIENCE_SECONDS) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "It took too long."
        time.sleep(0.05)


@pytest.fixture
def url(postgres, monkeypatch):
    with postgres.database() as made:
        monkeypatch.setenv("THAW_DATABASE_URL", made)
        yield made
        if get_store.cache_info().currsize:
            get_store().engine.dispose()
            get_store.cache_clear()


@pytest.fixture
def shared(url, tmp_path, monkeypatch, root):
    """The store of two app servers with a worker each, and their homes."""
    made, homes, apps = Store(url), [tmp_path / "one", tmp_path / "other"], []
    for home in homes:
        env = os.environ | {"THAW_HOME": str(home)}
        apps.append(
            subprocess.Popen([sys.executable, "-c", APP], cwd=root, env=env, stdin=subprocess.PIPE)
        )
    try:
        until(lambda: made.count_ready_workers() == 2)
        yield made, homes
    finally:
        for app in apps:
            app.stdin.close()
        for app in apps:
            app.wait(timeout=60)
        made.engine.dispose()


def told(made: Store, run: str, kind: type) -> int:
    return sum(isinstance(event, kind) for _, event in made.read_events(run))


def test_two_app_servers_execute_every_job_once_and_outlive_their_database(
    shared, postgres, monkeypatch
):
    made, homes = shared
    theirs = {}
    for number in range(6):
        home = homes[number % 2]
        monkeypatch.setenv("THAW_HOME", str(home))
        theirs[made.enqueue(replace(QUICK, seed=number), f"visitor {number % 3}")] = home
    anywhere = [made.enqueue(replace(QUICK, seed=9 + number), "ann") for number in range(3)]
    with made.engine.begin() as sql:
        sql.execute(update(runs).where(runs.c.id.in_(anywhere)).values(host_id=None))
    until(lambda: all(made.get_run(run).is_over for run in (*theirs, *anywhere)))
    for run in (*theirs, *anywhere):
        assert made.get_run(run).state == FINISHED
        assert told(made, run, RunStarted) == told(made, run, RunFinished) == 1
        assert sum((home / "runs" / run).exists() for home in homes) == 1
    for run, home in theirs.items():
        assert (home / "runs" / run).exists()  # where it was started: its files are there

    with made.engine.connect() as sql:
        before = set(sql.scalars(select(workers.c.id)))
    long = made.enqueue(
        replace(QUICK, approach="scratch", examples_per_class=None, seconds=20), "ann"
    )
    until(lambda: told(made, long, Step) > 3)
    postgres.stop("immediate")  # as a power cut
    with pytest.raises(OperationalError):
        made.get_run(long)
    time.sleep(3)
    postgres.start()
    until(lambda: made.get_run(long).is_over)
    assert made.get_run(long).state == FINISHED
    numbers = [number for number, _ in made.read_events(long)]
    assert numbers == list(range(1, len(numbers) + 1))
    with made.engine.connect() as sql:
        assert set(sql.scalars(select(workers.c.id))) == before  # nobody died of it
    after = made.enqueue(QUICK, "ann")
    until(lambda: made.get_run(after).is_over)
    assert made.get_run(after).state == FINISHED


def toy(plan, *, should_stop, folder):
    for number in range(40):
        yield Notice(str(number), number / 20)
        time.sleep(0.05)
    yield JobCancelled(2.0)


def test_what_a_run_tells_while_the_database_is_away_is_told_later(url, postgres):
    made = Store(url)
    run = made.enqueue(QUICK, "ann", worker="here")
    for number, _ in enumerate(execute(made, run, QUICK, toy)):
        if number == 5:
            postgres.stop()
        if number == 30:
            postgres.start()
    said = [event.text for _, event in made.read_events(run) if isinstance(event, Notice)]
    assert said == [str(number) for number in range(40)]
    assert made.get_run(run).is_over
    made.engine.dispose()


def test_nobody_is_buried_for_being_silent_while_the_database_was_away(url, postgres, monkeypatch):
    made = Store(url)
    run = made.enqueue(QUICK, "ann", worker="elsewhere")
    monkeypatch.setattr(supervisor, "CHECK_INTERVAL_SECONDS", 0.05)
    crew = supervisor.WorkerSupervisor(made, 0)
    crew._watch_thread.start()
    try:
        with made.engine.begin() as sql:
            sql.execute(update(runs).values(heartbeat_at=time.time() - 14))
        postgres.stop()
        time.sleep(2)
        postgres.start()
        time.sleep(1)
        assert made.get_run(run).state == RUNNING
        crew._closed.set()
        crew._watch_thread.join()
        with made.engine.begin() as sql:
            sql.execute(update(runs).values(heartbeat_at=time.time() - 60))
        made.fail_stale_runs()
        assert made.get_run(run).state == FAILED
    finally:
        crew._closed.set()
        made.engine.dispose()


def test_a_heartbeat_goes_by_the_clock_of_the_database(url, monkeypatch):
    made = Store(url)
    monkeypatch.setattr(time, "time", lambda: 1.0)  # this computer's clock is far off
    made.record_heartbeat("w", 1, ready=True)
    assert made.count_ready_workers() == 1
    with made.engine.connect() as sql:
        theirs = sql.scalar(select(server_time(made.engine)))
    assert abs(theirs - datetime.now().timestamp()) < 5
    made.engine.dispose()


def test_a_zero_in_what_somebody_made_up_is_no_error(url):
    made = Store(url)
    run = made.enqueue(QUICK, "ann")
    assert made.get_run(f"{run}\0").id == run
    assert made.list_history("ann", search="digits\0")[1] == 1
    odd = {"type": "finished", "classes": ["a\0b", "\\u0000"], "test_accuracy_low": 0.5}
    with made.engine.begin() as sql:
        sql.execute(update(runs).values(result=odd))
    assert made.get_summary(run).low == 0.5
    assert made.get_run(run).result["classes"] == ["ab", "\\u0000"]
    made.engine.dispose()


def test_a_server_that_is_not_there_is_said_at_once(tmp_path):
    began = time.monotonic()
    engine = connect(f"postgres://thaw:secret@/thaw?host={tmp_path}")
    with pytest.raises(OperationalError):
        engine.connect()
    assert time.monotonic() - began < 6


def test_the_address_of_a_folder_stays(monkeypatch, tmp_path):
    name = data_dir_id()
    assert data_dir_id() == name
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "elsewhere"))
    assert data_dir_id() != name


def test_a_terminal_says_in_one_line_that_the_database_is_away(monkeypatch, tmp_path, capsys):
    from trainers.__main__ import main

    monkeypatch.setenv("THAW_DATABASE_URL", f"postgresql://thaw:secret@/thaw?host={tmp_path}")
    assert main(["runs"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("The database cannot be used:")
    assert said.count("\n") == 1
    assert "secret" not in said


def test_with_shared_files_training_goes_anywhere_and_what_is_handed_out_stays(url, monkeypatch):
    made = Store(url)
    jobs = QUICK, ImportData(path="x", title="y", visitor="ann")
    bound = [made.enqueue(job, "ann") for job in jobs]
    monkeypatch.setenv("THAW_ARTIFACT_URL", "memory://")
    free = [made.enqueue(job, "ann") for job in jobs]
    with made.engine.connect() as sql:
        where = dict(sql.execute(select(runs.c.id, runs.c.host_id)).all())
    assert [where[run] for run in bound + free] == [
        data_dir_id(),
        data_dir_id(),
        None,
        data_dir_id(),
    ]
    made.engine.dispose()


def test_a_job_waits_for_the_app_server_that_has_its_files(url, monkeypatch, tmp_path):
    made = Store(url)
    run = made.enqueue(QUICK, "ann")
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    assert made.claim("worker of another computer") is None
    monkeypatch.setenv("THAW_HOME", here)
    assert made.claim("worker of this one").id == run
    made.engine.dispose()


def test_an_app_server_that_does_not_come_back_keeps_nobody_waiting(url, monkeypatch, tmp_path):
    monkeypatch.setattr(liveness, "MAX_HOST_MISSED_CHECKS", 3)
    made = Store(url)
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    run = made.enqueue(QUICK, "ann")
    made.record_heartbeat("theirs", 1, ready=True)
    monkeypatch.setenv("THAW_HOME", here)
    made.record_heartbeat("ours", 2, ready=True)
    ours, watch = made.enqueue(QUICK, "bob"), liveness.LivenessMonitor(made)
    assert made.estimate_wait("cid").position == 2
    for _ in range(6):
        watch.check()
    assert made.get_run(run).state == QUEUED
    made.remove_worker("theirs", "")
    assert made.estimate_wait("cid").position == 1
    for _ in range(3):
        watch.check()
    assert made.get_run(run).state == QUEUED
    made.record_heartbeat(
        "theirs", 1, ready=True
    )  # of this folder by now: a container with another name
    watch.check()
    assert made.get_run(run).state == FAILED
    assert "Start this again" in made.get_run(run).result["text"]
    assert made.get_run(ours).state == QUEUED
    made.engine.dispose()


def test_of_an_older_worker_it_is_not_known_which_app_server_it_is(url, monkeypatch, tmp_path):
    monkeypatch.setattr(liveness, "MAX_HOST_MISSED_CHECKS", 0)
    made = Store(url)
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    run = made.enqueue(QUICK, "ann")
    made.record_heartbeat("theirs", 1, ready=True)
    with made.engine.begin() as sql:
        sql.execute(update(workers).values(host_id=None))
    monkeypatch.setenv("THAW_HOME", here)
    liveness.LivenessMonitor(made).check()
    assert made.get_run(run).state == QUEUED
    made.engine.dispose()
