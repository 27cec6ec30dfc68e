"""Alembic runs this: with the connection of `bring_up`, or, for its own commands, a new one."""

from alembic import context

from trainers import database
from trainers.home import database_url
from trainers.tables import metadata


def migrate(connection) -> None:
    # Batches: SQLite cannot change a column, so that its table is made anew.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    migrate(given)
else:
    with database.connect(database_url()).begin() as made:
        migrate(made)
