"""Every table of the database."""

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

ROOM_CODE_LENGTH = 6  # 64 million codes

metadata = MetaData()
runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("plan", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("claimed", Float),
    Column("ended", Float),
    Column("worker", String(32)),
    Column("beat", Float),
    Column("stop", Boolean, nullable=False, default=False),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("result", JSON),
    Column("kind", String(16), nullable=False, server_default="run"),
    Column("subject", String(128), index=True),  # the data that it is about
    Column("approach", String(16)),  # of a run; None for other jobs
    Column("part_of", String(32), index=True),  # the comparison that started it
    Column("name", Text, nullable=False, server_default=""),  # as its visitor calls it
    Column("note", Text, nullable=False, server_default=""),
    Column("pinned", Boolean, nullable=False, server_default="0"),
    Column("deleted", Float, index=True),  # when; its row goes `UNDO_SECONDS` later
    Column("score", Float),  # test accuracy; of a comparison, its best
    Column("seconds", Float),  # that it took, on its own clock
    Column("words", Text),  # what a search looks through, case folded; None: not in the history
    Column("machine", String(32)),  # the only data folder where it can be executed; None: any
)
# All that chooses and orders a page of the history, so that no plan or result is read for it.
Index(
    "ix_runs_history",
    *(runs.c[name] for name in ("visitor", "deleted", "part_of", "kind", "pinned", "created")),
    *(runs.c[name] for name in ("score", "seconds", "id")),
)
Index("ix_runs_ended", runs.c.state, runs.c.ended)  # what jobs took of late
events = Table(
    "events",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("event", Text, nullable=False),
)
workers = Table(
    "workers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("ready", Boolean, nullable=False, default=False),
    Column("beat", Float, nullable=False),
    Column("heavy", Boolean, nullable=False, server_default="1"),  # has torch: can train
    Column("machine", String(32)),  # its data folder, where several share the database
)
resumed_runs = Table(
    "continued",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("of", String(32), nullable=False, index=True),  # the interrupted one
)
# Whether somebody who signed in took over what their browser had; asked once.
answered = Table(
    "answered",
    metadata,
    Column("browser", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("at", Float, nullable=False),
)
# Where somebody wanted to go before they were sent away to sign in.
wanted = Table(
    "wanted",
    metadata,
    Column("browser", String(64), primary_key=True),
    Column("page", String(32), nullable=False),
    Column("query", JSON, nullable=False),
    Column("at", Float, nullable=False),
)
# What a visitor started or added within the last day: see limits.py. No word of what it was.
spent = Table(
    "spent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("visitor", String(64), nullable=False, index=True),
    Column("what", String(16), nullable=False),  # "run", "upload" or "other"
    Column("at", Float, nullable=False),
    Column("seconds", Float, nullable=False),  # of training that were asked for
    Column("run", String(32)),
)
# Links to look at a run or a comparison: whoever has the token. See sharing.py.
shares = Table(
    "shares",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("run", String(32), nullable=False, unique=True),
    Column("created", Float, nullable=False),
)
# A row for each data folder: which process tidies up, until when; and since when the ages hold that
# are set.
tidying = Table(
    "tidying",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("until", Float, nullable=False),  # nobody else does it before
    Column("ages", String(128), nullable=False),
    Column("since", Float, nullable=False),
    Column("taken", Float, nullable=False),  # bytes of what has a size limit, when it was looked at
)
rooms_table = Table(
    "rooms",
    metadata,
    Column("code", String(ROOM_CODE_LENGTH), primary_key=True),
    Column("key", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("opened", Float, nullable=False),
    Column("paused", Boolean, nullable=False, default=False),
    Column("address", Text, nullable=False, server_default=""),
)
people = Table(
    "room_people",
    metadata,
    Column("room", String(ROOM_CODE_LENGTH), primary_key=True),
    Column("visitor", String(64), primary_key=True, index=True),
    Column("leads", Boolean, nullable=False, default=False),
    Column("name", Text),  # None: leads, and takes no part
    Column("folded", Text),  # the name as it is told from others
    Column("number", Integer),  # in the order they came
    Column("joined", Float, nullable=False),
    Column("left", Float),  # when; None: is here
    # By the database: thirty people join in the same minute, and all are called Ana.
    UniqueConstraint("room", "folded"),
    UniqueConstraint("room", "number"),
)
room_runs = Table(
    "room_runs",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("room", String(ROOM_CODE_LENGTH), nullable=False, index=True),
    Column("visitor", String(64), nullable=False),
)
join_attempts = Table(
    "room_tries",
    metadata,
    Column("visitor", String(64), nullable=False),
    Column("at", Float, nullable=False, index=True),
)
