"""Rooms: codes, members, locked settings, the leader's rights and the board."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from guide.exercises import EXERCISES
from tests.support.rooms import ANA, BEN, TEACHER, finish, join, open_room
from trainers.events import JobCancelled
from trainers.hosting import room_codes, rooms as module
from trainers.hosting.board import best_per_person
from trainers.hosting.room_names import MAX_NAME_CHARS
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.hosting.rooms import BadName, RoomNotFound, get_rooms
from trainers.plan import BadPlan, Plan
from trainers.store import get_store
from trainers.store.tables import people, rooms_table, runs

pytestmark = pytest.mark.usefixtures("database")


# --- codes and keys -------------------------------------------------------------------------------


def test_codes_have_no_letters_that_look_alike():
    codes = {open_room().code for _ in range(4)}
    assert len(codes) == 4
    for code in codes:
        assert len(code) == room_codes.CODE_LENGTH
        assert not set(code) & set("ILOQUV0123456789")


@pytest.mark.parametrize("typed", ["{}", " {} ", "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}"])
def test_codes_may_be_typed_in_lower_case_and_with_spaces(typed):
    room = open_room()
    assert get_rooms().enter(typed.format(room.code).lower(), ANA).code == room.code


def test_too_many_wrong_codes_block_that_visitor_only():
    room = open_room()
    for _ in range(room_codes.MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound, match="No room has the code"):
            get_rooms().enter("AAAAAA", BEN)
    with pytest.raises(RoomNotFound, match="Too many wrong codes"):
        get_rooms().enter(room.code, BEN)
    assert get_rooms().enter(room.code, ANA).code == room.code


def test_too_many_wrong_codes_of_all_visitors_block_everybody_but_members(monkeypatch):
    monkeypatch.setattr(room_codes, "MAX_ATTEMPTS", 3)
    room = open_room()
    join(room)
    for number in range(3):
        with pytest.raises(RoomNotFound):
            get_rooms().enter("AAAAAA", f"a-new-browser-{number}")
    with pytest.raises(RoomNotFound, match="Too many"):
        get_rooms().enter(room.code, "another-new-browser")
    assert get_rooms().enter(room.code, ANA).code == room.code


def test_wrong_codes_are_forgotten_after_the_window(monkeypatch):
    room = open_room()
    for _ in range(room_codes.MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound):
            get_rooms().enter("AAAAAA", BEN)
    later = time.time() + room_codes.ATTEMPT_WINDOW_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert get_rooms().enter(room.code, BEN)


def test_only_the_right_key_makes_a_leader():
    room = open_room()
    with pytest.raises(RoomNotFound, match="leads no room"):
        get_rooms().make_leader(room.code, "wrong", BEN)
    assert not get_rooms().is_leader(room.code, BEN)
    get_rooms().make_leader(room.code, room.leader_key, BEN)
    assert get_rooms().is_leader(room.code, BEN)


# --- people ---------------------------------------------------------------------------------------


def test_equal_names_get_numbers():
    room = open_room()
    names = [get_rooms().join(room.code, name, f"visitor-{n}").name
             for n, name in enumerate(["Ana", " ana ", "ＡＮＡ"])]  # fmt: skip
    assert names == ["Ana", "ana 2", "ＡＮＡ 3"]


def test_a_long_name_keeps_its_length_with_a_number():
    room = open_room()
    first, second = (get_rooms().join(room.code, "x" * 40, v).name for v in (ANA, BEN))
    assert len(first) == len(second) == MAX_NAME_CHARS
    assert second.endswith(" 2")


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u202e", "!!!"])
def test_names_without_a_letter_or_digit_are_refused(name):
    with pytest.raises(BadName, match="1 to 24"):
        get_rooms().join(open_room().code, name, ANA)


def test_names_lose_invisible_characters_and_stacked_marks():
    person = get_rooms().join(
        open_room().code, "A\u202en\u200ba\u0301\u0301\u0301\u0301\u0301\nB", ANA
    )
    assert person.name == "Aná\u0301\u0301 B"


@pytest.mark.parametrize("name", ["Ana", "Person {}"])
def test_thirty_people_join_at_the_same_time(name):
    room = open_room()

    def enter(number):
        return get_rooms().join(room.code, name.format(number), f"visitor-{number}")

    with ThreadPoolExecutor(8) as pool:
        members = list(pool.map(enter, range(30)))
    assert {person.number for person in members} == set(range(1, 31))
    assert len({person.name for person in members}) == 30


def test_joining_another_room_leaves_the_first_and_coming_back_keeps_the_number():
    first, second = open_room(), open_room()
    get_rooms().join(first.code, "Ben", BEN)
    join(first)
    join(second)
    assert get_rooms().find_current(ANA)[0].code == second.code
    assert [person.name for person in get_rooms().list_people(first.code)] == ["Ben"]
    assert get_rooms().join(first.code, "Ana", ANA) == ("Ana", 2)


def test_a_leader_is_no_member_until_they_join():
    room = open_room()
    assert get_rooms().list_people(room.code) == []
    assert get_rooms().find_current(TEACHER) is None
    get_rooms().join(room.code, "Ms Lee", TEACHER)
    assert get_rooms().find_current(TEACHER)[1].name == "Ms Lee"
    get_rooms().leave(TEACHER)
    assert get_rooms().find_current(TEACHER) is None
    assert get_rooms().is_leader(room.code, TEACHER)


def test_a_full_room_lets_nobody_in(monkeypatch):
    monkeypatch.setattr(module, "MAX_PEOPLE", 2)  # the leader is one
    room = open_room()
    join(room)
    with pytest.raises(NotAllowedInRoom, match="full"):
        join(room, "Ben", BEN)


# --- locked settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"data": "vehicles"}, "data"),
        ({"seconds": 600}, "seconds"),
        ({"examples_per_class": 100}, "per_class"),
        ({"examples_per_class": None}, "per_class"),
        ({"seed": 77}, "expert"),
        ({"trainable": "all"}, "expert"),
        ({"backbone": "mobilenet_v2"}, "expert"),
    ],
)
def test_a_change_is_refused_unless_the_room_allows_it(change, setting):
    locked, free = open_room(), open_room(changeable=(setting,))
    plan = replace(join(locked), **change)
    with pytest.raises(NotAllowedInRoom, match="In this room"):
        get_rooms().enqueue(plan, ANA)
    assert get_rooms().read_board(locked.code) == []
    join(free)
    get_rooms().enqueue(plan, ANA)
    assert len(get_rooms().read_board(free.code)) == 1


def test_an_approach_outside_the_room_is_refused():
    room = open_room(approaches=("transfer", "simple"))
    plan = join(room)
    with pytest.raises(NotAllowedInRoom, match="Use: Transfer learning, No pre-trained model"):
        get_rooms().enqueue(replace(plan, approach="hybrid"), ANA)
    assert get_rooms().enqueue(replace(plan, approach="simple"), ANA)


def test_data_of_the_other_modality_gets_the_bundled_backbone():
    room = open_room(changeable=("data",), backbone="small_resnet")
    plan = join(room)
    texts = Plan(
        data="messages", approach="transfer", examples_per_class=20, seconds=20, seed=plan.seed
    )
    assert get_rooms().enqueue(texts, ANA)


def test_each_member_has_a_seed_unless_the_room_shares_one():
    room, shared = open_room(), open_room(seed_per_person=False)
    assert [join(room, "Ana", ANA).seed, join(room, "Ben", BEN).seed] == [1, 2]
    assert [join(shared, "Ana", ANA).seed, join(shared, "Ben", BEN).seed] == [0, 0]


def test_nothing_is_locked_outside_rooms():
    run = get_rooms().enqueue(Plan(data="vehicles", approach="hybrid"), ANA)
    assert get_store().get_run(run).visitor == ANA


def test_a_member_may_have_three_unfinished_runs():
    room = open_room()
    plan = join(room)
    started = [get_rooms().enqueue(plan, ANA) for _ in range(module.MAX_CONCURRENT_RUNS)]
    with pytest.raises(NotAllowedInRoom, match="3 of your runs"):
        get_rooms().enqueue(plan, ANA)
    get_store().append(started[0], [JobCancelled(1.0)])
    assert get_rooms().enqueue(plan, ANA)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"approaches": ()}, "at least one"),
        ({"approaches": ("magic",)}, "magic"),
        ({"data": "own-abc"}, "Choose a sample"),
        ({"data": "cats"}, "cats"),
        ({"changeable": ("score",)}, "'score'"),
        ({"seconds": 0}, "budget"),
    ],
)
def test_settings_that_allow_no_run_are_refused(settings, message):
    with pytest.raises(BadPlan, match=message):
        RoomSettings(**settings)


@pytest.mark.parametrize("key", EXERCISES)
def test_every_approach_of_an_exercise_can_be_started(key):
    room = get_rooms().open_room("Exercise", RoomSettings.from_exercise(key), TEACHER)
    join(room)
    for approach in room.settings.approaches:
        get_rooms().enqueue(room.settings.make_plan(approach, 1), ANA)
        get_rooms().stop_runs(room.code, TEACHER)


# --- pause, stop, clear, remove, close ------------------------------------------------------------


def test_nothing_starts_in_a_paused_room():
    room = open_room()
    plan = join(room)
    get_rooms().pause(room.code, TEACHER)
    with pytest.raises(NotAllowedInRoom, match="paused"):
        get_rooms().enqueue(plan, ANA)
    assert get_store().list_runs(ANA) == []
    get_rooms().pause(room.code, TEACHER, False)
    assert get_rooms().enqueue(plan, ANA)


def test_stop_cancels_queued_and_stops_running_runs_of_this_room_only():
    room, other = open_room(), open_room()
    plan = join(room)
    queued, running = (get_rooms().enqueue(plan, ANA) for _ in range(2))
    with get_store().engine.begin() as sql:
        sql.execute(update(runs).where(runs.c.id == running).values(state="running"))
    outside = get_rooms().enqueue(join(other, "Ben", BEN), BEN)
    assert get_rooms().stop_runs(room.code, TEACHER) == 2
    assert get_store().get_run(queued).state == "cancelled"
    assert get_store().get_run(running).stop_requested
    assert not get_store().get_run(running).is_over
    assert not get_store().get_run(outside).stop_requested


def test_clearing_the_board_keeps_the_runs():
    room = open_room()
    run = get_rooms().enqueue(join(room), ANA)
    get_rooms().clear_board(room.code, TEACHER)
    assert get_rooms().read_board(room.code) == []
    assert get_store().get_run(run).id == run


def test_a_removed_member_leaves_the_board_and_may_join_again():
    room = open_room()
    get_rooms().enqueue(join(room, "Rude", ANA), ANA)
    get_rooms().enqueue(join(room, "Ben", BEN), BEN)
    get_rooms().remove_person(room.code, TEACHER, "Rude")
    assert [person.name for person in get_rooms().list_people(room.code)] == ["Ben"]
    assert [row.name for row in get_rooms().read_board(room.code)] == ["Ben"]
    assert get_rooms().find_current(ANA) is None
    assert get_rooms().join(room.code, "Ana", ANA).name == "Ana"


def test_closing_a_room_keeps_its_runs():
    room = open_room()
    run = get_rooms().enqueue(join(room), ANA)
    get_rooms().close(room.code, TEACHER)
    with pytest.raises(RoomNotFound, match="no room"):
        get_rooms().get_room(room.code)
    assert get_rooms().find_current(ANA) is None
    assert get_rooms().read_board(room.code) == []
    assert get_store().get_run(run).id == run


def test_expired_rooms_are_purged_with_their_people():
    old, young = open_room(), open_room()
    join(old)
    opened_at = time.time() - module.ROOM_LIFETIME_HOURS * 3600 - 1
    with get_store().engine.begin() as sql:
        is_old = rooms_table.c.code == old.code
        sql.execute(update(rooms_table).where(is_old).values(opened_at=opened_at))
    with pytest.raises(RoomNotFound):
        get_rooms().get_room(old.code)
    assert get_rooms().find_current(ANA) is None
    get_rooms().purge_expired()
    with get_store().engine.connect() as sql:
        assert sql.scalars(select(people.c.room_code)).all() == [young.code]


LEADER_ACTIONS = {  # method -> further arguments
    "pause": (), "stop_runs": (), "clear_board": (), "close": (), "remove_person": ("Ana",),
    "set_address": ("http://x",), "update_settings": (RoomSettings(),),
}  # fmt: skip


@pytest.mark.parametrize("action", LEADER_ACTIONS)
def test_only_the_leader_may(action):
    room = open_room()
    run = get_rooms().enqueue(join(room), ANA)
    with pytest.raises(RoomNotFound, match="do not lead"):
        getattr(get_rooms(), action)(room.code, ANA, *LEADER_ACTIONS[action])
    assert get_rooms().get_room(room.code) == room
    assert not get_store().get_run(run).is_over
    assert len(get_rooms().read_board(room.code)) == 1


def test_a_visitor_may_lead_a_limited_number_of_rooms():
    rooms = [open_room() for _ in range(module.MAX_ROOMS)]
    with pytest.raises(NotAllowedInRoom, match="Close one"):
        open_room()
    get_rooms().close(rooms[0].code, TEACHER)
    assert open_room()


# --- the board ------------------------------------------------------------------------------------


def test_the_board_is_ordered_and_shows_only_names_and_scores():
    room = open_room()
    first, second = join(room), join(room, "Ben", BEN)
    owners = [(first, ANA), (second, BEN), (first, ANA)]
    keys = [get_rooms().enqueue(plan, visitor) for plan, visitor in owners]
    finish(keys[0], 40)
    finish(keys[1], 50)
    rows = get_rooms().read_board(room.code, ANA)
    assert [(row.name, row.state) for row in rows] == [
        ("Ben", "finished"),
        ("Ana", "finished"),
        ("Ana", "queued"),
    ]
    assert [row.is_mine for row in rows] == [False, True, True]
    settings = (rows[1].seed, rows[1].budget_seconds, rows[1].backbone)
    assert settings == (1, first.seconds, first.backbone)
    assert (rows[0].score, rows[0].low) == (50 / 60, pytest.approx(50 / 60 - 0.1))
    assert [row.name for row in best_per_person(rows)] == ["Ben", "Ana"]
    assert not any(secret in repr(rows) for secret in (*keys, ANA, BEN, room.leader_key))


def test_a_deleted_run_leaves_the_board():
    room = open_room()
    run = get_rooms().enqueue(join(room), ANA)
    get_store().delete([run], ANA)
    assert get_rooms().read_board(room.code) == []


def test_the_board_hides_the_key_of_uploaded_data():
    room = open_room()
    run = get_rooms().enqueue(join(room), ANA)
    with get_store().engine.begin() as sql:
        sql.execute(update(runs).where(runs.c.id == run).values(subject="own-secret"))
    assert [row.data for row in get_rooms().read_board(room.code)] == ["own"]
