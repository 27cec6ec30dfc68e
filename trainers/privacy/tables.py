"""The tables of this package, in the database of the store."""

from sqlalchemy import JSON, Column, Float, Integer, String, Table

from trainers.store import tables

# Whether somebody who signed in took over what their browser had; asked once.
answered = Table(
    "answered",
    tables,
    Column("browser", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("at", Float, nullable=False),
)
# Where somebody wanted to go before they were sent away to sign in.
wanted = Table(
    "wanted",
    tables,
    Column("browser", String(64), primary_key=True),
    Column("page", String(32), nullable=False),
    Column("query", JSON, nullable=False),
    Column("at", Float, nullable=False),
)
# What a visitor started or added within the last day: see limits.py. No word of what it was.
spent = Table(
    "spent",
    tables,
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
    tables,
    Column("token", String(32), primary_key=True),
    Column("run", String(32), nullable=False, unique=True),
    Column("created", Float, nullable=False),
)
# A row for each data folder: which process tidies up, until when; and since when the ages hold that
# are set.
tidying = Table(
    "tidying",
    tables,
    Column("id", Integer, primary_key=True),
    Column("until", Float, nullable=False),  # nobody else does it before
    Column("ages", String(128), nullable=False),
    Column("since", Float, nullable=False),
    Column("taken", Float, nullable=False),  # bytes of what has a size limit, when it was looked at
)
