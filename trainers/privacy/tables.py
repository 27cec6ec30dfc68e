"""The tables of this package, in the database of the store."""

from sqlalchemy import JSON, Column, Float, String, Table

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
