"""Add the data folder that a job needs the files of."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.add_column("runs", sa.Column("machine", sa.String(32)))
