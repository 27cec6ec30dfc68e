"""Every table of the database. Times are seconds since 1970; a change here needs a migration.

`visitor` is a browser's key or an account's id: see hosting/accounts.py.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# Values of `runs.state`.
QUEUED, RUNNING = "queued", "running"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"
END_STATES = (FINISHED, FAILED, CANCELLED)
ROOM_CODE_LENGTH = 6  # 64 million codes

metadata = MetaData()

# Runs and every other job of trainers/jobs.py.
runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("job", JSON, nullable=False),  # a Plan, or the job of another kind
    Column("state", String(16), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("worker_id", String(32)),
    Column("heartbeat_at", Float),
    Column("stop_requested", Boolean, nullable=False, default=False),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("result", JSON),  # the last event of a run that is over
    Column("kind", String(16), nullable=False, server_default="run"),  # in jobs.KINDS
    Column("subject", String(128), index=True),  # key of the data or run that it is about
    Column("approach", String(16)),  # of a run; None for other jobs
    Column("parent_id", String(32), index=True),  # the comparison that started it
    Column("name", Text, nullable=False, server_default=""),  # chosen by its visitor
    Column("note", Text, nullable=False, server_default=""),
    Column("pinned", Boolean, nullable=False, server_default="0"),
    Column("deleted_at", Float, index=True),  # the row is removed `UNDO_SECONDS` later
    Column("score", Float),  # test accuracy; of a comparison, its best
    Column("seconds", Float),  # duration on its own clock
    Column("search_text", Text),  # case folded; None: not in the history
    Column("host_id", String(32)),  # the only data folder where it can run; None: any
)
# Covers the filter and the order of a history page: neither jobs nor results are read for it.
Index(
    "ix_runs_history",
    *(runs.c[name] for name in ("visitor", "deleted_at", "parent_id", "kind", "pinned")),
    *(runs.c[name] for name in ("created_at", "score", "seconds", "id")),
)
Index("ix_runs_finished_at", runs.c.state, runs.c.finished_at)  # for recent durations
events = Table(
    "events",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),  # counts from 1 in each run
    Column("event", Text, nullable=False),  # JSON
)
workers = Table(
    "workers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("ready", Boolean, nullable=False, default=False),
    Column("heartbeat_at", Float, nullable=False),
    Column("can_train", Boolean, nullable=False, server_default="1"),  # has torch
    Column("host_id", String(32)),  # its data folder, where several share the database
)
resumed_runs = Table(
    "resumed_runs",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("source_id", String(32), nullable=False, index=True),  # the interrupted run
)
# Accounts that were asked whether to take over what the browser had: asked once.
merge_answers = Table(
    "merge_answers",
    metadata,
    Column("browser", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("answered_at", Float, nullable=False),
)
# The page to return to after a sign-in.
login_redirects = Table(
    "login_redirects",
    metadata,
    Column("browser", String(64), primary_key=True),
    Column("page", String(32), nullable=False),
    Column("query", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)
# What a visitor started or added within the last day, for hosting/quotas.py.
usage = Table(
    "usage",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # "run", "upload" or "other"
    Column("started_at", Float, nullable=False),
    Column("seconds", Float, nullable=False),  # training budget that was asked for
    Column("run_id", String(32)),
)
# Whoever has the token may look at the run or comparison: see hosting/sharing.py.
share_links = Table(
    "share_links",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("run_id", String(32), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)
# One row a data folder: which process cleans up, and since when today's retention settings hold.
cleanup_leases = Table(
    "cleanup_leases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("expires_at", Float, nullable=False),  # no other process cleans up before
    Column("retention_days", String(128), nullable=False),
    Column("valid_since", Float, nullable=False),
    Column("used_bytes", Float, nullable=False),  # what counts for the size limit, as last measured
)
rooms_table = Table(
    "rooms",
    metadata,
    Column("code", String(ROOM_CODE_LENGTH), primary_key=True),
    Column("leader_key", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("address", Text, nullable=False, server_default=""),
)
people = Table(
    "room_people",
    metadata,
    Column("room_code", String(ROOM_CODE_LENGTH), primary_key=True),
    Column("visitor", String(64), primary_key=True, index=True),
    Column("is_leader", Boolean, nullable=False, default=False),
    Column("name", Text),  # None: leads and does not take part
    Column("name_key", Text),  # decides whether two names are the same
    Column("number", Integer),  # in order of joining
    Column("joined_at", Float, nullable=False),
    Column("left_at", Float),  # None: still here
    # Checked by the database: thirty people join in the same minute, and several are called Ana.
    UniqueConstraint("room_code", "name_key"),
    UniqueConstraint("room_code", "number"),
)
room_runs = Table(
    "room_runs",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("room_code", String(ROOM_CODE_LENGTH), nullable=False, index=True),
    Column("visitor", String(64), nullable=False),
)
# Wrong room codes that visitors typed lately.
room_code_attempts = Table(
    "room_code_attempts",
    metadata,
    Column("visitor", String(64), nullable=False),
    Column("attempted_at", Float, nullable=False, index=True),
)
