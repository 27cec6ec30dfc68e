"""Other people on this server: ownership, quotas, sharing, retention, deletion and rooms.

- Visitors: `accounts` (who a visitor is), `own_data`, `quotas`, `sharing` (links to runs).
- Deletion: `retention` (what expires when), `disk_usage`, `cleanup` with `cleanup_lease`, `erase`.
- Rooms: `rooms` (members, leaders, runs), `room_settings`, `room_codes`,
  `room_names`, `board`, `room_summary`.

Loads no training library: pages import it.
"""
