"""The app itself: killed, started again, twice on one data folder, its page closed."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import psutil
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from tests.support.forged import plan, texts, told, until
from trainers.events import RunFinished, RunStarted, Step, ValidationDone
from trainers.plan import Plan
from trainers.store import FAILED, FINISHED, RUNNING, get_store, resume
from trainers.store.tables import runs, workers
from trainers.workers.supervisor import ROOT

ANN = "ann-of-the-tests-00"
LONG = Plan(data="digits", approach="scratch", examples_per_class=20, seconds=120)
QUICK = Plan(data="digits", approach="none", examples_per_class=5, seconds=5)


@contextmanager
def app(home):
    """`streamlit run app.py`, with a worker; killed in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    with open(home.parent / f"app-{port}.log", "w") as log:
        process = subprocess.Popen(
            [*command, "--server.port", port],
            cwd=ROOT,
            env=os.environ | {"THAW_HOME": str(home), "THAW_WORKERS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def crew(process) -> set[int]:
    """Numbers of its workers, once both have said that they live."""

    def there():
        with get_store().engine.connect() as sql:
            known = set(sql.scalars(select(workers.c.pid)))
        return {child.pid for child in psutil.Process(process.pid).children()} & known

    return until(lambda: len(found := there()) == 2 and found)


def whose(run: str) -> int:
    """The number of the worker that has it."""
    with get_store().engine.connect() as sql:
        mine = select(workers.c.pid).join(runs, runs.c.worker_id == workers.c.id)
        return sql.scalar(mine.where(runs.c.id == run))


def test_two_apps_on_one_folder_one_closed_the_other_killed_and_started_again(home):
    with app(home) as one, app(home) as other:
        crews = {process: crew(process) for process in (one, other)}
        long = get_store().enqueue(LONG, ANN)
        until(lambda: sum(isinstance(event, ValidationDone) for event in told(long)) > 3)
        has = next(process for process in crews if whose(long) in crews[process])
        (lacks,) = {one, other} - {has}
        # --- closed: the other's run goes on
        lacks.terminate()
        lacks.wait(timeout=60)
        until(lambda: not any(map(psutil.pid_exists, crews[lacks])))
        before = len(told(long))
        until(lambda: len(told(long)) > before + 3)
        assert get_store().get_run(long).state == RUNNING
        waiting = get_store().enqueue(QUICK, "bob")
        until(lambda: resume.find_resume_point(long))
        # --- killed: its workers end, and say so
        has.send_signal(signal.SIGKILL)
        has.wait()
        until(lambda: not any(map(psutil.pid_exists, crews[has])))
        assert get_store().get_run(long).state == FAILED
        assert "Thaw ended while this ran" in texts(long)
        assert resume.find_resume_point(long).seconds > 0
    # --- and again: what waited is run, what was interrupted goes on
    with app(home):
        until(lambda: get_store().get_run(waiting).is_over)
        assert get_store().get_run(waiting).state == FINISHED
        again = resume.resume_run(get_store(), long, ANN)
        until(lambda: any(isinstance(event, Step) for event in told(again)))
        get_store().request_stop(again)
        until(lambda: get_store().get_run(again).is_over)
    assert get_store().get_run(again).state == FINISHED, texts(again)
    assert sum(isinstance(event, RunStarted) for event in told(again)) == 1
    assert "was interrupted, and goes on here" in texts(again)
    assert told(again)[0] == told(long)[0]


def test_two_workers_execute_each_job_once(toy, forge, home):
    for _ in range(2):  # which both find no database yet
        forge.worker(home, jobs=99)
    until(lambda: get_store().count_ready_workers() == 2)
    keys = [
        get_store().enqueue(plan(approach="simple"), name) for name in "abcdef" for _ in range(3)
    ]
    until(lambda: all(get_store().get_run(key).is_over for key in keys))
    for key in keys:
        kinds = [type(event) for event in told(key)]
        assert kinds.count(RunStarted) == kinds.count(RunFinished) == 1


def test_a_run_whose_page_was_closed_goes_on_and_its_page_shows_all_of_it(toy, forge, home):
    """A page is a reader: each of these is a browser's session of its own."""

    def opened() -> AppTest:
        at = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=60)
        at.session_state["visitor"] = ANN
        at.run()
        at.query_params["run"] = key
        at.switch_page("run.py").run()
        assert not at.exception
        return at

    key = get_store().enqueue(plan(approach="scratch", seconds=60), ANN)
    worker = forge.worker(home, slow=0.01)
    until(lambda: any(isinstance(event, ValidationDone) for event in told(key)))
    assert "Cancel" in [button.label for button in opened().button]
    # Closed: nothing of it is left, and nobody asks for the run.
    before = len(told(key))
    until(lambda: len(told(key)) > before + 10)
    get_store().request_stop(key)
    assert worker.ended() == 0, worker.log.read_text()
    back = opened()
    shown = " ".join(element.value for element in (*back.markdown, *back.caption))
    assert f"{told(key)[-1].test_accuracy:.0%}" in shown
    looks = [event for event in told(key) if isinstance(event, ValidationDone)]
    assert len(looks) > 3
    assert "Run again" in [button.label for button in back.button]
