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
    with postgres.database() as store:
        monkeypatch.setenv("THAW_DATABASE_URL", store)
        yield store
        if get_store.cache_info().currsize:
            get_store().engine.dispose()
            get_store.cache_clear()


@pytest.fixture
def shared(url, tmp_path, monkeypatch, root):
    """The store of two app servers with a worker each, and their homes."""
    store, homes, apps = Store(url), [tmp_path / "one", tmp_path / "other"], []
    for home in homes:
        env = os.environ | {"THAW_HOME": str(home)}
        apps.append(
            subprocess.Popen([sys.executable, "-c", APP], cwd=root, env=env, stdin=subprocess.PIPE)
        )
    try:
        until(lambda: store.count_ready_workers() == 2)
        yield store, homes
    finally:
        for app in apps:
            app.stdin.close()
        for app in apps:
            app.wait(timeout=60)
        store.engine.dispose()


def count_events(store: Store, run: str, kind: type) -> int:
    return sum(isinstance(event, kind) for _, event in store.read_events(run))


def test_two_app_servers_execute_every_job_once_and_outlive_their_database(
    shared, postgres, monkeypatch
):
    store, homes = shared
    bound = {}
    for number in range(6):
        home = homes[number % 2]
        monkeypatch.setenv("THAW_HOME", str(home))
        bound[store.enqueue(replace(QUICK, seed=number), f"visitor {number % 3}")] = home
    anywhere = [store.enqueue(replace(QUICK, seed=9 + number), "ann") for number in range(3)]
    with store.engine.begin() as sql:
        sql.execute(update(runs).where(runs.c.id.in_(anywhere)).values(host_id=None))
    until(lambda: all(store.get_run(run).is_over for run in (*bound, *anywhere)))
    for run in (*bound, *anywhere):
        assert store.get_run(run).state == FINISHED
        assert count_events(store, run, RunStarted) == count_events(store, run, RunFinished) == 1
        assert sum((home / "runs" / run).exists() for home in homes) == 1
    for run, home in bound.items():
        assert (home / "runs" / run).exists()  # on the app server where it was queued

    with store.engine.connect() as sql:
        before = set(sql.scalars(select(workers.c.id)))
    long = store.enqueue(
        replace(QUICK, approach="scratch", examples_per_class=None, seconds=10), "ann"
    )
    until(lambda: count_events(store, long, Step) > 3)
    postgres.stop("immediate")  # as a power cut
    with pytest.raises(OperationalError):
        store.get_run(long)
    time.sleep(3)
    postgres.start()
    until(lambda: store.get_run(long).is_over)
    assert store.get_run(long).state == FINISHED
    numbers = [number for number, _ in store.read_events(long)]
    assert numbers == list(range(1, len(numbers) + 1))
    with store.engine.connect() as sql:
        assert set(sql.scalars(select(workers.c.id))) == before  # no worker died
    after = store.enqueue(QUICK, "ann")
    until(lambda: store.get_run(after).is_over)
    assert store.get_run(after).state == FINISHED


def run_of_notices(plan, *, should_stop, folder):
    for number in range(40):
        yield Notice(str(number), number / 20)
        time.sleep(0.05)
    yield JobCancelled(2.0)


def test_events_of_a_run_wait_while_the_database_is_away(url, postgres):
    store = Store(url)
    run = store.enqueue(QUICK, "ann", worker="here")
    for number, _ in enumerate(execute(store, run, QUICK, run_of_notices)):
        if number == 5:
            postgres.stop()
        if number == 30:
            postgres.start()
    texts = [event.text for _, event in store.read_events(run) if isinstance(event, Notice)]
    assert texts == [str(number) for number in range(40)]
    assert store.get_run(run).is_over
    store.engine.dispose()


def test_no_run_fails_for_missing_heartbeats_while_the_database_was_away(
    url, postgres, monkeypatch
):
    store = Store(url)
    run = store.enqueue(QUICK, "ann", worker="elsewhere")
    monkeypatch.setattr(supervisor, "CHECK_INTERVAL_SECONDS", 0.05)
    crew = supervisor.WorkerSupervisor(store, 0)
    crew._watch_thread.start()
    try:
        with store.engine.begin() as sql:
            sql.execute(update(runs).values(heartbeat_at=time.time() - 14))
        postgres.stop()
        time.sleep(2)
        postgres.start()
        time.sleep(1)
        assert store.get_run(run).state == RUNNING
        crew._closed.set()
        crew._watch_thread.join()
        with store.engine.begin() as sql:
            sql.execute(update(runs).values(heartbeat_at=time.time() - 60))
        store.fail_stale_runs()
        assert store.get_run(run).state == FAILED
    finally:
        crew._closed.set()
        store.engine.dispose()


def test_heartbeats_follow_the_clock_of_the_database(url, monkeypatch):
    store = Store(url)
    monkeypatch.setattr(time, "time", lambda: 1.0)  # this computer's clock is far off
    store.record_heartbeat("w", 1, ready=True)
    assert store.count_ready_workers() == 1
    with store.engine.connect() as sql:
        time_of_server = sql.scalar(select(server_time(store.engine)))
    assert abs(time_of_server - datetime.now().timestamp()) < 5
    store.engine.dispose()


def test_nul_characters_are_no_error(url):
    store = Store(url)
    run = store.enqueue(QUICK, "ann")
    assert store.get_run(f"{run}\0").id == run
    assert store.list_history("ann", search="digits\0")[1] == 1
    odd = {"type": "finished", "classes": ["a\0b", "\\u0000"], "test_accuracy_low": 0.5}
    with store.engine.begin() as sql:
        sql.execute(update(runs).values(result=odd))
    assert store.get_summary(run).low == 0.5
    assert store.get_run(run).result["classes"] == ["ab", "\\u0000"]
    store.engine.dispose()


def test_a_missing_server_is_an_error_within_seconds(tmp_path):
    began = time.monotonic()
    engine = connect(f"postgres://thaw:secret@/thaw?host={tmp_path}")
    with pytest.raises(OperationalError):
        engine.connect()
    assert time.monotonic() - began < 6


def test_the_id_of_a_data_folder_stays(monkeypatch, tmp_path):
    name = data_dir_id()
    assert data_dir_id() == name
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "elsewhere"))
    assert data_dir_id() != name


def test_a_command_reports_a_missing_database_in_one_line(monkeypatch, tmp_path, capsys):
    from trainers.__main__ import main

    monkeypatch.setenv("THAW_DATABASE_URL", f"postgresql://thaw:secret@/thaw?host={tmp_path}")
    assert main(["runs"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("The database cannot be used:")
    assert printed.count("\n") == 1
    assert "secret" not in printed


def test_with_shared_files_only_imports_are_bound_to_a_data_folder(url, monkeypatch):
    store = Store(url)
    jobs = QUICK, ImportData(path="x", title="y", visitor="ann")
    bound = [store.enqueue(job, "ann") for job in jobs]
    monkeypatch.setenv("THAW_ARTIFACT_URL", "memory://")
    free = [store.enqueue(job, "ann") for job in jobs]
    with store.engine.connect() as sql:
        hosts = dict(sql.execute(select(runs.c.id, runs.c.host_id)).all())
    here = data_dir_id()
    assert [hosts[run] for run in bound + free] == [here, here, None, here]
    store.engine.dispose()


def test_a_job_waits_for_the_app_server_that_has_its_files(url, monkeypatch, tmp_path):
    store = Store(url)
    run = store.enqueue(QUICK, "ann")
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    assert store.claim("worker of another computer") is None
    monkeypatch.setenv("THAW_HOME", here)
    assert store.claim("worker of this one").id == run
    store.engine.dispose()


def test_jobs_for_an_app_server_that_stays_away_fail(url, monkeypatch, tmp_path):
    monkeypatch.setattr(liveness, "MAX_HOST_MISSED_CHECKS", 3)
    store = Store(url)
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    run = store.enqueue(QUICK, "ann")
    store.record_heartbeat("theirs", 1, ready=True)
    monkeypatch.setenv("THAW_HOME", here)
    store.record_heartbeat("ours", 2, ready=True)
    ours, watch = store.enqueue(QUICK, "bob"), liveness.LivenessMonitor(store)
    assert store.estimate_wait("cid").position == 2
    for _ in range(6):
        watch.check()
    assert store.get_run(run).state == QUEUED
    store.remove_worker("theirs", "")
    assert store.estimate_wait("cid").position == 1
    for _ in range(3):
        watch.check()
    assert store.get_run(run).state == QUEUED
    # The same worker has this data folder by now: a container with another name.
    store.record_heartbeat("theirs", 1, ready=True)
    watch.check()
    assert store.get_run(run).state == FAILED
    assert "Start this again" in store.get_run(run).result["text"]
    assert store.get_run(ours).state == QUEUED
    store.engine.dispose()


def test_a_worker_of_an_older_version_may_have_any_data_folder(url, monkeypatch, tmp_path):
    monkeypatch.setattr(liveness, "MAX_HOST_MISSED_CHECKS", 0)
    store = Store(url)
    here = os.environ["THAW_HOME"]
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "other"))
    run = store.enqueue(QUICK, "ann")
    store.record_heartbeat("theirs", 1, ready=True)
    with store.engine.begin() as sql:
        sql.execute(update(workers).values(host_id=None))
    monkeypatch.setenv("THAW_HOME", here)
    liveness.LivenessMonitor(store).check()
    assert store.get_run(run).state == QUEUED
    store.engine.dispose()
