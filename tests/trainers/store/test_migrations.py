"""A database of an older version is upgraded by one process; one of a newer version is refused.

`older/` holds databases that older commits made, as SQL: a waiting run and one that is over. The
commits are in the names.
"""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from trainers.store import Store, migrations
from trainers.store.engine import DatabaseUnavailable
from trainers.store.tables import metadata
from trainers.system.backups import list_backups

OLDER = sorted(
    {file.name.split(".")[0] for file in (Path(__file__).parent / "older").glob("*.sql")}
)


def fill(url: str, name: str) -> None:
    """Fill an empty database as the version `name` left it."""
    kind = make_url(url).get_backend_name().replace("postgresql", "postgres")
    script = (Path(__file__).parent / "older" / f"{name}.{kind}.sql").read_text()
    if kind == "sqlite":
        engine = create_engine(url)
        with closing(engine.raw_connection()) as sql:
            sql.driver_connection.executescript(script)
        engine.dispose()
    else:
        with psycopg.connect(url, autocommit=True) as sql:
            sql.execute(script.encode())


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, tmp_path):
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'thaw.db'}"
    else:
        with request.getfixturevalue("postgres").database() as url:
            yield url


@pytest.fixture
def opened():
    """A function that opens a store, which is closed after the test."""
    stores = []

    def open_(url: str) -> Store:
        stores.append(Store(url))
        return stores[-1]

    yield open_
    for store in stores:
        store.engine.dispose()


def differences(store: Store) -> list:
    with store.engine.connect() as sql:
        return compare_metadata(MigrationContext.configure(sql), metadata)


def read_version(store: Store) -> str:
    with store.engine.connect() as sql:
        return sql.scalar(text("SELECT version_num FROM alembic_version"))


def test_a_new_database_has_the_tables_of_the_models(empty, opened):
    store = opened(empty)
    assert differences(store) == []
    assert read_version(store) == migrations.HEAD


@pytest.mark.parametrize("name", OLDER)
def test_an_older_database_is_upgraded_and_keeps_its_rows(name, empty, opened):
    fill(empty, name)
    store = opened(empty)
    assert differences(store) == []
    assert read_version(store) == migrations.HEAD
    (scored, waiting), total = store.list_history("ann", search="digits", sort="score")
    assert (scored.id, scored.score, scored.seconds) == ("over", 0.5, 1.0)
    assert scored.approach == "transfer"
    assert (waiting.id, total) == ("waiting", 2)
    assert [event.text for _, event in store.read_events("over")] == ["so it was"]
    assert store.claim("worker").id == "waiting"


def test_head_is_the_last_migration():
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_a_backup_is_made_before_an_upgrade(tmp_path, opened):
    url = f"sqlite:///{tmp_path / 'thaw.db'}"
    fill(url, OLDER[0])
    opened(url)
    (backup,) = list_backups(tmp_path / "thaw.db")
    engine = create_engine(f"sqlite:///{backup}")
    assert inspect(engine).get_table_names() == ["events", "runs", "workers"]
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(empty, opened):
    store = opened(empty)
    with store.engine.begin() as sql:
        sql.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        sql.execute(text("ALTER TABLE runs DROP COLUMN host_id"))
    before = inspect(store.engine).get_columns("runs")
    with pytest.raises(
        DatabaseUnavailable, match=r"made by a newer Thaw.* 9999,.*Install the newer"
    ):
        Store(empty)
    assert read_version(store) == "9999"
    after = inspect(store.engine).get_columns("runs")
    assert [column["name"] for column in after] == [column["name"] for column in before]


def test_a_failed_upgrade_changes_nothing(empty, opened, monkeypatch):
    fill(empty, OLDER[0])
    calls = []

    def fail(*_):
        calls.append(True)
        raise RuntimeError("the plug was pulled")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.Operations.add_column", fail)  # the second migration
        with pytest.raises(RuntimeError, match="the plug"):
            Store(empty)
    assert calls
    engine = create_engine(empty.replace("postgresql:", "postgresql+psycopg:"))
    assert "kind" not in [column["name"] for column in inspect(engine).get_columns("runs")]
    engine.dispose()
    assert differences(opened(empty)) == []


OPEN = "import sys; from trainers.store import Store; Store(sys.argv[1]).engine.dispose()"


def test_one_of_several_starting_processes_upgrades(empty, opened, root):
    fill(empty, OLDER[1])
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN, empty], cwd=root, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    assert differences(opened(empty)) == []


def test_opening_a_current_database_does_not_import_alembic(empty, opened, root):
    opened(empty)
    script = f"{OPEN}; assert not [name for name in sys.modules if 'alembic' in name]"
    subprocess.run([sys.executable, "-c", script, empty], cwd=root, check=True, timeout=120)


def test_an_unknown_database_is_refused_in_words():
    with pytest.raises(DatabaseUnavailable, match="knows SQLite and PostgreSQL"):
        Store("mysql://root@localhost/thaw")
    with pytest.raises(DatabaseUnavailable, match="no address of a database"):
        Store("thaw on the big server")
