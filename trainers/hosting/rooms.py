"""Rooms: one person opens a room, others join with its code and a name, a board shows all runs.

A room sets what is run in it and what members may change. Runs stay their owners': the board shows
names and scores only.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trainers.hosting import room_codes
from trainers.hosting.board import BoardRow, read_board
from trainers.hosting.room_codes import CODE_LENGTH
from trainers.hosting.room_names import MAX_NAME_CHARS, clean_name, find_free_name, name_key
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.plan import Plan
from trainers.store import END_STATES, Store, get_store, scrub_marker_path
from trainers.store.tables import (
    people,
    room_code_attempts,
    room_runs,
    rooms_table,
    runs,
)

# All numbers here are our choice.
ROOM_LIFETIME_HOURS = 24
MAX_TITLE_CHARS, MAX_ADDRESS_CHARS = 60, 200
MAX_ROOMS = 5  # led by one visitor
MAX_PEOPLE = 200  # in a room
MAX_CONCURRENT_RUNS = 3  # queued or running, of a person


class RoomNotFound(LookupError):
    """The room does not exist, or may not be entered; the text says what to do."""


class BadName(ValueError):
    """A name without a letter or digit; the text says what is needed."""


@dataclass(frozen=True)
class Room:
    code: str
    leader_key: str  # makes a visitor the leader
    title: str
    settings: RoomSettings
    opened_at: float
    paused: bool
    address: str  # at which others reach the server; "": not set


class Person(NamedTuple):
    name: str
    number: int


class Rooms:
    """All rooms of a database. Safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self.store, self.engine = store, store.engine

    # --- opening and finding --------------------------------------------------------------------

    def open_room(self, title: str, settings: RoomSettings, visitor: str) -> Room:
        """Return a new room that `visitor` leads. Raises `NotAllowedInRoom`."""
        self.purge_expired()
        if len(self.list_led_rooms(visitor)) >= MAX_ROOMS:
            raise NotAllowedInRoom(f"You lead {MAX_ROOMS} rooms already. Close one of them first.")
        title = clean_name(title, MAX_TITLE_CHARS) or "Workshop"
        row = {"title": title, "settings": settings.as_json(), "paused": False}
        row |= {"leader_key": secrets.token_urlsafe(16), "opened_at": time.time()}
        while True:
            code = room_codes.draw_code()
            try:
                with self.engine.begin() as sql:
                    sql.execute(insert(rooms_table).values(code=code, **row))
                    self._add_leader(sql, code, visitor)
            except IntegrityError:  # the code is taken
                continue
            return self.get_room(code)

    def get_room(self, code: str) -> Room:
        """Return the open room with this code. Raises `RoomNotFound`."""
        here = (rooms_table.c.code == code) & _is_open()
        with self.engine.connect() as sql:
            row = sql.execute(select(rooms_table).where(here)).mappings().first()
        if row is None:
            raise RoomNotFound(
                f"There is no room {code}. It may be over; look at the wall, or ask who leads it."
            )
        return _room_from_row(row)

    def enter(self, typed: str, visitor: str) -> Room:
        """Return the room whose code was typed. Raises `RoomNotFound`."""
        code = room_codes.clean_code(typed)
        if self._is_member(code, visitor):  # members need no attempts
            return self.get_room(code)
        self._check_attempts(visitor)
        try:
            return self.get_room(code)
        except RoomNotFound:
            room_codes.record_attempt(self.engine, visitor)
            raise RoomNotFound(
                f"No room has the code “{code}”. A code has {CODE_LENGTH} letters: look at the "
                "wall, or ask who leads the room."
            ) from None

    def _is_member(self, code: str, visitor: str) -> bool:
        mine = (people.c.room_code == code) & (people.c.visitor == visitor)
        with self.engine.connect() as sql:
            return sql.execute(select(people.c.room_code).where(mine)).first() is not None

    def _check_attempts(self, visitor: str) -> None:
        if room_codes.has_too_many_attempts(self.engine, visitor):
            raise RoomNotFound(
                "Too many wrong codes were tried. Wait "
                f"{room_codes.ATTEMPT_WINDOW_SECONDS // 60} minutes, then type the code from the "
                "wall."
            )

    # --- people ---------------------------------------------------------------------------------

    def join(self, code: str, name: str, visitor: str) -> Person:
        """Make `visitor` a member of this room only, under `name` or one like it that is free.

        Raises `RoomNotFound`, `BadName`, `NotAllowedInRoom`.
        """
        room = self.get_room(code)
        name = clean_name(name, MAX_NAME_CHARS)
        if not any(char.isalnum() for char in name):
            raise BadName(f"Type a name: 1 to {MAX_NAME_CHARS} letters or figures.")
        for _ in range(MAX_PEOPLE):
            try:
                return self._join(room, name, visitor)
            except IntegrityError:  # somebody else took the name or number meanwhile
                continue
        raise NotAllowedInRoom("Too many people join at this moment. Try again.")

    def _join(self, room: Room, name: str, visitor: str) -> Person:
        now = time.time()
        with self.engine.begin() as sql:
            # Lock the room (in SQLite the first write locks), so that nobody joins between the
            # query and the insert.
            sql.execute(
                select(rooms_table.c.code).where(rooms_table.c.code == room.code).with_for_update()
            )
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
            named = find_free_name(name, taken)
            number = mine and mine["number"]
            number = number or 1 + max((row["number"] or 0 for row in rows), default=0)
            values = {"name": named, "name_key": name_key(named), "number": number, "left_at": None}
            if mine:
                own = (people.c.room_code == room.code) & (people.c.visitor == visitor)
                sql.execute(update(people).where(own).values(values))
            else:
                values |= {"room_code": room.code, "visitor": visitor, "is_leader": False}
                values["joined_at"] = now
                sql.execute(insert(people).values(values))
        return Person(named, number)

    def leave(self, visitor: str) -> None:
        """End the visitor's membership; their runs stay on the board under their name."""
        here = (people.c.visitor == visitor) & people.c.left_at.is_(None)
        with self.engine.begin() as sql:
            sql.execute(
                update(people).where(here, people.c.name.is_not(None)).values(left_at=time.time())
            )

    def list_people(self, code: str) -> list[Person]:
        """Return the members who are present, in the order they joined."""
        here = (
            (people.c.room_code == code) & people.c.name.is_not(None) & people.c.left_at.is_(None)
        )
        chosen = select(people.c.name, people.c.number).where(here).order_by(people.c.number)
        with self.engine.connect() as sql:
            return [Person(*row) for row in sql.execute(chosen)]

    def find_current(self, visitor: str) -> tuple[Room, Person] | None:
        """Return the room that the visitor takes part in and who they are there, or None."""
        mine = (
            (people.c.visitor == visitor) & people.c.name.is_not(None) & people.c.left_at.is_(None)
        )
        both = rooms_table.join(people, people.c.room_code == rooms_table.c.code)
        chosen = select(rooms_table, people.c.name, people.c.number).select_from(both)
        with self.engine.connect() as sql:
            row = sql.execute(chosen.where(mine, _is_open())).mappings().first()
        return row and (_room_from_row(row), Person(row["name"], row["number"]))

    # --- leading --------------------------------------------------------------------------------

    def make_leader(self, code: str, key: str, visitor: str) -> Room:
        """Let a visitor who has the leader's key lead the room. Raises `RoomNotFound`."""
        self._check_attempts(visitor)
        try:
            room = self.get_room(code)
            if not secrets.compare_digest(room.leader_key.encode(), key.encode()):
                raise RoomNotFound
        except RoomNotFound:
            room_codes.record_attempt(self.engine, visitor)
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
        """Return the open rooms that the visitor leads, newest first."""
        both = rooms_table.join(people, people.c.room_code == rooms_table.c.code)
        mine = (people.c.visitor == visitor) & people.c.is_leader & _is_open()
        chosen = select(rooms_table).select_from(both).where(mine)
        with self.engine.connect() as sql:
            rows = sql.execute(chosen.order_by(rooms_table.c.opened_at.desc())).mappings().all()
        return [_room_from_row(row) for row in rows]

    def pause(self, code: str, visitor: str, paused: bool = True) -> None:
        """Pause the room or end the pause. Nothing can be started while it is paused."""
        self._update_room(code, visitor, paused=paused)

    def update_settings(self, code: str, visitor: str, settings: RoomSettings) -> None:
        """Change the settings for runs that are started from now on."""
        self._update_room(code, visitor, settings=settings.as_json())

    def set_address(self, code: str, visitor: str, address: str) -> None:
        """Set the address at which people reach the server, for the link and its QR code."""
        self._update_room(code, visitor, address=address.strip()[:MAX_ADDRESS_CHARS])

    def _update_room(self, code: str, visitor: str, **values: Any) -> None:
        self._require_leader(code, visitor)
        with self.engine.begin() as sql:
            sql.execute(update(rooms_table).where(rooms_table.c.code == code).values(values))

    def stop_runs(self, code: str, visitor: str) -> int:
        """Stop the runs of the room and cancel queued ones; return how many those were."""
        self._require_leader(code, visitor)
        theirs = select(runs.c.id).join(room_runs, room_runs.c.run_id == runs.c.id)
        theirs = theirs.where(room_runs.c.room_code == code, runs.c.state.not_in(END_STATES))
        with self.engine.connect() as sql:
            keys = sql.scalars(theirs).all()
        for run in keys:
            self.store.request_stop(run)
        return len(keys)

    def clear_board(self, code: str, visitor: str) -> None:
        """Empty the board. The runs stay their owners'."""
        self._require_leader(code, visitor)
        with self.engine.begin() as sql:
            sql.execute(delete(room_runs).where(room_runs.c.room_code == code))

    def remove_person(self, code: str, visitor: str, name: str) -> None:
        """Remove a person and their runs from the board. They may join again, by another name."""
        self._require_leader(code, visitor)
        person = (people.c.room_code == code) & (people.c.name_key == name_key(name))
        with self.engine.begin() as sql:
            theirs = room_runs.c.visitor.in_(select(people.c.visitor).where(person))
            sql.execute(delete(room_runs).where(room_runs.c.room_code == code, theirs))
            nobody = {"name": None, "name_key": None, "left_at": time.time()}
            sql.execute(update(people).where(person).values(nobody))
        scrub_marker_path().touch()

    def close(self, code: str, visitor: str) -> None:
        """Close the room: its code, people and board are deleted, the runs stay."""
        self._require_leader(code, visitor)
        self._delete_rooms([code])

    def _require_leader(self, code: str, visitor: str) -> None:
        if not self.is_leader(code, visitor):
            raise RoomNotFound(f"You do not lead the room {code}, or it is over.")

    def purge_expired(self) -> None:
        """Delete the expired rooms, with their people and boards."""
        with self.engine.connect() as sql:
            codes = sql.scalars(select(rooms_table.c.code).where(~_is_open())).all()
        self._delete_rooms(codes)

    def reassign_visitor(self, visitor: str, to: str) -> None:
        """Give `visitor`'s memberships and runs to `to`, except where `to` is a member."""
        known = select(people.c.room_code).where(people.c.visitor == to).scalar_subquery()
        with self.engine.begin() as sql:
            for table in (room_runs, people):
                theirs = (table.c.visitor == visitor) & table.c.room_code.not_in(known)
                sql.execute(update(table).where(theirs).values(visitor=to))

    def delete_visitor(self, visitor: str) -> None:
        """Delete what rooms know of the visitor, and the rooms that they lead."""
        self._delete_rooms([room.code for room in self.list_led_rooms(visitor)])
        with self.engine.begin() as sql:
            for table in (room_runs, people, room_code_attempts):
                sql.execute(delete(table).where(table.c.visitor == visitor))
        scrub_marker_path().touch()

    def _delete_rooms(self, codes: Sequence[str]) -> None:
        if not codes:
            return
        with self.engine.begin() as sql:
            for column in (room_runs.c.room_code, people.c.room_code, rooms_table.c.code):
                sql.execute(delete(column.table).where(column.in_(codes)))
        scrub_marker_path().touch()

    # --- runs -----------------------------------------------------------------------------------

    def enqueue(
        self, plan: Plan, visitor: str, queue: Callable[[Plan, str], str] | None = None
    ) -> str:
        """Queue a run, in the room that the visitor takes part in, if any; return its id.

        The rules of the room are enforced here, whatever a page shows. `queue` stands in for the
        store's `enqueue`. Raises `NotAllowedInRoom`, and what `queue` raises.
        """
        queue = queue or self.store.enqueue
        membership = self.find_current(visitor)
        if membership is None:
            return queue(plan, visitor)
        room, person = membership
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
        """Return the board as `visitor` sees it; see `trainers.hosting.board.read_board`."""
        return read_board(self.engine, code, visitor)


def get_rooms() -> Rooms:
    """Return the rooms of this process's store."""
    return Rooms(get_store())


def _is_open() -> Any:
    return rooms_table.c.opened_at > time.time() - ROOM_LIFETIME_HOURS * 3600


def _room_from_row(row: Any) -> Room:
    names = ("code", "leader_key", "title", "opened_at", "paused", "address")
    known = {name: row[name] for name in names}
    return Room(**known, settings=RoomSettings.from_json(row["settings"]))
