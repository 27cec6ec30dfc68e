"""Real worker processes finish queued runs, are replaced when they die, and end with the app."""

import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from trainers.events import Step
from trainers.plan import Plan
from trainers.store import FAILED, FINISHED, RUNNING, Store
from trainers.system.paths import database_url
from trainers.system.processes import get_worker_count
from trainers.workers import liveness
from trainers.workers.supervisor import ROOT, WorkerSupervisor, describe_exit

PATIENCE_SECONDS = 150  # a busy machine imports torch slowly
QUICK = Plan(data="digits", approach="transfer", examples_per_class=5, seconds=5)
LONG = Plan(data="digits", approach="scratch", seconds=300)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    """One data folder for the whole module: a worker that starts late must find it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THAW_HOME", str(folder))
        patch.delenv("THAW_DATABASE_URL", raising=False)
        yield folder


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A data folder for a test that counts workers, without those of other tests."""
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "home"))


@contextmanager
def a_store():
    made = Store(database_url())
    yield made
    made.engine.dispose()


@pytest.fixture(scope="module")
def crew(home):
    with a_store() as runs, WorkerSupervisor(runs, 1) as workers:
        until(lambda: runs.count_ready_workers() == 1)
        yield runs, workers


def until(condition) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE_SECONDS, "It took too long."
        time.sleep(0.05)


def ended(runs, key):
    until(lambda: runs.get_run(key).is_over)
    return runs.get_run(key)


def test_a_queued_run_is_finished_and_its_weights_are_saved(crew, home):
    runs, _ = crew
    key = runs.enqueue(QUICK, "ann")
    over = ended(runs, key)
    assert over.state == FINISHED, over.result
    assert over.result["test_accuracy"] > 0.3
    assert (home / "runs" / key / "model.safetensors").is_file()


def test_a_killed_worker_fails_its_run_and_is_replaced(crew):
    runs, workers = crew
    key = runs.enqueue(LONG, "ann")
    until(lambda: any(isinstance(event, Step) for _, event in runs.read_events(key)))
    (name,) = (name for name in workers.processes if not name.startswith("light-"))
    process = workers.processes[name]
    psutil.Process(process.pid).kill()
    over = ended(runs, key)
    assert over.state == FAILED
    assert "SIGKILL" in over.result["text"]
    assert "Another takes its place" in over.result["text"]
    until(lambda: runs.count_ready_workers() == 1)
    assert name not in workers.processes
    assert ended(runs, runs.enqueue(QUICK, "ann")).state == FINISHED


def test_closing_ends_the_processes_and_their_runs(own_home):
    with a_store() as runs:
        with WorkerSupervisor(runs, 1) as workers:
            processes = list(workers.processes.values())
            children = [psutil.Process(process.pid) for process in processes]
            key = runs.enqueue(LONG, "ann")
            until(lambda: runs.get_run(key).state == RUNNING)
        assert len(processes) == 2  # one that trains, one that reads
        assert all(process.poll() is not None for process in processes)
        assert not any(child.is_running() for child in children)
        assert runs.get_run(key).state == FAILED
        assert "Thaw was closed" in runs.get_run(key).result["text"]
        assert runs.count_ready_workers() == 0


def test_runs_of_a_dead_app_fail_when_the_next_app_starts(own_home, monkeypatch):
    with a_store() as runs:
        key = runs.enqueue(LONG, "ann")
        runs.claim("a worker that is no more")
        monkeypatch.setattr(liveness, "MAX_MISSED_CHECKS", 3)
        with WorkerSupervisor(runs, 0):
            assert ended(runs, key).state == FAILED


def test_a_worker_ends_when_the_app_dies(own_home):
    """Even if it is killed and cannot end them."""
    app = (
        "import time\nfrom trainers.store import get_store\n"
        "from trainers.workers.supervisor import WorkerSupervisor\n"
        "with WorkerSupervisor(get_store(), 1) as workers:\n"
        "    print(*(process.pid for process in workers.processes.values()), flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", app], cwd=ROOT, stdout=subprocess.PIPE)
    crew = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert crew
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not any(map(is_alive, crew)))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_number_of_workers_can_be_set(monkeypatch):
    monkeypatch.setenv("THAW_WORKERS", "3")
    assert get_worker_count() == 3
    monkeypatch.delenv("THAW_WORKERS")
    assert get_worker_count() >= 1


def test_the_exit_of_a_worker_is_explained():
    assert "SIGKILL" in describe_exit(-9)
    assert "memory" in describe_exit(-9)
    assert "code 1" in describe_exit(1)
