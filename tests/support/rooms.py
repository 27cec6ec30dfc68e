"""A room with its leader and two members, and finished runs for its board."""

from dataclasses import replace

from tests.support.digits_run import RUN_FINISHED
from trainers.events import RunFinished
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import Room, get_rooms
from trainers.plan import Plan
from trainers.store import get_store

TEACHER, ANA, BEN = "the-teacher-of-tests", "ana-of-the-tests-00", "ben-of-the-tests-00"


def open_room(**settings: object) -> Room:
    return get_rooms().open_room("Class 7b", RoomSettings(**settings), TEACHER)


def join(room: Room, name: str = "Ana", visitor: str = ANA) -> Plan:
    """Make the visitor a member and return their default plan."""
    person = get_rooms().join(room.code, name, visitor)
    return room.settings.make_plan(room.settings.approaches[0], person.number)


def scored(correct: int = 48, **changes: object) -> RunFinished:
    """Return the event of a finished run with `correct` of 60 test examples, ±10 points."""
    accuracy = correct / 60
    interval = {"test_accuracy_low": accuracy - 0.1, "test_accuracy_high": accuracy + 0.1}
    counts = {"test_examples": 60, "test_correct": correct, "test_accuracy": accuracy}
    return replace(RUN_FINISHED, **counts, **interval, **changes)


def finish(run: str, correct: int = 48) -> None:
    get_store().append(run, [scored(correct)])
