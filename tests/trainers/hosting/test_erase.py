"""Deleted is deleted: not a byte of it stays in the home of Thaw."""

import random
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, text

from tests.support.own_data import own_texts
from trainers.data_checks.findings import Finding, FindingExample
from trainers.datasets import uploads
from trainers.datasets.uploads import inbox
from trainers.events import JobDone, JobFailed, Notice, WatchedExamples
from trainers.hosting import accounts, erase, sharing
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import RoomNotFound, get_rooms
from trainers.jobs import DataCheck, Export, ImportData
from trainers.plan import Plan
from trainers.store import RunNotFound, get_store, scrub_marker_path
from trainers.store.tables import usage
from trainers.system import backups
from trainers.system.paths import bundle_path, data_dir, run_dir

pytestmark = pytest.mark.usefixtures("database")

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
OF_DATA, OF_RUN, OF_BOB = "MARK-OF-DATA-q7", "MARK-OF-RUN-w8", "MARK-OF-BOB-e9"
MANY = 60  # rows before and after, so that pages of the database are split


def traces(marker: str) -> list[str]:
    """The files under home, and those of PostgreSQL's tables, that have a byte of it: its content,
    or their names."""
    found = []
    for folder in (data_dir(), *of_tables()):
        for file in folder.rglob("*"):
            told = marker in str(file.relative_to(folder))
            if told or (file.is_file() and marker.encode() in file.read_bytes()):
                found.append(str(file.relative_to(folder)))
    return found


def of_tables() -> list[Path]:
    """Where PostgreSQL has the database's tables, written to the disk."""
    if get_store().engine.dialect.name == "sqlite":
        return []
    with get_store().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
        sql.execute(text("CHECKPOINT"))
        where = sql.scalar(text("SELECT setting FROM pg_settings WHERE name = 'data_directory'"))
        number = text("SELECT oid FROM pg_database WHERE datname = current_database()")
        return [Path(where) / "base" / str(sql.scalar(number))]


def belongings(folder: Path, visitor: str, of_data: str, of_run: str) -> tuple[str, str]:
    """All that a visitor leaves who brings data and runs on it; its key and the run's."""
    draft = inbox.create_draft(visitor)
    inbox.reserve_file(inbox.find_draft(draft), 10).write_text(f"a file with {of_data}")
    data = own_texts(folder, visitor, marker=of_data, title=f"{of_data}.csv")
    about = data_dir() / "data" / data.removeprefix("own-") / "about.json"
    about.write_text(about.read_text().replace('"notices"', f'"draft": "{draft}", "notices"', 1))
    reading = ImportData(path=str(inbox.find_draft(draft)), title=f"{of_data}.csv", visitor=visitor)
    key = get_store().enqueue(reading, visitor, worker="test")
    get_store().append(key, [Notice(f"{of_data}.csv was read", 0.1), JobDone({"data": data}, 1.0)])
    shown = (FindingExample(example=f"example {of_data}", label="good", note=""),)
    finding = Finding(key="x", title="t", count=1, effect="e", severity="note", examples=shown)
    uploads.save_check(data, {"findings": [finding.as_json()]})
    check = get_store().enqueue(DataCheck(data=data), visitor, worker="test")
    get_store().append(check, [JobDone({"findings": [finding.as_json()]}, 1.0)])
    run = get_store().enqueue(Plan(data=data, approach="simple"), visitor, worker="test")
    told = [WatchedExamples([0, 1], [f"{n} {of_data} {'x' * 400}" for n in range(2)], [0, 1])]
    told += [Notice(f"{of_run} {number} {'y' * number * 40}", 0.1) for number in range(MANY)]
    get_store().append(run, [*told, JobFailed("The end.", 1.0)])
    get_store().annotate(run, visitor, name=f"name {of_run}", note=f"note {of_run}")
    run_dir(run).mkdir(parents=True)
    (run_dir(run) / "words.json").write_text(f'["{of_data}"]')
    (run_dir(run) / "model.safetensors").write_bytes(of_run.encode())
    bundle_path(run).write_bytes(of_data.encode())
    get_store().enqueue(Export(key=run, visitor=visitor), visitor)
    return data, run


@pytest.fixture
def anns(tmp_path):
    """Ann's belongings, among Bob's."""
    for number in range(2):
        belongings(tmp_path / f"b{number}", BOB, OF_BOB, OF_BOB)
    found = belongings(tmp_path / "a", ANN, OF_DATA, OF_RUN)
    belongings(tmp_path / "c", BOB, OF_BOB, OF_BOB)
    assert traces(OF_DATA)
    assert traces(OF_RUN)
    return found


def an_hour_later(monkeypatch) -> None:
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    get_store().purge_deleted()
    assert erase.scrub()


def test_of_deleted_data_no_byte_stays_and_its_runs_do(anns):
    data, run = anns
    erase.erase_data(data)
    assert erase.scrub()
    assert traces(OF_DATA) == []
    assert get_store().get_run(run).id == run
    assert traces(OF_RUN)  # their name, and what they told, is not the data's
    assert traces(OF_BOB)


def test_of_a_deleted_run_no_byte_stays_once_it_cannot_come_back(anns, monkeypatch):
    _, run = anns
    get_store().delete([run], ANN)
    assert traces(OF_RUN)
    an_hour_later(monkeypatch)
    assert traces(OF_RUN) == []
    assert traces(OF_DATA)
    assert traces(OF_BOB)


def test_also_of_what_the_database_had_moved_about(monkeypatch):
    """Seen without a file written anew: a page that is split leaves a copy of what was on it."""
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    chance, there = random.Random(2), []  # noqa: S311, drawn lengths
    for number in range(90):
        marker = OF_RUN if number % 3 == 0 else OF_BOB
        run = get_store().enqueue(Plan(data="digits", approach="none"), ANN, worker="test")
        lengths = [chance.choice([50, 200, 900]) for _ in range(chance.randint(1, 40))]
        get_store().append(run, [Notice(marker + "e" * length, 0.1) for length in lengths])
        get_store().annotate(run, ANN, name=marker, note=marker + "n" * chance.randint(0, 900))
        there += [run] if marker == OF_RUN else []
        gone = [one for one in there if chance.random() < 0.3]
        there = [one for one in there if one not in gone]
        get_store().delete(gone, ANN)
        get_store().purge_deleted()
    get_store().delete(there, ANN)
    get_store().purge_deleted()
    assert erase.scrub()
    assert traces(OF_RUN) == []
    assert traces(OF_BOB)


def test_of_everything_no_byte_stays_at_once(anns):
    _, run = anns
    inbox.reserve_file(inbox.find_draft(inbox.create_draft(ANN)), 10).write_text(
        OF_DATA
    )  # not yet read
    token = sharing.share_run(run, ANN)
    accounts.save_redirect(ANN, "run", {"search": OF_RUN})
    erase.erase_visitor(ANN)
    assert erase.scrub()
    assert traces(OF_DATA) == traces(OF_RUN) == traces(token) == []
    assert traces(ANN) == []
    assert uploads.list_uploads(ANN) == get_store().list_runs(ANN) == []
    assert len(uploads.list_uploads(BOB)) == 3
    assert len(get_store().list_runs(BOB)) == 3


def test_backups_are_replaced_by_one_without_the_deleted(anns):
    is_file = get_store().engine.dialect.name == "sqlite"
    if is_file:
        backups.back_up(data_dir() / "thaw.db")
        (data_dir() / "thaw.db.before-0002").write_text(OF_RUN)  # of version 0.1.0
    erase.erase_visitor(ANN)
    assert erase.scrub()
    assert len(backups.list_backups(data_dir() / "thaw.db")) == is_file
    assert traces(OF_RUN) == []


def test_rooms_forget_them_and_one_that_they_lead_is_closed(anns):
    hers, his = (get_rooms().open_room("A room", RoomSettings(), who) for who in (ANN, BOB))
    get_rooms().join(his.code, "Ann", ANN)
    plan = get_rooms().get_room(his.code).settings.make_plan("transfer", 1)
    assert get_rooms().enqueue(plan, ANN)
    assert [line.name for line in get_rooms().read_board(his.code)] == ["Ann"]
    erase.erase_visitor(ANN)
    assert get_rooms().read_board(his.code) == get_rooms().list_people(his.code) == []
    with pytest.raises(RoomNotFound):
        get_rooms().get_room(hers.code)


def test_what_is_at_work_is_cancelled_and_goes_when_it_has_ended(anns, monkeypatch):
    run = get_store().enqueue(Plan(data="digits", approach="none"), ANN, worker="busy")
    get_store().append(run, [Notice(OF_RUN, 0.1)])
    waiting = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    erase.erase_visitor(ANN)
    assert get_store().read_flags(run) == (False, True)
    for key in (run, waiting):
        with pytest.raises(RunNotFound):
            get_store().get_run(key)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + erase.CANCEL_GRACE_SECONDS + 1)
    get_store().purge_deleted()
    assert erase.scrub()
    assert traces(OF_RUN) == []


def test_what_was_spent_is_not_given_back(anns):
    with get_store().engine.begin() as sql:
        row = {"visitor": ANN, "kind": "run", "started_at": time.time(), "seconds": 1.0}
        sql.execute(insert(usage).values(row))
    erase.erase_visitor(ANN)
    with get_store().engine.connect() as sql:
        assert sql.execute(usage.select()).all()


def test_while_somebody_reads_the_rest_waits(anns, monkeypatch):
    data, _ = anns
    monkeypatch.setattr(erase, "LOCK_TIMEOUT_SECONDS", 1)
    engine = create_engine(get_store().engine.url)
    reader = engine.connect()
    if engine.dialect.name == "sqlite":
        reader.exec_driver_sql("BEGIN")
    reader.execute(text("SELECT count(*) FROM events"))
    erase.erase_data(data)
    assert not erase.scrub()
    assert scrub_marker_path().exists()
    reader.close()
    engine.dispose()
    assert erase.scrub()
    assert not scrub_marker_path().exists()
    assert traces(OF_DATA) == []


def test_where_nothing_was_deleted_nothing_is_rewritten(monkeypatch):
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: pytest.fail("It was opened."))
    monkeypatch.setattr(erase, "_scrub_tables", lambda *_: pytest.fail("It was written anew."))
    assert erase.scrub()
