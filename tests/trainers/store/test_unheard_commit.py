"""A connection that is lost just after COMMIT: whether what was written is there, nobody heard."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.exc import OperationalError

from trainers.events import JobCancelled, Notice
from trainers.plan import Plan
from trainers.store import CANCELLED, get_store
from trainers.workers.execute import execute

PLAN = Plan(data="digits", approach="none")
ANN = "ann-of-the-tests-00"


def told(run: str) -> list[str]:
    return [event.text for _, event in get_store().read_events(run) if isinstance(event, Notice)]


def notices(*numbers: int) -> list[Notice]:
    return [Notice(str(number), float(number)) for number in numbers]


@pytest.fixture
def lost(monkeypatch):
    """How many commits are to be done and not heard of."""
    dialect, left = get_store().engine.dialect, []
    commit = dialect.do_commit

    def unheard(connection) -> None:
        commit(connection)
        if left:
            left.pop()
            raise sqlite3.OperationalError("the connection was lost")

    monkeypatch.setattr(dialect, "do_commit", unheard)
    return left


def test_what_was_written_unheard_is_not_written_again(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    get_store().append(run, notices(0))
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, notices(1, 2))
    lost += [1]
    with pytest.raises(OperationalError):  # more has come meanwhile, and again nobody hears
        get_store().append(run, notices(1, 2, 3))
    get_store().append(run, notices(1, 2, 3, 4))
    get_store().append(run, notices(5))
    assert told(run) == ["0", "1", "2", "3", "4", "5"]


def test_what_was_not_written_is_written_the_next_time(home, monkeypatch):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    with monkeypatch.context() as broken:
        broken.setattr(get_store().engine.dialect, "do_commit", failed)
        with pytest.raises(OperationalError):
            get_store().append(run, notices(1, 2))
    get_store().append(run, notices(1, 2, 3))
    assert told(run) == ["1", "2", "3"]


def failed(connection) -> None:
    connection.rollback()
    raise sqlite3.OperationalError("the connection was lost")


def test_who_gives_up_and_tells_something_else_is_heard(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, notices(1))
    get_store().append(run, notices(2))
    assert told(run) == ["1", "2"]


def test_an_end_that_was_written_unheard_is_the_end(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    end = [*notices(1), JobCancelled(1.0)]
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, end)
    get_store().append(run, end)
    assert get_store().get_run(run).state == CANCELLED
    assert len(get_store().read_events(run)) == 2


# --- a real server --------------------------------------------------------------------------------


class Wire:
    """Between us and a PostgreSQL; where it is told to, it cuts once a COMMIT was done, before its
    answer comes."""

    def __init__(self, folder: Path, behind: str) -> None:
        self.behind, self.cut, self.cuts = behind, threading.Event(), 0
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(folder / ".s.PGSQL.5432"))
        self.door.listen()
        threading.Thread(target=self.open, daemon=True).start()

    def open(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self.door.accept()
                threading.Thread(target=self.carry, args=(ours,)).start()

    def carry(self, ours: socket.socket) -> None:
        theirs, committing = socket.socket(socket.AF_UNIX), threading.Event()

        def back() -> None:
            with suppress(OSError):
                while answer := theirs.recv(65536):
                    if committing.is_set():
                        self.cuts += 1
                        break
                    ours.sendall(answer)
            with suppress(OSError):  # it went first
                ours.shutdown(socket.SHUT_RDWR)

        with ours, theirs:
            theirs.connect(self.behind)
            answers = threading.Thread(target=back)
            answers.start()
            with suppress(OSError):
                while said := ours.recv(65536):
                    if self.cut.is_set() and b"COMMIT" in said:
                        self.cut.clear()
                        committing.set()
                    theirs.sendall(said)
            with suppress(OSError):
                theirs.shutdown(socket.SHUT_RDWR)
            answers.join()


@contextmanager
def wired(url: str) -> Iterator[tuple[Wire, str]]:
    """Such a wire, and the address of the database behind it."""
    behind = url.partition("host=")[2]
    with TemporaryDirectory(prefix="thaw-wire-") as folder:  # a socket's path must be short
        wire = Wire(Path(folder), f"{behind}/.s.PGSQL.5432")
        try:
            yield wire, url.replace(behind, folder)
        finally:
            get_store().engine.dispose()
            wire.door.shutdown(socket.SHUT_RDWR)
            wire.door.close()


def test_a_run_whose_connection_is_cut_again_and_again_tells_everything_once(postgres, monkeypatch):
    with postgres.database() as url, wired(url) as (wire, address):
        monkeypatch.setenv("THAW_DATABASE_URL", address)
        run = get_store().enqueue(PLAN, ANN, worker="here")

        def talks(plan, *, should_stop, folder):
            for number in range(60):
                if number % 10 == 5:
                    wire.cut.set()
                yield Notice(str(number), number / 20)
                time.sleep(0.05)
            yield JobCancelled(3.0)

        list(execute(get_store(), run, PLAN, talks))
        assert wire.cuts >= 4
        assert told(run) == [str(number) for number in range(60)]
