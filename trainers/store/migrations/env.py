"""Alembic runs this: with the connection of `bring_up`, or, for its own commands, a new one."""

from alembic import context

from trainers.store import engine
from trainers.store.tables import metadata
from trainers.system.paths import database_url


def migrate(connection) -> None:
    # Batches: SQLite cannot change a column, so that its table is made anew.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    migrate(given)
else:
    with engine.connect(database_url()).begin() as made:
        migrate(made)
