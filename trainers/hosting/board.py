"""The board of a room: names and scores of its runs, nothing else about anybody."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from trainers.store import END_STATES, FINISHED, RUNNING
from trainers.store.tables import people, room_runs, runs

_BOARD_COLUMNS = (
    *("name", "approach", "examples_per_class", "state", "score", "low", "high", "seconds"),
    *("seed", "budget_seconds", "backbone"),
)


@dataclass(frozen=True)
class BoardRow:
    """A run on the board: its owner's name and score, but no id."""

    name: str
    approach: str
    data: str  # its key; "own" for any upload
    examples_per_class: int | None
    state: str
    score: float | None  # test accuracy, 0..1, with its 95 % interval
    low: float | None
    high: float | None
    seconds: float | None
    is_mine: bool  # belongs to the visitor who reads the board
    seed: int = 0  # runs with equal seeds use the same examples
    budget_seconds: float = 0.0
    backbone: str = ""


def read_board(engine: Engine, code: str, visitor: str = "") -> list[BoardRow]:
    """Return the runs of a room: finished ones, best first, then running, queued and failed ones.

    `is_mine` is set for runs of `visitor`. Deleted runs are left out.
    """
    joined = room_runs.join(runs, runs.c.id == room_runs.c.run_id).join(
        people,
        (people.c.room_code == room_runs.c.room_code) & (people.c.visitor == room_runs.c.visitor),
    )
    columns = select(
        *(runs.c[name] for name in ("approach", "state", "score", "seconds", "created_at")),
        runs.c.subject.label("data"),
        runs.c.job["per_class"].as_integer().label("examples_per_class"),
        runs.c.job["seed"].as_integer().label("seed"),
        runs.c.job["seconds"].as_float().label("budget_seconds"),
        runs.c.job["backbone"].as_string().label("backbone"),
        runs.c.result["test_accuracy_low"].as_float().label("low"),
        runs.c.result["test_accuracy_high"].as_float().label("high"),
        people.c.name,
        (room_runs.c.visitor == visitor).label("mine"),
    ).select_from(joined)
    is_shown = (room_runs.c.room_code == code) & runs.c.deleted_at.is_(None)
    with engine.connect() as sql:
        rows = sql.execute(columns.where(is_shown).order_by(runs.c.created_at)).mappings().all()
    board = [
        BoardRow(
            **{name: row[name] for name in _BOARD_COLUMNS},
            data="own" if row["data"].startswith("own-") else row["data"],
            is_mine=bool(row["mine"]),
        )
        for row in rows
    ]
    return sorted(board, key=_board_order)


def best_per_person(board: Sequence[BoardRow]) -> list[BoardRow]:
    """Return the best run of each person from a board in its order."""
    best: dict[str, BoardRow] = {}
    for row in board:
        best.setdefault(row.name, row)
    return list(best.values())


def _board_order(row: BoardRow) -> tuple[int, float]:
    if row.state == FINISHED and row.score is not None:
        return 0, -row.score
    return (1 if row.state == RUNNING else 2 if row.state not in END_STATES else 3), 0.0
