"""The history: runs and comparisons as lines, searched, sorted and named."""

from collections.abc import Collection

from sqlalchemy import func, select, update

from trainers.store.event_log import EventLog
from trainers.store.rows import (
    HISTORY_KINDS,
    SUMMARY_COLUMNS,
    RunNotFound,
    RunSummary,
    clean_name,
    clean_note,
    history_columns,
)
from trainers.store.tables import runs

MAX_SEARCH_CHARS = 100  # more narrows nothing
SORT_ORDERS = {
    "newest": (),
    "score": (runs.c.score.desc().nulls_last(),),
    "longest": (runs.c.seconds.desc().nulls_last(),),
}


class History(EventLog):
    """Runs and comparisons that were not deleted."""

    def list_history(
        self,
        visitor: str | None,
        *,
        search: str = "",
        sort: str = "newest",
        parts: bool = False,
        limit: int = 20,
        offset: int = 0,
    ) -> tuple[list[RunSummary], int]:
        """Return a page of the visitor's history, pinned first, and the total of all pages.

        `visitor` None lists everybody's. Each word of `search` must be in the name, the note, the
        approach or the data. `sort` is in SORT_ORDERS. With `parts`, the runs of a comparison are
        listed beside it.
        """
        matching = runs.c.deleted_at.is_(None) & runs.c.kind.in_(HISTORY_KINDS)
        if visitor is not None:
            matching &= runs.c.visitor == visitor
        if not parts:
            matching &= runs.c.parent_id.is_(None)
        for word in search[:MAX_SEARCH_CHARS].casefold().split():
            matching &= runs.c.search_text.contains(word, autoescape=True)
        order = (runs.c.pinned.desc(), *SORT_ORDERS[sort], runs.c.created_at.desc(), runs.c.id)
        page = select(runs.c.id).where(matching).order_by(*order).limit(limit).offset(offset)
        with self.engine.connect() as sql:
            total = sql.scalar(select(func.count()).select_from(runs).where(matching)) or 0
            ids = sql.scalars(page).all()
            summaries = sql.execute(select(*SUMMARY_COLUMNS).where(runs.c.id.in_(ids))).mappings()
            rows = {row["id"]: row for row in summaries}
        return [RunSummary(**rows[key]) for key in ids if key in rows], total

    def get_summary(self, run: str) -> RunSummary:
        """Return the line of one run or comparison. Raises `RunNotFound`."""
        this = select(*SUMMARY_COLUMNS).where(
            runs.c.id == run, runs.c.deleted_at.is_(None), runs.c.kind.in_(HISTORY_KINDS)
        )
        with self.engine.connect() as sql:
            row = sql.execute(this).mappings().first()
        if row is None:
            raise RunNotFound(run)
        return RunSummary(**row)

    def annotate(self, run: str, visitor: str, *, name: str, note: str) -> None:
        """Set the name and the note of the visitor's run, cut to their maximal lengths."""
        mine = (runs.c.id == run) & (runs.c.visitor == visitor)
        values = {"name": clean_name(name), "note": clean_note(note)}
        with self.engine.begin() as sql:
            row = sql.execute(select(runs.c.kind, runs.c.job).where(mine)).mappings().first()
            if row:
                values |= history_columns(row["kind"], row["job"], **values)
                sql.execute(update(runs).where(mine).values(values))

    def pin(self, keys: Collection[str], visitor: str, pinned: bool = True) -> None:
        """Pin the visitor's runs, or unpin them."""
        mine = runs.c.id.in_(keys) & (runs.c.visitor == visitor)
        with self.engine.begin() as sql:
            sql.execute(update(runs).where(mine).values(pinned=pinned))
