"""Add the data folder of a worker, so that jobs of a missing app server are found."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.add_column("workers", sa.Column("machine", sa.String(32)))
