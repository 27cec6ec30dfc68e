"""Rooms: many people, one board. Somebody opens a room; others join by its code, with a name.

A room says what is run in it and what may be changed. The board shows names and scores, and
nothing else of anybody's runs, which stay their owners'.
"""

import secrets
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from sqlalchemy import (
    Connection,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from guide.approaches import APPROACHES
from guide.exercises import EXERCISES
from trainers import backbones, datasets
from trainers.plan import BadPlan, Plan
from trainers.store import END_STATES, FINISHED, RUNNING, Store, get_store, scrub_marker_path
from trainers.store.tables import (
    ROOM_CODE_LENGTH,
    people,
    room_code_attempts,
    room_runs,
    rooms_table,
    runs,
)
from trainers.system.records import JsonRecord, stored_as
from trainers.system.registry import look_up

# All numbers here are ours. 20 letters that are not taken for each other, or for a figure, when
# they are read from a wall or said aloud: no I, L, O, Q, U, V.
CODE_ALPHABET = "ABCDEFGHJKMNPRSTWXYZ"
CODE_LENGTH = ROOM_CODE_LENGTH
ROOM_LIFETIME_HOURS = 24  # that a room lasts
MAX_NAME_CHARS, MAX_TITLE_CHARS, MAX_ADDRESS_CHARS = 24, 60, 200
MAX_ROOMS, MAX_PEOPLE, MAX_CONCURRENT_RUNS = (
    5,
    200,
    3,
)  # of one visitor; in a room; runs of a person
# Wrong codes. With 600 in 10 minutes from everybody together, a day of guessing finds one given
# room with a chance of 0.1 %; thirty people who mistype twice are far below it.
ATTEMPT_WINDOW_SECONDS, MAX_ATTEMPTS_PER_VISITOR, MAX_ATTEMPTS = 600, 10, 600
MAX_COMBINING_MARKS = 2  # over one letter: more than languages need would climb out of its line
CHANGEABLE_SETTINGS = {  # keys are stored: never rename one
    "data": "Data",
    "per_class": "Examples of each class",
    "seconds": "Time budget",
    "expert": "Expert settings",
}


class RoomNotFound(LookupError):
    """There is no such room, or it may not be entered; the text says what to do."""


class NotAllowedInRoom(ValueError):
    """A run that cannot be started in the room; the text says why, and what to do."""


class BadName(ValueError):
    """A name that nobody could read; the text says what is asked for."""


@dataclass(frozen=True, kw_only=True)
class RoomSettings(JsonRecord):
    """What is run in a room. Raises `BadPlan` where it could never be."""

    data: str = "digits"
    approaches: tuple[str, ...] = ("transfer", "fine_tune", "hybrid")  # people choose among them
    seconds: float = 20
    examples_per_class: Annotated[int | None, stored_as("per_class")] = 20
    backbone: str = ""
    changeable: Annotated[tuple[str, ...], stored_as("may_change")] = ()  # keys of MAY_CHANGE
    seed_per_person: Annotated[bool, stored_as("draws")] = (
        True  # everyone learns from other examples of the same data: luck is seen
    )
    exercise: str = ""  # in guide.exercises, where it is one

    def __post_init__(self) -> None:
        for name in ("approaches", "changeable"):  # lists, where they come out of JSON
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        if not self.approaches:
            raise BadPlan("No approach was chosen. A room needs at least one.")
        if self.data.startswith("own-"):
            raise BadPlan("Data of your own is seen in your browser only. Choose a sample.")
        if unknown := [key for key in self.changeable if key not in CHANGEABLE_SETTINGS]:
            raise BadPlan(
                f"{unknown[0]!r} cannot be set free. There are: {', '.join(CHANGEABLE_SETTINGS)}."
            )
        if self.exercise:
            look_up(EXERCISES, self.exercise, "exercise")
        for approach in self.approaches:
            self.make_plan(approach)

    def make_plan(self, approach: str, number: int = 1) -> Plan:
        """What the person who came as `number` runs where nothing is changed. Raises `BadPlan`."""
        return Plan(
            data=self.data,
            approach=approach,
            backbone=self.backbone,
            examples_per_class=self.examples_per_class,
            seconds=self.seconds,
            seed=self.seed_for(number),
        )

    def seed_for(self, number: int) -> int:
        return number if self.seed_per_person else 0

    def allows_change(self, what: str) -> bool:
        return what in self.changeable

    def check_plan(self, plan: Plan, number: int) -> None:
        """Raises `NotNow` where `plan` changes what may not be changed."""
        if plan.approach not in self.approaches:
            known = ", ".join(APPROACHES[key].title for key in self.approaches)
            raise NotAllowedInRoom(
                f"{APPROACHES[plan.approach].title} is not for this room. Use: {known}."
            )
        if plan.data != self.data and not self.allows_change("data"):
            raise NotAllowedInRoom(
                f"In this room the data is {datasets.get_dataset(self.data).title}. Use that."
            )
        if plan.seconds != self.seconds and not self.allows_change("seconds"):
            raise NotAllowedInRoom(
                f"In this room a run has {self.seconds:g} seconds. Use that budget."
            )
        if plan.examples_per_class != self.examples_per_class and not self.allows_change(
            "per_class"
        ):
            many = (
                "all examples"
                if self.examples_per_class is None
                else f"{self.examples_per_class} of each class"
            )
            raise NotAllowedInRoom(f"In this room a run learns from {many}. Use as many.")
        expert = plan.backbone, plan.trainable, plan.seed, plan.schedule
        same = self.backbone_for(plan.data), "auto", self.seed_for(number), None
        if expert != same and not self.allows_change("expert"):
            raise NotAllowedInRoom(
                "In this room the expert settings stay as they are. Leave them out."
            )

    def backbone_for(self, data: str) -> str:
        """The backbone of the room, or the bundled one for data of the other kind."""
        modality = datasets.get_dataset(data).modality
        if self.backbone and backbones.pick(self.backbone).modality == modality:
            return self.backbone
        return backbones.get_bundled(modality).key

    @classmethod
    def from_exercise(cls, key: str) -> "RoomSettings":
        """A room for an exercise. Raises `UnknownKey`."""
        one = look_up(EXERCISES, key, "exercise")
        return cls(
            data=one.data,
            approaches=one.approaches,
            seconds=one.seconds,
            examples_per_class=one.examples_per_class,
            changeable=one.adjustable,
            exercise=key,
        )


@dataclass(frozen=True)
class Room:
    code: str
    leader_key: str  # whoever has it leads the room
    title: str
    settings: RoomSettings
    opened_at: float
    paused: bool
    address: str  # of the server, as others reach it; "": nobody said


class Person(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class BoardRow:
    """A run on the board: its owner's name and its score, no id and no key."""

    name: str
    approach: str
    data: str  # a key; "own" for whatever is somebody's own
    examples_per_class: int | None
    state: str
    score: float | None  # test accuracy, 0..1, with its 95 % interval
    low: float | None
    high: float | None
    seconds: float | None
    is_mine: bool  # of whoever looks
    seed: int = 0  # runs with the same one learn from the same draw of the examples
    budget_seconds: float = 0.0  # seconds
    backbone: str = ""


class Rooms:
    """All rooms of a database. Safe to use from several threads and processes."""

    def __init__(self, of: Store) -> None:
        self.store, self.engine = of, of.engine

    # --- opening and finding --------------------------------------------------------------------

    def open_room(self, title: str, settings: RoomSettings, visitor: str) -> Room:
        """A new room that `visitor` leads. Raises `NotNow` where they lead enough."""
        self.purge_expired()
        if len(self.list_led_rooms(visitor)) >= MAX_ROOMS:
            raise NotAllowedInRoom(f"You lead {MAX_ROOMS} rooms already. Close one of them first.")
        title = _clean(title, MAX_TITLE_CHARS) or "Workshop"
        row = {
            "leader_key": secrets.token_urlsafe(16),
            "title": title,
            "settings": settings.as_json(),
        }
        row |= {"opened_at": time.time(), "paused": False}
        while True:
            code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
            try:
                with self.engine.begin() as sql:
                    sql.execute(insert(rooms_table).values(code=code, **row))
                    self._add_leader(sql, code, visitor)
            except IntegrityError:  # the code is taken
                continue
            return self.get_room(code)

    def get_room(self, code: str) -> Room:
        """The open room called `code`. Raises `NoRoom`."""
        here = (rooms_table.c.code == code) & _is_open()
        with self.engine.connect() as sql:
            row = sql.execute(select(rooms_table).where(here)).mappings().first()
        if row is None:
            raise RoomNotFound(
                f"There is no room {code}. It may be over; look at the wall, or ask who leads it."
            )
        return _room_from_row(row)

    def enter(self, typed: str, visitor: str) -> Room:
        """The room whose code somebody typed; who tries too many wrong ones has to wait.
        Raises `NoRoom`."""
        code = "".join(letter for letter in typed.upper() if letter.isalnum())[: CODE_LENGTH + 1]
        if self._is_member(code, visitor):  # whoever is in needs no more tries
            return self.get_room(code)
        self._check_attempts(visitor)
        try:
            return self.get_room(code)
        except RoomNotFound:
            self._record_attempt(visitor)
            raise RoomNotFound(
                f"No room has the code “{code}”. A code has {CODE_LENGTH} letters: look at the "
                "wall, or ask who leads the room."
            ) from None

    def _is_member(self, code: str, visitor: str) -> bool:
        mine = (people.c.room_code == code) & (people.c.visitor == visitor)
        with self.engine.connect() as sql:
            return sql.execute(select(people.c.room_code).where(mine)).first() is not None

    def _check_attempts(self, visitor: str) -> None:
        lately = room_code_attempts.c.attempted_at > time.time() - ATTEMPT_WINDOW_SECONDS
        with self.engine.connect() as sql:
            every = select(func.count()).select_from(room_code_attempts).where(lately)
            all_of_them = sql.scalar(every)
            mine = sql.scalar(every.where(room_code_attempts.c.visitor == visitor))
        if mine >= MAX_ATTEMPTS_PER_VISITOR or all_of_them >= MAX_ATTEMPTS:
            raise RoomNotFound(
                f"Too many wrong codes were tried. Wait {ATTEMPT_WINDOW_SECONDS // 60} "
                "minutes, then type the "
                "code from the wall."
            )

    def _record_attempt(self, visitor: str) -> None:
        now = time.time()
        with self.engine.begin() as sql:
            sql.execute(
                delete(room_code_attempts).where(
                    room_code_attempts.c.attempted_at < now - ATTEMPT_WINDOW_SECONDS
                )
            )
            sql.execute(insert(room_code_attempts).values(visitor=visitor, attempted_at=now))

    # --- people ---------------------------------------------------------------------------------

    def join(self, code: str, name: str, visitor: str) -> Person:
        """Makes `visitor` one of the room, under `name` or one like it that is free, and of no
        other. Raises `NoRoom`, `BadName`, `NotNow`."""
        room = self.get_room(code)
        name = _clean(name, MAX_NAME_CHARS)
        if not any(sign.isalnum() for sign in name):
            raise BadName(f"Type a name: 1 to {MAX_NAME_CHARS} letters or figures.")
        for _ in range(MAX_PEOPLE):
            try:
                return self._join(room, name, visitor)
            except IntegrityError:  # somebody took that name, or number, in this very moment
                continue
        raise NotAllowedInRoom("Too many people join at this moment. Try again.")

    def _join(self, room: Room, name: str, visitor: str) -> Person:
        now = time.time()
        with self.engine.begin() as sql:
            # Writing first takes SQLite's lock, and this that of Postgres: nobody comes between
            # the look and the insert.
            sql.execute(select(rooms_table.c.code).where(_is_room(room)).with_for_update())
            elsewhere = (people.c.visitor == visitor) & (people.c.room_code != room.code)
            sql.execute(
                update(people).where(elsewhere, people.c.left_at.is_(None)).values(left_at=now)
            )
            there = select(people).where(people.c.room_code == room.code)
            rows = sql.execute(there).mappings().all()
            mine = next((row for row in rows if row["visitor"] == visitor), None)
            if mine is None and len(rows) >= MAX_PEOPLE:
                raise NotAllowedInRoom(f"This room is full: {MAX_PEOPLE} people are in it.")
            taken = {row["name_key"] for row in rows if row is not mine}
            named = _find_free_name(name, taken)
            number = mine and mine["number"]
            number = number or 1 + max((row["number"] or 0 for row in rows), default=0)
            values = {
                "name": named,
                "name_key": _name_key(named),
                "number": number,
                "left_at": None,
            }
            if mine:
                own = (people.c.room_code == room.code) & (people.c.visitor == visitor)
                sql.execute(update(people).where(own).values(values))
            else:
                values |= {"room_code": room.code, "visitor": visitor, "is_leader": False}
                values["joined_at"] = now
                sql.execute(insert(people).values(values))
        return Person(named, number)

    def leave(self, visitor: str) -> None:
        """Their runs stay on the board, under their name."""
        here = (people.c.visitor == visitor) & people.c.left_at.is_(None)
        with self.engine.begin() as sql:
            sql.execute(
                update(people).where(here, people.c.name.is_not(None)).values(left_at=_now())
            )

    def list_people(self, code: str) -> list[Person]:
        """Who is here, in the order they came."""
        here = (
            (people.c.room_code == code) & people.c.name.is_not(None) & people.c.left_at.is_(None)
        )
        chosen = select(people.c.name, people.c.number).where(here).order_by(people.c.number)
        with self.engine.connect() as sql:
            return [Person(*row) for row in sql.execute(chosen)]

    def find_current(self, visitor: str) -> tuple[Room, Person] | None:
        """The room that the visitor takes part in now, and as whom."""
        mine = (
            (people.c.visitor == visitor) & people.c.name.is_not(None) & people.c.left_at.is_(None)
        )
        both = rooms_table.join(people, people.c.room_code == rooms_table.c.code)
        chosen = select(rooms_table, people.c.name, people.c.number).select_from(both)
        with self.engine.connect() as sql:
            row = sql.execute(chosen.where(mine, _is_open())).mappings().first()
        return row and (_room_from_row(row), Person(row["name"], row["number"]))

    # --- who leads ------------------------------------------------------------------------------

    def make_leader(self, code: str, key: str, visitor: str) -> Room:
        """Makes whoever has the room's key one of those who lead it. Raises `NoRoom`."""
        self._check_attempts(visitor)
        try:
            room = self.get_room(code)
            if not secrets.compare_digest(room.leader_key.encode(), key.encode()):
                raise RoomNotFound
        except RoomNotFound:
            self._record_attempt(visitor)
            raise RoomNotFound(
                "This link leads no room. It may be over, or the link is cut off."
            ) from None
        with self.engine.begin() as sql:
            self._add_leader(sql, code, visitor)
        return room

    def _add_leader(self, sql: Connection, code: str, visitor: str) -> None:
        mine = (people.c.room_code == code) & (people.c.visitor == visitor)
        if not sql.execute(update(people).where(mine).values(is_leader=True)).rowcount:
            row = {"room_code": code, "visitor": visitor, "is_leader": True}
            row["joined_at"] = time.time()
            sql.execute(insert(people).values(row))

    def is_leader(self, code: str, visitor: str) -> bool:
        return any(room.code == code for room in self.list_led_rooms(visitor))

    def list_led_rooms(self, visitor: str) -> list[Room]:
        """The open rooms that the visitor leads, the newest first."""
        both = rooms_table.join(people, people.c.room_code == rooms_table.c.code)
        mine = (people.c.visitor == visitor) & people.c.is_leader & _is_open()
        chosen = select(rooms_table).select_from(both).where(mine)
        with self.engine.connect() as sql:
            rows = sql.execute(chosen.order_by(rooms_table.c.opened_at.desc())).mappings().all()
        return [_room_from_row(row) for row in rows]

    def pause(self, code: str, visitor: str, paused: bool = True) -> None:
        """While it is paused, nothing new is started in the room."""
        self._update_room(code, visitor, paused=paused)

    def update_settings(self, code: str, visitor: str, settings: RoomSettings) -> None:
        """Other settings, for runs that are started from now on."""
        self._update_room(code, visitor, settings=settings.as_json())

    def set_address(self, code: str, visitor: str, address: str) -> None:
        """Where people find the server, for the link and its picture."""
        self._update_room(code, visitor, address=address.strip()[:MAX_ADDRESS_CHARS])

    def _update_room(self, code: str, visitor: str, **values: Any) -> None:
        self._require_leader(code, visitor)
        with self.engine.begin() as sql:
            sql.execute(update(rooms_table).where(rooms_table.c.code == code).values(values))

    def stop_runs(self, code: str, visitor: str) -> int:
        """Asks what runs in the room to stop, with the best it has; what waits is cancelled. Says
        how many that were."""
        self._require_leader(code, visitor)
        theirs = select(runs.c.id).join(room_runs, room_runs.c.run_id == runs.c.id)
        theirs = theirs.where(room_runs.c.room_code == code, runs.c.state.not_in(END_STATES))
        with self.engine.connect() as sql:
            keys = sql.scalars(theirs).all()
        for run in keys:
            self.store.request_stop(run)
        return len(keys)

    def clear_board(self, code: str, visitor: str) -> None:
        """Empties the board. The runs stay their owners'."""
        self._require_leader(code, visitor)
        with self.engine.begin() as sql:
            sql.execute(delete(room_runs).where(room_runs.c.room_code == code))

    def remove_person(self, code: str, visitor: str, name: str) -> None:
        """Takes a person and their lines off the board: they may come again, under another name."""
        self._require_leader(code, visitor)
        whom = (people.c.room_code == code) & (people.c.name_key == _name_key(name))
        with self.engine.begin() as sql:
            theirs = room_runs.c.visitor.in_(select(people.c.visitor).where(whom))
            sql.execute(delete(room_runs).where(room_runs.c.room_code == code, theirs))
            nobody = {"name": None, "name_key": None, "left_at": time.time()}
            sql.execute(update(people).where(whom).values(nobody))
        scrub_marker_path().touch()

    def close(self, code: str, visitor: str) -> None:
        """Ends the room: its code, its people and its board are gone, the runs stay."""
        self._require_leader(code, visitor)
        self._delete_rooms([code])

    def _require_leader(self, code: str, visitor: str) -> None:
        if not self.is_leader(code, visitor):
            raise RoomNotFound(f"You do not lead the room {code}, or it is over.")

    def purge_expired(self) -> None:
        """Forgets rooms whose time is over, with everything that was said in them."""
        with self.engine.connect() as sql:
            codes = sql.scalars(select(rooms_table.c.code).where(~_is_open())).all()
        self._delete_rooms(codes)

    def reassign_visitor(self, of: str, to: str) -> None:
        """What `of` is in rooms `to` is from now on, in those where `to` is not somebody yet."""
        known = select(people.c.room_code).where(people.c.visitor == to).scalar_subquery()
        with self.engine.begin() as sql:
            for table in (room_runs, people):
                theirs = (table.c.visitor == of) & table.c.room_code.not_in(known)
                sql.execute(update(table).where(theirs).values(visitor=to))

    def delete_visitor(self, visitor: str) -> None:
        """Deletes what rooms know of the visitor. A room that they lead is closed."""
        self._delete_rooms([room.code for room in self.list_led_rooms(visitor)])
        with self.engine.begin() as sql:
            for table in (room_runs, people, room_code_attempts):
                sql.execute(delete(table).where(table.c.visitor == visitor))
        scrub_marker_path().touch()

    def _delete_rooms(self, codes: Sequence[str]) -> None:
        if not codes:
            return
        with self.engine.begin() as sql:
            for table, code in (
                (room_runs, room_runs.c.room_code),
                (people, people.c.room_code),
                (rooms_table, rooms_table.c.code),
            ):
                sql.execute(delete(table).where(code.in_(codes)))
        scrub_marker_path().touch()

    # --- runs -----------------------------------------------------------------------------------

    def enqueue(
        self, plan: Plan, visitor: str, queue: Callable[[Plan, str], str] | None = None
    ) -> str:
        """Queues a run in the room that the visitor takes part in; outside of any, in none. The
        rules of the room hold here, whatever a page shows. `queue` stands in for the store's
        `start`. Raises `NotNow`, and what `queue` does."""
        queue = queue or self.store.enqueue
        found = self.find_current(visitor)
        if found is None:
            return queue(plan, visitor)
        room, person = found
        if room.paused:
            raise NotAllowedInRoom("The room is paused: nothing can be started until it goes on.")
        room.settings.check_plan(plan, person.number)
        mine = (room_runs.c.room_code == room.code) & (room_runs.c.visitor == visitor)
        alive = select(func.count()).select_from(
            runs.join(room_runs, runs.c.id == room_runs.c.run_id)
        )
        with self.engine.connect() as sql:
            at_once = sql.scalar(alive.where(mine, runs.c.state.not_in(END_STATES)))
        if at_once >= MAX_CONCURRENT_RUNS:
            raise NotAllowedInRoom(
                f"{at_once} of your runs wait or run. Let one end, or cancel it, first."
            )
        run = queue(plan, visitor)
        with self.engine.begin() as sql:
            sql.execute(insert(room_runs).values(run_id=run, room_code=room.code, visitor=visitor))
        return run

    def read_board(self, code: str, visitor: str = "") -> list[BoardRow]:
        """The runs of the room, the best first; then those at work, that wait, and without score.
        Deleted runs are not there."""
        joined = room_runs.join(runs, runs.c.id == room_runs.c.run_id).join(
            people,
            (people.c.room_code == room_runs.c.room_code)
            & (people.c.visitor == room_runs.c.visitor),
        )
        chosen = select(
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
        kept = (room_runs.c.room_code == code) & runs.c.deleted_at.is_(None)
        with self.engine.connect() as sql:
            rows = sql.execute(chosen.where(kept).order_by(runs.c.created_at)).mappings().all()
        lines = [
            BoardRow(
                **{name: row[name] for name in _BOARD_COLUMNS},
                data="own" if row["data"].startswith("own-") else row["data"],
                is_mine=bool(row["mine"]),
            )
            for row in rows
        ]
        return sorted(lines, key=_board_order)


_BOARD_COLUMNS = (
    *("name", "approach", "examples_per_class", "state", "score", "low", "high", "seconds"),
    *("seed", "budget_seconds", "backbone"),
)


def get_rooms() -> Rooms:
    """The rooms of this process's store."""
    return Rooms(get_store())


def best_per_person(lines: Sequence[BoardRow]) -> list[BoardRow]:
    """One line a person: their best, of a board in its order."""
    first: dict[str, BoardRow] = {}
    for line in lines:
        first.setdefault(line.name, line)
    return list(first.values())


def _board_order(line: BoardRow) -> tuple[int, float]:
    if line.state == FINISHED and line.score is not None:
        return 0, -line.score
    return (1 if line.state == RUNNING else 2 if line.state not in END_STATES else 3), 0.0


def _now() -> float:
    return time.time()


def _is_room(room: Room) -> Any:
    return rooms_table.c.code == room.code


def _is_open() -> Any:
    return rooms_table.c.opened_at > time.time() - ROOM_LIFETIME_HOURS * 3600


def _room_from_row(row: Any) -> Room:
    names = ("code", "leader_key", "title", "opened_at", "paused", "address")
    known = {name: row[name] for name in names}
    return Room(**known, settings=RoomSettings.from_json(row["settings"]))


def _clean(text: str, most: int) -> str:
    """`text` in one line, at most `most` signs: none that is not to be seen, that turns the
    direction of reading, or that piles up over the others."""
    signs: list[str] = []
    for sign in unicodedata.normalize("NFC", " ".join(text.split())):
        kind = unicodedata.category(sign)
        piled = kind[0] == "M" and all(
            map(_is_combining_mark, signs[-MAX_COMBINING_MARKS:])
        )  # nothing, or marks alone
        if kind[0] == "C" or piled:
            continue
        signs.append(sign)
    return "".join(signs)[:most].strip()


def _is_combining_mark(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M"


def _name_key(name: str) -> str:
    """A name as it is told from others: not by capitals, nor by how letters are drawn."""
    return unicodedata.normalize("NFKC", name).casefold()


def _find_free_name(name: str, taken: set[str | None]) -> str:
    """`name`, or "name 2", "name 3" … where it is taken."""
    number, free = 1, name
    while _name_key(free) in taken:
        number += 1
        ending = f" {number}"
        free = name[: MAX_NAME_CHARS - len(ending)].rstrip() + ending
    return free
