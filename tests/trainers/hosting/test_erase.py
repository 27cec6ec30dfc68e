"""Deletion: no byte of deleted data remains under `THAW_HOME` or in PostgreSQL's tables."""

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
NOTICES = 60  # per run: enough rows to split pages of the database


def traces(marker: str) -> list[str]:
    """Return the files of Thaw and PostgreSQL's tables with `marker` in their name or content."""
    matches = []
    for folder in (data_dir(), *table_folders()):
        for file in folder.rglob("*"):
            name = str(file.relative_to(folder))
            if marker in name or (file.is_file() and marker.encode() in file.read_bytes()):
                matches.append(name)
    return matches


def table_folders() -> list[Path]:
    """Return PostgreSQL's folder of the database's tables, after writing them to the disk."""
    if get_store().engine.dialect.name == "sqlite":
        return []
    with get_store().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as sql:
        sql.execute(text("CHECKPOINT"))
        folder = sql.scalar(text("SELECT setting FROM pg_settings WHERE name = 'data_directory'"))
        oid = text("SELECT oid FROM pg_database WHERE datname = current_database()")
        return [Path(folder) / "base" / str(sql.scalar(oid))]


def add_belongings(folder: Path, visitor: str, of_data: str, of_run: str) -> tuple[str, str]:
    """Store an upload, a check, a run and its files for the visitor; return the two keys."""
    draft = inbox.create_draft(visitor)
    inbox.reserve_file(inbox.find_draft(draft), 10).write_text(f"a file with {of_data}")
    data = own_texts(folder, visitor, marker=of_data, title=f"{of_data}.csv")
    about = data_dir() / "data" / data.removeprefix("own-") / "about.json"
    about.write_text(about.read_text().replace('"notices"', f'"draft": "{draft}", "notices"', 1))
    job = ImportData(path=str(inbox.find_draft(draft)), title=f"{of_data}.csv", visitor=visitor)
    key = get_store().enqueue(job, visitor, worker="test")
    get_store().append(key, [Notice(f"{of_data}.csv was read", 0.1), JobDone({"data": data}, 1.0)])
    examples = (FindingExample(example=f"example {of_data}", label="good", note=""),)
    finding = Finding(key="x", title="t", count=1, effect="e", severity="note", examples=examples)
    uploads.save_check(data, {"findings": [finding.as_json()]})
    check = get_store().enqueue(DataCheck(data=data), visitor, worker="test")
    get_store().append(check, [JobDone({"findings": [finding.as_json()]}, 1.0)])
    run = get_store().enqueue(Plan(data=data, approach="simple"), visitor, worker="test")
    events = [WatchedExamples([0, 1], [f"{n} {of_data} {'x' * 400}" for n in range(2)], [0, 1])]
    events += [Notice(f"{of_run} {number} {'y' * number * 40}", 0.1) for number in range(NOTICES)]
    get_store().append(run, [*events, JobFailed("The end.", 1.0)])
    get_store().annotate(run, visitor, name=f"name {of_run}", note=f"note {of_run}")
    run_dir(run).mkdir(parents=True)
    (run_dir(run) / "words.json").write_text(f'["{of_data}"]')
    (run_dir(run) / "model.safetensors").write_bytes(of_run.encode())
    bundle_path(run).write_bytes(of_data.encode())
    get_store().enqueue(Export(key=run, visitor=visitor), visitor)
    return data, run


@pytest.fixture
def anns_data_and_run(tmp_path):
    """Ann's belongings, stored between Bob's."""
    for number in range(2):
        add_belongings(tmp_path / f"b{number}", BOB, OF_BOB, OF_BOB)
    keys = add_belongings(tmp_path / "a", ANN, OF_DATA, OF_RUN)
    add_belongings(tmp_path / "c", BOB, OF_BOB, OF_BOB)
    assert traces(OF_DATA)
    assert traces(OF_RUN)
    return keys


def purge_and_scrub(monkeypatch) -> None:
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    get_store().purge_deleted()
    assert erase.scrub()


def test_deleted_data_leaves_no_byte_but_its_runs_stay(anns_data_and_run):
    data, run = anns_data_and_run
    erase.erase_data(data)
    assert erase.scrub()
    assert traces(OF_DATA) == []
    assert get_store().get_run(run).id == run
    assert traces(OF_RUN)  # names and notes of runs are no data
    assert traces(OF_BOB)


def test_a_purged_run_leaves_no_byte(anns_data_and_run, monkeypatch):
    _, run = anns_data_and_run
    get_store().delete([run], ANN)
    assert traces(OF_RUN)
    purge_and_scrub(monkeypatch)
    assert traces(OF_RUN) == []
    assert traces(OF_DATA)
    assert traces(OF_BOB)


def test_copies_from_page_splits_are_removed(monkeypatch):
    """Without rewriting the file, a page split was seen to leave a copy of its rows."""
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    rng, runs = random.Random(2), []  # noqa: S311, drawn lengths
    for number in range(90):
        marker = OF_RUN if number % 3 == 0 else OF_BOB
        run = get_store().enqueue(Plan(data="digits", approach="none"), ANN, worker="test")
        lengths = [rng.choice([50, 200, 900]) for _ in range(rng.randint(1, 40))]
        get_store().append(run, [Notice(marker + "e" * length, 0.1) for length in lengths])
        get_store().annotate(run, ANN, name=marker, note=marker + "n" * rng.randint(0, 900))
        runs += [run] if marker == OF_RUN else []
        deleted = [run for run in runs if rng.random() < 0.3]
        runs = [run for run in runs if run not in deleted]
        get_store().delete(deleted, ANN)
        get_store().purge_deleted()
    get_store().delete(runs, ANN)
    get_store().purge_deleted()
    assert erase.scrub()
    assert traces(OF_RUN) == []
    assert traces(OF_BOB)


def test_erasing_a_visitor_leaves_no_byte(anns_data_and_run):
    _, run = anns_data_and_run
    draft = inbox.find_draft(inbox.create_draft(ANN))  # not yet imported
    inbox.reserve_file(draft, 10).write_text(OF_DATA)
    token = sharing.share_run(run, ANN)
    accounts.save_redirect(ANN, "run", {"search": OF_RUN})
    erase.erase_visitor(ANN)
    assert erase.scrub()
    assert traces(OF_DATA) == traces(OF_RUN) == traces(token) == []
    assert traces(ANN) == []
    assert uploads.list_uploads(ANN) == get_store().list_runs(ANN) == []
    assert len(uploads.list_uploads(BOB)) == 3
    assert len(get_store().list_runs(BOB)) == 3


def test_backups_are_replaced_by_one_without_deleted_data(anns_data_and_run):
    is_sqlite = get_store().engine.dialect.name == "sqlite"
    if is_sqlite:
        backups.back_up(data_dir() / "thaw.db")
        (data_dir() / "thaw.db.before-0002").write_text(OF_RUN)  # of version 0.1.0
    erase.erase_visitor(ANN)
    assert erase.scrub()
    assert len(backups.list_backups(data_dir() / "thaw.db")) == is_sqlite
    assert traces(OF_RUN) == []


def test_an_erased_visitor_leaves_rooms_and_their_own_close(anns_data_and_run):
    hers, his = (get_rooms().open_room("A room", RoomSettings(), visitor) for visitor in (ANN, BOB))
    get_rooms().join(his.code, "Ann", ANN)
    plan = get_rooms().get_room(his.code).settings.make_plan("transfer", 1)
    assert get_rooms().enqueue(plan, ANN)
    assert [row.name for row in get_rooms().read_board(his.code)] == ["Ann"]
    erase.erase_visitor(ANN)
    assert get_rooms().read_board(his.code) == get_rooms().list_people(his.code) == []
    with pytest.raises(RoomNotFound):
        get_rooms().get_room(hers.code)


def test_running_jobs_are_cancelled_and_purged_later(anns_data_and_run, monkeypatch):
    run = get_store().enqueue(Plan(data="digits", approach="none"), ANN, worker="busy")
    get_store().append(run, [Notice(OF_RUN, 0.1)])
    queued = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    erase.erase_visitor(ANN)
    assert get_store().read_flags(run) == (False, True)
    for key in (run, queued):
        with pytest.raises(RunNotFound):
            get_store().get_run(key)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + erase.CANCEL_GRACE_SECONDS + 1)
    get_store().purge_deleted()
    assert erase.scrub()
    assert traces(OF_RUN) == []


def test_erasing_does_not_reset_quotas(anns_data_and_run):
    with get_store().engine.begin() as sql:
        row = {"visitor": ANN, "kind": "run", "started_at": time.time(), "seconds": 1.0}
        sql.execute(insert(usage).values(row))
    erase.erase_visitor(ANN)
    with get_store().engine.connect() as sql:
        assert sql.execute(usage.select()).all()


def test_scrub_waits_for_open_readers(anns_data_and_run, monkeypatch):
    data, _ = anns_data_and_run
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


def test_scrub_does_nothing_if_nothing_was_deleted(monkeypatch):
    monkeypatch.setattr(
        sqlite3, "connect", lambda *_, **__: pytest.fail("The database was opened.")
    )
    monkeypatch.setattr(
        erase, "_scrub_tables", lambda *_: pytest.fail("The tables were rewritten.")
    )
    assert erase.scrub()
