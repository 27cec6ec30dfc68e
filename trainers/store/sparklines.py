"""The curves of some runs, small: how many of the checks were right, and when."""

from collections.abc import Collection

from sqlalchemy import JSON, cast, select, type_coerce

from trainers.events import ValidationDone
from trainers.store import Store, events

VALIDATION_PATTERN = f'{{"type": "{ValidationDone.type}"%'


def read_sparklines(store: Store, keys: Collection[str]) -> dict[str, list[tuple[float, float]]]:
    """For each of the runs `keys` that was looked at: seconds and the share of the checks that was
    right, 0..1. Two numbers of each look are read, inside the database: a look also holds a map."""
    if not keys:
        return {}
    told = events.c.event  # kept as text; SQLite reads JSON out of that, Postgres wants to be told
    told = type_coerce(told, JSON) if store.engine.dialect.name == "sqlite" else cast(told, JSON)
    looks = select(events.c.run_id, told["seconds"].as_float(), told["accuracy"].as_float())
    looks = looks.where(events.c.run_id.in_(keys), events.c.event.like(VALIDATION_PATTERN))
    found: dict[str, list[tuple[float, float]]] = {}
    with store.engine.connect() as sql:
        for run, seconds, right in sql.execute(looks.order_by(events.c.run_id, events.c.seq)):
            found.setdefault(run, []).append((seconds, right))
    return found
