"""Tables and columns get the words that the code uses.

`RENAME` changes no rows, so that a large `events` table is not copied. SQLite (since 3.25) and
PostgreSQL have it in the same words, and keep keys and indexes; only index names are old then.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"

TABLES = {
    "continued": "resumed_runs",
    "answered": "merge_answers",
    "wanted": "login_redirects",
    "spent": "usage",
    "shares": "share_links",
    "tidying": "cleanup_leases",
    "room_tries": "room_code_attempts",
}
COLUMNS = {
    "runs": {
        "plan": "job",
        "created": "created_at",
        "claimed": "started_at",
        "ended": "finished_at",
        "worker": "worker_id",
        "beat": "heartbeat_at",
        "stop": "stop_requested",
        "cancel": "cancel_requested",
        "part_of": "parent_id",
        "deleted": "deleted_at",
        "words": "search_text",
        "machine": "host_id",
    },
    "events": {"run": "run_id", "number": "seq"},
    "workers": {"beat": "heartbeat_at", "heavy": "can_train", "machine": "host_id"},
    "resumed_runs": {"run": "run_id", "of": "source_id"},
    "merge_answers": {"at": "answered_at"},
    "login_redirects": {"at": "created_at"},
    "usage": {"what": "kind", "at": "started_at", "run": "run_id"},
    "share_links": {"run": "run_id", "created": "created_at"},
    "cleanup_leases": {
        "until": "expires_at",
        "ages": "retention_days",
        "since": "valid_since",
        "taken": "used_bytes",
    },
    "rooms": {"key": "leader_key", "opened": "opened_at"},
    "room_people": {
        "room": "room_code",
        "leads": "is_leader",
        "folded": "name_key",
        "joined": "joined_at",
        "left": "left_at",
    },
    "room_runs": {"run": "run_id", "room": "room_code"},
    "room_code_attempts": {"at": "attempted_at"},
}
# (table, old name, new name, columns)
INDEXES = (
    ("runs", "ix_runs_part_of", "ix_runs_parent_id", ["parent_id"]),
    ("runs", "ix_runs_deleted", "ix_runs_deleted_at", ["deleted_at"]),
    ("runs", "ix_runs_ended", "ix_runs_finished_at", ["state", "finished_at"]),
    ("resumed_runs", "ix_continued_of", "ix_resumed_runs_source_id", ["source_id"]),
    ("usage", "ix_spent_visitor", "ix_usage_visitor", ["visitor"]),
    ("room_runs", "ix_room_runs_room", "ix_room_runs_room_code", ["room_code"]),
    (
        "room_code_attempts",
        "ix_room_tries_at",
        "ix_room_code_attempts_attempted_at",
        ["attempted_at"],
    ),
)


def upgrade() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
    for table, columns in COLUMNS.items():
        for old, new in columns.items():
            op.execute(sa.text(f'ALTER TABLE {table} RENAME COLUMN "{old}" TO {new}'))
    for table, old, new, columns in INDEXES:
        op.drop_index(old, table)
        op.create_index(new, table, columns)
