"""Names that hide what they are, keys that could be guessed, and plans out of a stranger's file."""

import inspect
import json
import math
import re
import shlex

import pytest

from tests.support import stored_runs as kept
from trainers.datasets.uploads import inbox
from trainers.datasets.uploads.limits import sanitize_line
from trainers.hosting import room_codes, sharing
from trainers.hosting.room_codes import (
    CODE_ALPHABET,
    CODE_LENGTH,
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_PER_VISITOR,
)
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import RoomNotFound, Rooms, get_rooms
from trainers.plan import Plan
from trainers.reports.run_file import BadFile, export_run, import_run
from trainers.reports.sentences import format_command
from trainers.store import get_store

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
TURNING = ["\u202e", "\u2066", "\u2067", "\u202d", "\x00", "\x07", "\x1b[31m", "\x85", "\u2069"]


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", TURNING, ids=ascii)
def test_no_sign_that_hides_or_turns_is_kept_of_a_name(sign):
    name = f"photo{sign}gnp.exe"
    key = kept.run(get_store())
    get_store().annotate(key, kept.VISITOR, name=name, note=name)
    past = get_store().get_summary(key)
    room = get_rooms().open_room(name, RoomSettings(), ANN)
    person = get_rooms().join(room.code, name, BOB)
    for shown in (past.name, past.title, past.note, room.title, person.name, sanitize_line(name)):
        assert sign[0] not in shown
        assert shown.startswith("photo")


def test_a_note_keeps_its_lines():
    key = kept.run(get_store())
    get_store().annotate(key, kept.VISITOR, name="", note="one\n\ttwo")
    assert get_store().get_summary(key).note == "one\n\ttwo"


# --- keys -----------------------------------------------------------------------------------------


def test_every_key_has_128_bits_at_least():
    key = kept.run(get_store())
    token = sharing.share_run(key, kept.VISITOR)
    room = get_rooms().open_room("7b", RoomSettings(), ANN)
    for made in (key, token, room.leader_key):  # secrets.token_urlsafe(16)
        assert re.fullmatch(r"[\w-]{22}", made)
    assert re.fullmatch(r"[0-9a-f]{32}", inbox.create_draft(ANN))


def test_a_code_is_short_so_that_wrong_ones_are_counted():
    """It is read from a wall. What it lets in is a name on a board; what leads is the key."""
    assert math.log2(len(CODE_ALPHABET) ** CODE_LENGTH) > 25
    guesses_a_day = MAX_ATTEMPTS * 24 * 3600 / room_codes.ATTEMPT_WINDOW_SECONDS
    assert guesses_a_day / len(CODE_ALPHABET) ** CODE_LENGTH < 0.002
    room = get_rooms().open_room("7b", RoomSettings(), ANN)
    for _ in range(MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound, match="No room has the code"):
            get_rooms().enter("ZZZZZZ", BOB)
    with pytest.raises(RoomNotFound, match="Too many wrong codes"):
        get_rooms().enter(room.code, BOB)


def test_guesses_under_new_names_are_counted_together(monkeypatch):
    """A browser can throw its cookie away."""
    monkeypatch.setattr(room_codes, "MAX_ATTEMPTS", 5)
    room = get_rooms().open_room("7b", RoomSettings(), ANN)
    for number in range(5):
        with pytest.raises(RoomNotFound, match="No room has the code"):
            get_rooms().enter("ZZZZZZ", f"a-new-visitor-{number:04}")
    with pytest.raises(RoomNotFound, match="Too many wrong codes"):
        get_rooms().enter(room.code, "a-new-visitor-9999")


def test_the_key_of_a_room_is_guessed_as_seldom_and_compared_in_constant_time():
    room = get_rooms().open_room("7b", RoomSettings(), ANN)
    for _ in range(MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound, match="leads no room"):
            get_rooms().make_leader(room.code, "a" * 22, BOB)
    with pytest.raises(RoomNotFound, match="Too many"):
        get_rooms().make_leader(room.code, room.leader_key, BOB)
    assert "compare_digest" in inspect.getsource(Rooms.make_leader)


# --- a plan out of a stranger's file --------------------------------------------------------------


def imported(**plan):
    """The run out of a file whose plan says so, on data that is not here."""
    document = json.loads(export_run(get_store(), kept.run(get_store())))
    document["plan"] |= {"data": "own-AAAAAAAAAAAA"} | plan
    for event in document["events"]:
        if "data" in event:
            event["data"] = document["plan"]["data"]
    return get_store().get_run(import_run(get_store(), json.dumps(document).encode(), BOB))


def test_a_run_on_data_that_is_not_here_can_come():
    assert imported().job.data == "own-AAAAAAAAAAAA"


@pytest.mark.parametrize(
    "plan",
    [{"mends": mends} for mends in (["; rm -rf ~"], ["$(id)"], "abc", 7, {"a": 1}, [["a"]], [1])]
    + [{"backbone": key} for key in ("hf:a/b;id", "hf:../../x", "; id", "../x", 7)]
    + [{"data": data} for data in ("own-; id 12345", "own-../../../x", "own-$(id)abc")]
    + [{"what_learns": "; id"}, {"approach": "; id"}, {"seed": "; id"}, {"pace": "; id"}],
    ids=repr,
)
def test_a_plan_that_says_anything_else_is_refused_in_words(plan):
    with pytest.raises(BadFile, match="Nothing was kept"):
        imported(**plan)


def test_a_command_that_is_shown_is_safe_to_paste():
    """Whatever a plan came to hold."""
    plan = Plan(data="digits", approach="transfer")
    object.__setattr__(plan, "backbone", "x; touch y")
    object.__setattr__(plan, "fixes", ("$(id)", "`id`"))
    words = shlex.split(format_command(plan))
    assert "x; touch y" in words
    assert "$(id),`id`" in words
