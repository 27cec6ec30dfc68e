"""A worker says which data folder it has: so jobs are seen whose app server is gone."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.add_column("workers", sa.Column("machine", sa.String(32)))
