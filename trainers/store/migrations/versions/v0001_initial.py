"""The tables of the first numbered version.

Older databases have some of these tables, without some of the columns.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text
from sqlalchemy.schema import CreateColumn

from trainers.store.rows import default_title

revision, down_revision = "0001", None
HISTORY_KINDS = ("run", "compare")

tables = sa.MetaData()
runs = Table(
    "runs",
    tables,
    Column("id", String(32), primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("plan", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("claimed", Float),
    Column("ended", Float),
    Column("worker", String(32)),
    Column("beat", Float),
    Column("stop", Boolean, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("result", JSON),
    Column("kind", String(16), nullable=False, server_default="run"),
    Column("subject", String(128), index=True),
    Column("approach", String(16)),
    Column("part_of", String(32), index=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("pinned", Boolean, nullable=False, server_default="0"),
    Column("deleted", Float, index=True),
    Column("score", Float),
    Column("seconds", Float),
    Column("words", Text),
)
HISTORY_COLUMNS = (
    "visitor",
    "deleted",
    "part_of",
    "kind",
    "pinned",
    "created",
    "score",
    "seconds",
    "id",
)
Index("ix_runs_history", *(runs.c[name] for name in HISTORY_COLUMNS))
Index("ix_runs_ended", runs.c.state, runs.c.ended)
Table(
    "events",
    tables,
    Column("run", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("event", Text, nullable=False),
)
Table(
    "workers",
    tables,
    Column("id", String(32), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("beat", Float, nullable=False),
    Column("heavy", Boolean, nullable=False, server_default="1"),
)
Table(
    "continued",
    tables,
    Column("run", String(32), primary_key=True),
    Column("of", String(32), nullable=False, index=True),
)
Table(
    "answered",
    tables,
    Column("browser", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("at", Float, nullable=False),
)
Table(
    "wanted",
    tables,
    Column("browser", String(64), primary_key=True),
    Column("page", String(32), nullable=False),
    Column("query", JSON, nullable=False),
    Column("at", Float, nullable=False),
)
Table(
    "spent",
    tables,
    Column("id", Integer, primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("what", String(16), nullable=False),
    Column("at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("run", String(32)),
)
Table(
    "shares",
    tables,
    Column("token", String(32), primary_key=True),
    Column("run", String(32), nullable=False, unique=True),
    Column("created", Float, nullable=False),
)
Table(
    "tidying",
    tables,
    Column("id", Integer, primary_key=True),
    Column("until", Float, nullable=False),
    Column("ages", String(128), nullable=False),
    Column("since", Float, nullable=False),
    Column("taken", Float, nullable=False),
)
Table(
    "rooms",
    tables,
    Column("code", String(6), primary_key=True),
    Column("key", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("opened", Float, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
)
Table(
    "room_people",
    tables,
    Column("room", String(6), primary_key=True),
    Column("visitor", String(64), primary_key=True, index=True),
    Column("leads", Boolean, nullable=False),
    Column("name", Text),
    Column("folded", Text),
    Column("number", Integer),
    Column("joined", Float, nullable=False),
    Column("left", Float),
    sa.UniqueConstraint("room", "folded"),
    sa.UniqueConstraint("room", "number"),
)
Table(
    "room_runs",
    tables,
    Column("run", String(32), primary_key=True),
    Column("room", String(6), nullable=False, index=True),
    Column("visitor", String(64), nullable=False),
)
Table(
    "room_tries",
    tables,
    Column("visitor", String(64), nullable=False),
    Column("at", Float, nullable=False, index=True),
)


def upgrade() -> None:
    sql = op.get_bind()
    tables.create_all(sql)  # only missing ones
    inspector = sa.inspect(sql)
    for table in tables.tables.values():
        known = {column["name"] for column in inspector.get_columns(table.name)}
        new = [column for column in table.columns if column.name not in known]
        for column in new:
            definition = CreateColumn(column).compile(sql)
            op.execute(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
        for index in table.indexes:
            index.create(sql, checkfirst=True)
        if runs.c.words in new:
            _fill_history_columns(sql)


def _fill_history_columns(sql: sa.Connection) -> None:
    """Fill in the history columns of existing runs."""
    old = sa.select(runs.c["id", "kind", "plan", "result"]).where(runs.c.kind.in_(HISTORY_KINDS))
    for key, kind, plan, result in sql.execute(old).all():
        approach, data = plan.get("approach"), plan["data"]
        values = {"approach": approach}
        values["words"] = f"  {default_title(kind, approach, data)} {data}".casefold()
        if result:
            parts = result.get("runs", ())
            scores = [part["test_accuracy"] for part in parts if "test_accuracy" in part]
            values["seconds"] = result["seconds"]
            values["score"] = result.get("test_accuracy", max(scores, default=None))
        sql.execute(sa.update(runs).where(runs.c.id == key).values(values))
