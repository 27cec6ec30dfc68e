"""A connection that is lost during COMMIT: the writer cannot know whether its events are stored."""

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


def notice_texts(run: str) -> list[str]:
    return [event.text for _, event in get_store().read_events(run) if isinstance(event, Notice)]


def notices(*numbers: int) -> list[Notice]:
    return [Notice(str(number), float(number)) for number in numbers]


@pytest.fixture
def lost(monkeypatch):
    """Add to this list to lose the answers of as many commits."""
    dialect, left = get_store().engine.dialect, []
    commit = dialect.do_commit

    def commit_without_answer(connection) -> None:
        commit(connection)
        if left:
            left.pop()
            raise sqlite3.OperationalError("the connection was lost")

    monkeypatch.setattr(dialect, "do_commit", commit_without_answer)
    return left


def test_events_whose_commit_was_not_acknowledged_are_not_stored_twice(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    get_store().append(run, notices(0))
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, notices(1, 2))
    lost += [1]
    with pytest.raises(OperationalError):  # with one more event, and again without an answer
        get_store().append(run, notices(1, 2, 3))
    get_store().append(run, notices(1, 2, 3, 4))
    get_store().append(run, notices(5))
    assert notice_texts(run) == ["0", "1", "2", "3", "4", "5"]


def test_events_whose_commit_failed_are_stored_by_the_next_append(home, monkeypatch):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    with monkeypatch.context() as broken:
        broken.setattr(get_store().engine.dialect, "do_commit", fail_commit)
        with pytest.raises(OperationalError):
            get_store().append(run, notices(1, 2))
    get_store().append(run, notices(1, 2, 3))
    assert notice_texts(run) == ["1", "2", "3"]


def fail_commit(connection) -> None:
    connection.rollback()
    raise sqlite3.OperationalError("the connection was lost")


def test_other_events_than_the_lost_ones_are_appended(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, notices(1))
    get_store().append(run, notices(2))
    assert notice_texts(run) == ["1", "2"]


def test_an_end_event_whose_commit_was_not_acknowledged_ends_the_run_once(home, lost):
    run = get_store().enqueue(PLAN, ANN, worker="w")
    end = [*notices(1), JobCancelled(1.0)]
    lost += [1]
    with pytest.raises(OperationalError):
        get_store().append(run, end)
    get_store().append(run, end)
    assert get_store().get_run(run).state == CANCELLED
    assert len(get_store().read_events(run)) == 2


# --- a real server --------------------------------------------------------------------------------


class CuttingProxy:
    """A proxy of a PostgreSQL that can drop a connection between a COMMIT and its answer.

    `cut.set()` makes it do that at the next COMMIT.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.target, self.cut, self.cuts = target, threading.Event(), 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / ".s.PGSQL.5432"))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.forward, args=(client,)).start()

    def forward(self, client: socket.socket) -> None:
        server, committing = socket.socket(socket.AF_UNIX), threading.Event()

        def return_answers() -> None:
            with suppress(OSError):
                while answer := server.recv(65536):
                    if committing.is_set():
                        self.cuts += 1
                        break
                    client.sendall(answer)
            with suppress(OSError):  # the client closed first
                client.shutdown(socket.SHUT_RDWR)

        with client, server:
            server.connect(self.target)
            answers = threading.Thread(target=return_answers)
            answers.start()
            with suppress(OSError):
                while request := client.recv(65536):
                    if self.cut.is_set() and b"COMMIT" in request:
                        self.cut.clear()
                        committing.set()
                    server.sendall(request)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            answers.join()


@contextmanager
def cutting_proxy(url: str) -> Iterator[tuple[CuttingProxy, str]]:
    """Yield a proxy, and the address of the database through it."""
    target = url.partition("host=")[2]
    with TemporaryDirectory(prefix="thaw-proxy-") as folder:  # a socket's path must be short
        proxy = CuttingProxy(Path(folder), f"{target}/.s.PGSQL.5432")
        try:
            yield proxy, url.replace(target, folder)
        finally:
            get_store().engine.dispose()
            proxy.listener.shutdown(socket.SHUT_RDWR)
            proxy.listener.close()


def test_a_run_whose_connection_is_cut_repeatedly_stores_every_event_once(postgres, monkeypatch):
    with postgres.database() as url, cutting_proxy(url) as (proxy, address):
        monkeypatch.setenv("THAW_DATABASE_URL", address)
        run = get_store().enqueue(PLAN, ANN, worker="here")

        def run_of_notices(plan, *, should_stop, folder):
            for number in range(60):
                if number % 10 == 5:
                    proxy.cut.set()
                yield Notice(str(number), number / 20)
                time.sleep(0.05)
            yield JobCancelled(3.0)

        list(execute(get_store(), run, PLAN, run_of_notices))
        assert proxy.cuts >= 4
        assert notice_texts(run) == [str(number) for number in range(60)]
