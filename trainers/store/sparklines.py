"""Validation curves for the list of runs: accuracy over seconds, and nothing else."""

from collections.abc import Collection

from sqlalchemy import JSON, cast, select, type_coerce

from trainers.events import ValidationDone
from trainers.store import Store
from trainers.store.tables import events

VALIDATION_PATTERN = f'{{"type": "{ValidationDone.type}"%'


def read_sparklines(store: Store, keys: Collection[str]) -> dict[str, list[tuple[float, float]]]:
    """Return (seconds, validation accuracy 0..1) of every evaluation of the runs `keys`.

    Runs without one are missing. The database extracts the two numbers: an event also holds a
    feature map.
    """
    if not keys:
        return {}
    # The column is text. SQLite reads JSON out of text; PostgreSQL needs the cast.
    event = events.c.event
    event = type_coerce(event, JSON) if store.engine.dialect.name == "sqlite" else cast(event, JSON)
    points = select(events.c.run_id, event["seconds"].as_float(), event["accuracy"].as_float())
    points = points.where(events.c.run_id.in_(keys), events.c.event.like(VALIDATION_PATTERN))
    curves: dict[str, list[tuple[float, float]]] = {}
    with store.engine.connect() as sql:
        for run, seconds, accuracy in sql.execute(points.order_by(events.c.run_id, events.c.seq)):
            curves.setdefault(run, []).append((seconds, accuracy))
    return curves
