"""What version 0.1.0 stored is still read: events, jobs, findings, a database, run files.

`golden/` was made by the code of 0.1.0 with a script that runs with that code alone. Never make
these files anew: a version that cannot read them cannot read what people have. A new kind of event,
job or finding gets a line of its own, added to the others.

`differences` lets a later version add fields. It reports what was lost or changed.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from trainers import jobs
from trainers.data_checks import CHECKS, FIXABLE_KEYS
from trainers.data_checks.findings import Finding
from trainers.datasets import uploads
from trainers.datasets.uploads import storage
from trainers.events import KINDS as EVENT_KINDS, ComparisonRunStarted, from_json
from trainers.hosting import accounts, quotas, sharing
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import get_rooms
from trainers.plan import Plan
from trainers.reports import run_file
from trainers.store import SORT_ORDERS, RunNotFound, get_store, migrations, resume
from trainers.store.migrations.versions import v0004_plain_names
from trainers.store.tables import metadata

GOLDEN = Path(__file__).parent / "golden"
DATABASE = GOLDEN / "thaw-0.1.0.db"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
VISITORS = EXPECTED["visitors"]
RUN_FILES = sorted(EXPECTED["run_files"])  # "compare" and "run"


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").splitlines()]


EVENTS, JOBS, FINDINGS, OLDER = (
    lines(f"{name}.jsonl") for name in ("events", "jobs", "findings", "older")
)


def differences(expected: Any, actual: Any, place: str = "") -> Iterator[str]:
    """Where `actual` lacks something of `expected`, or has another value; more keys are fine."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected:
            if key not in actual:
                yield f"{place}/{key} is missing"
            else:
                yield from differences(expected[key], actual[key], f"{place}/{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif expected != actual:
        yield f"{place} is {actual!r}, not {expected!r}"


def assert_same(expected: Any, actual: Any) -> None:
    """`actual`, once through JSON, has all that is expected."""
    assert not list(differences(expected, json.loads(json.dumps(actual))))


# Names of 0.1.0 for attributes that are no JSON.
RENAMED = {
    "budget": "budget_seconds",
    "mine": "is_mine",
    "per_class": "examples_per_class",
    "key": "leader_key",
    "opened": "opened_at",
    **v0004_plain_names.COLUMNS["runs"],
}


def by_old_names(expected: Iterable[str], actual: Any) -> dict:
    """Return the attributes of `actual` that `expected` names as 0.1.0 did."""
    return {name: getattr(actual, RENAMED.get(name, name)) for name in expected}


@pytest.fixture
def golden_home(home):
    """The data folder of 0.1.0: an import of own data, a checkpoint, and the database."""
    shutil.copytree(GOLDEN / "home", home)
    shutil.copy(DATABASE, home / "thaw.db")
    return home


@pytest.fixture
def at_that_time(monkeypatch):
    """The time when the files were made: a room is open for a day."""
    monkeypatch.setattr(time, "time", lambda: EXPECTED["now"])


def fill_postgres(url: str) -> None:
    """The rows of the golden SQLite database, in the tables that 0.1.0 made in PostgreSQL."""
    with psycopg.connect(url) as to, closing(sqlite3.connect(DATABASE)) as from_:
        to.execute((GOLDEN / "thaw-0.1.0.postgres.sql").read_bytes())
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in from_.execute(names).fetchall():
            copy_table(from_, to, table)
        last = "SELECT setval(pg_get_serial_sequence('spent', 'id'), max(id)) FROM spent"
        to.execute(last)


def copy_table(from_: sqlite3.Connection, to: psycopg.Connection, table: str) -> None:
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
    types = dict(to.execute(columns, [table]).fetchall())
    rows = from_.execute(f"SELECT * FROM {table}")  # noqa: S608, our own file
    names = [column[0] for column in rows.description]
    quoted, holders = ", ".join(f'"{name}"' for name in names), ", ".join(["%s"] * len(names))
    for row in rows:
        values = [
            bool(value) if types[name] == "boolean" and value is not None else value
            for name, value in zip(names, row, strict=True)
        ]
        to.execute(f"INSERT INTO {table} ({quoted}) VALUES ({holders})".encode(), values)  # noqa: S608


@pytest.fixture(params=["sqlite", "postgres"])
def golden_store(request, golden_home, at_that_time, monkeypatch):
    """The golden database, opened by this version: migrations have run."""
    if request.param == "sqlite":
        yield get_store()
        return
    (golden_home / "thaw.db").unlink()
    with request.getfixturevalue("postgres").database() as url:
        fill_postgres(url)
        monkeypatch.setenv("THAW_DATABASE_URL", url)
        yield get_store()
        get_store().engine.dispose()
        get_store.cache_clear()


# --- events, jobs and findings --------------------------------------------------------------------


@pytest.mark.parametrize("line", EVENTS, ids=lambda line: line["type"])
def test_an_event_is_read_and_written_back_equal(line):
    assert_same(line, from_json(line).as_json())


@pytest.mark.parametrize("line", JOBS, ids=lambda line: line["kind"])
def test_a_job_is_read_and_written_back_equal(line, golden_home):
    remember_own_data(line["job"])
    job = jobs.from_json(line["kind"], line["job"])
    assert jobs.kind_of(job) == line["kind"]
    assert_same(line["job"], job.as_json())


def remember_own_data(job: dict) -> None:
    """A plan on own data is valid only where a note of that data exists."""
    if job.get("data", "").startswith("own-"):
        storage.write_tombstone(job["data"], "text")


@pytest.mark.parametrize("line", FINDINGS, ids=lambda line: line["key"])
def test_a_finding_is_read_and_written_back_equal(line):
    assert_same(line, Finding.from_json(line).as_json())


READERS = {
    "event": lambda kind, stored: from_json(stored),
    "job": jobs.from_json,
    "finding": lambda kind, stored: Finding.from_json(stored),
    "settings": lambda kind, stored: RoomSettings.from_json(stored),
}


@pytest.mark.parametrize("line", OLDER, ids=lambda line: f"{line['of']} {line['kind']}")
def test_missing_optional_fields_are_read_with_the_same_defaults(line):
    read = READERS[line["of"]](line["kind"], line["stored"])
    assert_same(line["reads_as"], read.as_json())


def test_every_kind_of_event_has_a_golden_line():
    assert {line["type"] for line in EVENTS} == EVENT_KINDS.keys()


def test_every_kind_of_job_has_a_golden_line():
    assert {line["kind"] for line in JOBS} == jobs.KINDS.keys()


def test_every_check_has_a_golden_line_and_every_fix_a_golden_fix():
    assert {line["key"] for line in FINDINGS} == CHECKS.keys()
    assert {line["key"] for line in FINDINGS if line["mend"]} == set(FIXABLE_KEYS)


# --- the database ---------------------------------------------------------------------------------


def test_the_golden_database_is_one_of_version_0_1_0():
    with closing(sqlite3.connect(DATABASE)) as sql:
        assert sql.execute("SELECT version_num FROM alembic_version").fetchall() == [("0003",)]


def test_the_golden_database_is_upgraded_to_the_tables_of_this_version(golden_store):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with golden_store.engine.connect() as sql:
        context = MigrationContext.configure(sql)
        assert context.get_current_revision() == migrations.HEAD
        assert compare_metadata(context, metadata) == []


RUN_COLUMNS = (
    *("visitor", "kind", "state", "created", "claimed", "ended", "stop", "cancel", "result"),
)


def read_run(key: str) -> dict:
    run = get_store().get_run(key)
    return by_old_names(RUN_COLUMNS, run) | {
        "job": run.job.as_json(),
        "events": [event.as_json() for _, event in get_store().read_events(key)],
        "continues": resume.resumed_from(get_store(), key),
        "continued_by": resume.resumed_by(get_store(), key),
    }


def test_every_run_has_its_job_state_result_and_events(golden_store):
    assert_same(EXPECTED["runs"], {key: read_run(key) for key in EXPECTED["runs"]})


def test_events_are_numbered_without_a_gap(golden_store):
    for key, run in EXPECTED["runs"].items():
        numbers = [number for number, _ in golden_store.read_events(key)]
        assert numbers == list(range(1, len(run["events"]) + 1))


def test_a_deleted_run_is_not_found_and_can_be_restored(golden_store):
    (key,) = EXPECTED["deleted"]
    with pytest.raises(RunNotFound):
        golden_store.get_run(key)
    with golden_store.engine.connect() as sql:
        runs = metadata.tables["runs"]
        deleted = sql.scalar(select(runs.c.deleted_at).where(runs.c.id == key))
    assert golden_store.restore(deleted, VISITORS["bob"]) == 1
    assert golden_store.get_run(key).is_over


HISTORY_COLUMNS = tuple(EXPECTED["with_parts"]["lines"][0])


def history(**choice: Any) -> dict:
    page, total = get_store().list_history(limit=100, **choice)
    return {"lines": [by_old_names(HISTORY_COLUMNS, past) for past in page], "total": total}


def ids(**choice: Any) -> list[str]:
    return [line["id"] for line in history(**choice)["lines"]]


def test_every_visitor_sees_the_same_history(golden_store):
    actual = {key: history(visitor=visitor) for key, visitor in VISITORS.items()}
    assert_same(EXPECTED["histories"], actual)
    assert_same(EXPECTED["with_parts"], history(visitor=VISITORS["ann"], parts=True))


@pytest.mark.parametrize("sort", SORT_ORDERS)
def test_the_history_is_sorted_the_same(sort, golden_store):
    assert ids(visitor=VISITORS["ann"], sort=sort) == EXPECTED["orders"][sort]


def test_a_search_finds_the_same_runs(golden_store):
    actual = {
        words: sorted(ids(visitor=None, search=words, parts=True)) for words in EXPECTED["searches"]
    }
    assert actual == EXPECTED["searches"]


BOARD_COLUMNS = (
    *("name", "approach", "data", "per_class", "state", "score", "low", "high", "seconds"),
    *("mine", "seed", "budget", "backbone"),
)


def test_rooms_keep_their_settings_people_and_boards(golden_store):
    for code, expected in EXPECTED["rooms"].items():
        room = get_rooms().get_room(code)
        actual = {
            "room": by_old_names(expected["room"], room) | {"settings": room.settings.as_json()},
            "people": [person._asdict() for person in get_rooms().list_people(code)],
            "leads": [
                visitor for visitor in VISITORS.values() if get_rooms().is_leader(code, visitor)
            ],
            "boards": {
                key: [
                    by_old_names(BOARD_COLUMNS, row)
                    for row in get_rooms().read_board(code, VISITORS[key])
                ]
                for key in expected["boards"]
            },
        }
        assert_same(expected, actual)


def test_people_take_part_in_the_room_that_they_joined(golden_store):
    for key, expected in EXPECTED["parts"].items():
        part = get_rooms().find_current(VISITORS[key])
        assert (part and {"room": part[0].code, "person": part[1]._asdict()}) == expected


def test_a_shared_link_opens_its_run(golden_store):
    actual = {token: sharing.open_shared_run(token).id for token in EXPECTED["shares"]}
    assert actual == EXPECTED["shares"]
    assert sharing.filter_shared(EXPECTED["runs"]) == set(EXPECTED["shares"].values())


def test_an_account_is_offered_what_its_browser_has(golden_store):
    account = VISITORS["account"]
    for key, expected in EXPECTED["had"].items():
        count = accounts.count_anonymous_data(VISITORS[key], account)
        assert count == (expected["runs"], expected["data"])


def test_a_browser_returns_to_the_page_that_it_left_to_sign_in(golden_store):
    (row,) = EXPECTED["tables"]["wanted"]
    assert accounts.pop_redirect(row["browser"]) == (row["page"], row["query"])


@pytest.mark.parametrize("name", EXPECTED["tables"])
def test_a_table_keeps_its_rows(name, golden_store):
    with golden_store.engine.connect() as sql:
        table = metadata.tables[v0004_plain_names.TABLES.get(name, name)]
        old_names = {new: old for old, new in v0004_plain_names.COLUMNS[table.name].items()}
        rows = [
            {old_names.get(column.name, column.name): row[column] for column in table.columns}
            for row in sql.execute(select(table)).mappings()
        ]
    rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
    assert_same(EXPECTED["tables"][name], rows)


# --- going on with it -----------------------------------------------------------------------------


def test_waiting_runs_are_claimed(golden_store):
    waiting = {key for key, run in EXPECTED["runs"].items() if run["state"] == "queued"}
    assert {golden_store.claim("worker").id for _ in waiting} == waiting
    assert golden_store.claim("worker") is None


def test_an_interrupted_run_continues_from_its_checkpoint(golden_store):
    ((key, expected),) = EXPECTED["places"].items()
    assert resume.find_resume_point(key)._asdict() == expected
    new = resume.resume_run(golden_store, key, VISITORS["ann"])
    assert resume.resumed_from(golden_store, new) == key
    *earlier, last = resume.replayed_events(golden_store, new)
    assert (last.phase, last.step) == (expected["phase"], expected["step"])
    assert earlier == [event for _, event in golden_store.read_events(key)][: len(earlier)]


def test_a_repeated_run_can_be_queued_beside_the_old_ones(golden_store):
    key = quotas.enqueue_job(Plan(data="digits", approach="transfer"), VISITORS["ann"])
    assert golden_store.get_run(key).state == "queued"


# --- files beside the database --------------------------------------------------------------------


def read_own(key: str) -> dict:
    data = uploads.get_upload(key)
    examples = data.load_splits()
    sides = {"train": examples.train, "test": examples.test}
    return {
        "title": data.title,
        "visitor": data.visitor,
        "classes": list(examples.classes),
        "counts": data.class_counts,
        "columns": data.columns,
        "groups": data.group_names,
        "created": data.created_at,
        "checked": uploads.load_check(key),
        "examples": {
            side: [list(some.inputs), some.labels.tolist(), some.groups.tolist()]
            for side, some in sides.items()
        },
    }


def test_own_data_keeps_its_examples_and_what_was_found(golden_store):
    assert_same(EXPECTED["own"], {key: read_own(key) for key in EXPECTED["own"]})
    for key, visitor in VISITORS.items():
        assert sorted(golden_store.datasets_imported_by(visitor)) == EXPECTED["reads"][key]


def imported(key: str) -> dict:
    """A run that came out of a file, without its ids, which are new each time."""
    run, past = get_store().get_run(key), get_store().get_summary(key)
    events = [event for _, event in get_store().read_events(key)]
    lanes = [event.run_id for event in events if isinstance(event, ComparisonRunStarted)]
    text = json.dumps([event.as_json() for event in events])
    for number, lane in enumerate(lanes):
        text = text.replace(json.dumps(lane), json.dumps(f"lane {number}"))
    columns = by_old_names(("kind", "visitor", "state", "created", "ended"), run)
    shown = by_old_names(("name", "note", "title", "score"), past)
    parts = {"job": run.job.as_json(), "events": json.loads(text)}
    return columns | shown | parts | {"lanes": [imported(lane) for lane in lanes]}


@pytest.mark.parametrize("kind", RUN_FILES)
def test_a_run_file_is_imported_as_it_was_exported(kind, golden_store):
    content = (GOLDEN / f"thaw-{kind}.json").read_bytes()
    key = run_file.import_run(golden_store, content, "somebody")
    assert_same(EXPECTED["run_files"][kind], imported(key))


@pytest.mark.parametrize("kind", RUN_FILES)
def test_a_golden_run_is_exported_again_with_all_that_its_file_had(kind, golden_store):
    document = json.loads((GOLDEN / f"thaw-{kind}.json").read_text("utf-8"))
    matches = [
        key
        for key, run in EXPECTED["runs"].items()
        if run["created"] == document["created"] and run["kind"] == kind
    ]
    assert_same(document, json.loads(run_file.export_run(golden_store, *matches)))
