"""A database that is locked for long, damaged, or cut in the middle of a write."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import event as sql_event
from streamlit.testing.v1 import AppTest

from tests.support.forged import PATIENCE_SECONDS, plan, told, until
from trainers.__main__ import main
from trainers.events import JobFailed, Notice, ValidationDone
from trainers.store import FINISHED, RUNNING, RunNotFound, Store, get_store
from trainers.system import backups
from trainers.system.errors import StoreUnavailable
from trainers.workers.liveness import MAX_MISSED_CHECKS, LivenessMonitor
from trainers.workers.supervisor import ROOT

FRAME = str(ROOT / "pages" / "frame.py")
ANN = "ann-of-the-tests-00"


def page(name: str = "runs.py", **query: str) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = ANN
    at.run()
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page(name).run()
    return at


# --- locked ---------------------------------------------------------------------------------------

LOCKER = """
import sqlite3, sys
sql = sqlite3.connect(sys.argv[1], isolation_level=None)
sql.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(home):
    """By another program, as a backup does."""
    command = [sys.executable, "-c", LOCKER, str(home / "thaw.db")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as program:
        assert program.stdout.readline() == "locked\n"
        yield
        program.stdin.close()


def impatient(made: Store) -> None:
    """As faults.impatient, in this process."""
    short = lambda connection, _: connection.execute("PRAGMA busy_timeout = 100")  # noqa: E731
    sql_event.listen(made.engine, "connect", short)
    made.engine.dispose()


def test_a_run_goes_on_while_the_database_is_locked_and_nobody_buries_it(toy, forge, home):
    key = get_store().enqueue(plan(approach="scratch", seconds=60), ANN)
    worker = forge.worker(home, jobs=2, slow=0.02, impatient=100)
    until(lambda: any(isinstance(event, ValidationDone) for event in told(key)))
    impatient(get_store())
    watch, refused = LivenessMonitor(get_store()), 0
    with locked(home):
        until(lambda: "keeps Thaw's database" in worker.log.read_text())
        before = len(told(key))
        for _ in range(4 * MAX_MISSED_CHECKS):
            try:
                watch.check()
            except Exception:
                refused += 1
        assert refused
        assert get_store().get_run(key).state == RUNNING
    get_store().request_stop(key)
    until(lambda: get_store().get_run(key).is_over)
    assert get_store().get_run(key).state == FINISHED
    assert told(key)[-1].stopped_by_user  # the event writer still polls
    assert len(told(key)) > before
    following = get_store().enqueue(plan(), ANN)
    assert worker.ended() == 0, worker.log.read_text()
    assert get_store().get_run(following).state == FINISHED


def test_a_page_says_who_is_in_the_way_and_works_when_it_is_gone(home):
    key = get_store().enqueue(plan(data="digits", approach="none"), ANN)
    impatient(get_store())
    with locked(home):
        at = page("run.py", run=key)
        assert not at.exception  # reading goes on
        (cancel,) = [button for button in at.button if button.label == "Cancel"]
        cancel.click().run()
        assert not at.exception
        assert "Another program keeps" in at.error[0].value
        assert "Nothing is lost" in at.error[0].value
    (cancel,) = [button for button in page("run.py", run=key).button if button.label == "Cancel"]
    cancel.click().run()
    assert get_store().get_run(key).is_over


# --- cut in the middle of a write -----------------------------------------------------------------

CUT = """
import os, signal, sys
from trainers.events import Notice
from trainers.store import get_store
runs, key = get_store(), sys.argv[1]
for number in range(20):
    runs.append(key, [Notice(str(number), float(number))])
sql = runs.engine.raw_connection()
sql.execute("PRAGMA cache_spill = 1")
sql.execute("PRAGMA cache_size = 5")  # pages: the rest is in the file before it is committed
sql.execute("BEGIN IMMEDIATE")
for number in range(1000):
    values = (key, 100 + number, '{"half": "' + "x" * 900)
    sql.execute("INSERT INTO events VALUES (?, ?, ?)", values)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_write_that_was_cut_leaves_what_was_written_before_and_nothing_of_itself(home):
    key = get_store().enqueue(plan(data="digits", approach="none"), ANN, worker="cut")
    done = subprocess.run(
        [sys.executable, "-c", CUT, key], cwd=ROOT, check=False, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == -signal.SIGKILL
    assert os.path.getsize(home / "thaw.db-wal") > 500_000  # it was on its way
    assert told(key) == [Notice(str(number), float(number)) for number in range(20)]
    with closing(sqlite3.connect(home / "thaw.db")) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    get_store().append(key, [JobFailed("It was cut.", 1.0)])
    assert get_store().get_run(key).is_over


def test_the_end_of_a_run_is_forced_to_the_disk_and_a_step_is_not(home):
    """FULL is 2, NORMAL 1: sqlite.org/pragma.html#pragma_synchronous."""
    seen = []

    def looked(connection, _, statement, *__) -> None:
        if statement.startswith("INSERT INTO events"):
            sql = connection.connection.cursor()
            seen.append(sql.execute("PRAGMA synchronous").fetchone()[0])

    sql_event.listen(get_store().engine, "before_cursor_execute", looked)
    key = get_store().enqueue(plan(data="digits", approach="none"), ANN, worker="worker")
    get_store().append(key, [Notice("a step", 0.0)])
    get_store().append(key, [JobFailed("The end.", 1.0)])
    again = get_store().enqueue(plan(data="digits", approach="none"), ANN, worker="worker")
    get_store().append(again, [Notice("a step of the next", 0.0)])
    assert seen == [1, 2, 1]


# --- damaged --------------------------------------------------------------------------------------


def filled(home) -> list[str]:
    """Fill the database with runs and events, without a write-ahead log; return the runs' ids."""
    keys = [
        get_store().enqueue(plan(data="digits", approach="none"), ANN, worker="w")
        for _ in range(40)
    ]
    for key in keys:
        get_store().append(key, [Notice("x" * 500, float(number)) for number in range(20)])
        get_store().append(key, [JobFailed("The end.", 1.0)])
    closed()
    with closing(sqlite3.connect(home / "thaw.db")) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return keys


def closed() -> None:
    """Close the store, as when Thaw ends."""
    if get_store.cache_info().currsize:
        get_store().engine.dispose()
        get_store.cache_clear()


def overwritten(file) -> None:
    """Overwrite the middle half, as a bad disk does; fewer pages might never be read."""
    pages = file.stat().st_size // 4096
    with open(file, "rb+") as opened:
        opened.seek(pages // 4 * 4096)
        opened.write(bytes(range(256)) * 16 * (pages // 2))


def truncated(file) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def another_thing(file) -> None:
    file.write_bytes(b"This is no database. " * 1000)


DAMAGES = [overwritten, truncated, another_thing]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_moved_aside_and_its_newest_backup_restored(damage, home, capsys):
    keys = filled(home)
    file = home / "thaw.db"
    backup = backups.back_up(file)
    later = get_store().enqueue(plan(data="digits", approach="none"), ANN)
    closed()
    damage(file)
    content = file.read_bytes()
    assert main(["storage"]) == 2  # it reads every table
    printed = capsys.readouterr().err
    assert "is damaged. It was left as it is" in printed
    assert "thaw repair" in printed
    assert str(backup) in printed
    assert "Traceback" not in printed
    assert file.read_bytes() == content
    closed()
    assert main(["repair"]) == 0
    printed = capsys.readouterr().out
    damaged = next(name for name in backups.list_damaged(file) if name.suffix[-4:] != "-wal")
    assert str(damaged) in printed
    assert str(backup) in printed
    assert damaged.read_bytes() == content
    assert {past.id for past in get_store().list_history(ANN, limit=99)[0]} == {*keys}
    assert {len(told(key)) for key in keys} == {21}
    with pytest.raises(RunNotFound):
        get_store().get_run(later)
    assert not page().exception
    assert not page("run.py", run=keys[0]).exception
    assert get_store().enqueue(plan(data="digits", approach="none"), ANN)
    closed()
    assert main(["repair"]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    assert backups.list_backups(file) == [backup]


def test_without_a_backup_a_damaged_database_stays_where_it_is(home, capsys):
    filled(home)
    overwritten(home / "thaw.db")
    content = (home / "thaw.db").read_bytes()
    assert main(["storage"]) == 2
    assert "has no backup" in capsys.readouterr().err
    closed()
    assert main(["repair"]) == 2
    assert "has no intact backup" in capsys.readouterr().err
    assert (home / "thaw.db").read_bytes() == content
    assert not backups.list_damaged(home / "thaw.db")


def test_a_damaged_backup_is_not_restored(home):
    filled(home)
    file = home / "thaw.db"
    intact = backups.back_up(file)
    newer = intact.with_name(f"{file.name}.2999-01-01-000000")
    shutil.copyfile(intact, newer)
    for damaged in (file, newer):
        overwritten(damaged)
    assert backups.list_backups(file)[0] == newer
    assert backups.restore_backup().backup == intact


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_page_says_that_it_is_damaged(damage, home):
    filled(home)
    backups.back_up(home / "thaw.db")
    damage(home / "thaw.db")
    shown = [page(), page("run.py", run="any")]
    assert not any(at.exception for at in shown)
    errors = [error.value for at in shown for error in at.error]
    assert any("is damaged" in text and "thaw repair" in text for text in errors)


def test_the_app_does_not_start_on_what_is_no_database_and_says_so(home):
    filled(home)
    another_thing(home / "thaw.db")
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    done = subprocess.run(
        [*command, "--server.port", "0"],
        cwd=ROOT,
        env=os.environ | {"THAW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2, done
    assert "is damaged, and has no backup" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_database_in_use_is_not_restored(home, capsys):
    filled(home)
    with locked(home):
        assert main(["repair"]) == 2
    assert "is in use" in capsys.readouterr().err
    assert not backups.list_damaged(home / "thaw.db")


def test_a_damaged_database_is_not_upgraded(home):
    filled(home)
    file = home / "thaw.db"
    with closing(sqlite3.connect(file)) as sql:
        sql.execute("UPDATE alembic_version SET version_num = '0003'")
        sql.commit()
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    intact = backups.back_up(file)
    overwritten(file)
    with pytest.raises(StoreUnavailable, match="is damaged"):
        get_store()
    assert backups.list_backups(file) == [intact]
