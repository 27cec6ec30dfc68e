"""Alembic's entry: uses the connection of `migrations.upgrade`, or a new one for its commands."""

from alembic import context

from trainers.store import engine
from trainers.store.tables import metadata
from trainers.system.paths import database_url


def migrate(connection) -> None:
    # Batch mode: SQLite cannot alter a column, so Alembic copies the table.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if connection := context.config.attributes.get("connection"):
    migrate(connection)
else:
    with engine.connect(database_url()).begin() as connection:
        migrate(connection)
