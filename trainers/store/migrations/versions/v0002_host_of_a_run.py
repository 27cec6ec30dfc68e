"""A job that needs the files of one data folder says so."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.add_column("runs", sa.Column("machine", sa.String(32)))
