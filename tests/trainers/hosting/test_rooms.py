"""Rooms: who may do what, and what the board says of others."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from guide.exercises import EXERCISES
from trainers.events import JobCancelled, RunFinished
from trainers.hosting import rooms as module
from trainers.hosting.board import best_per_person
from trainers.hosting.room_names import MAX_NAME_CHARS
from trainers.hosting.room_settings import NotAllowedInRoom, RoomSettings
from trainers.hosting.rooms import BadName, RoomNotFound, get_rooms, rooms_table
from trainers.plan import BadPlan, Plan
from trainers.store import get_store

pytestmark = pytest.mark.usefixtures("database")

TEACHER, ANA, BEN = "the-teacher-of-tests", "ana-of-the-tests-00", "ben-of-the-tests-00"


def opened(**settings):
    return get_rooms().open_room("Class 7b", RoomSettings(**settings), TEACHER)


def joined(room, name="Ana", visitor=ANA):
    person = get_rooms().join(room.code, name, visitor)
    return room.settings.make_plan(room.settings.approaches[0], person.number)


def ended(run: str, right: int = 48, seconds: float = 12.0) -> None:
    share = right / 60
    end = RunFinished(
        "transfer", "digits", "small_resnet", ["a", "b"], 50, 60, right, share, share - 0.1,
        share + 0.08, 0.79, [[30, 0], [0, 30]], seconds, 90, 990, 12.0, False, {}, 1, 1,
    )  # fmt: skip
    get_store().append(run, [end])


# --- the code and the key -------------------------------------------------------------------------


def test_a_code_has_no_letters_that_are_taken_for_others():
    codes = {opened().code for _ in range(4)}
    assert len(codes) == 4
    for code in codes:
        assert len(code) == module.CODE_LENGTH
        assert not set(code) & set("ILOQUV0123456789")


@pytest.mark.parametrize("typed", ["{}", " {} ", "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}"])
def test_a_code_may_be_typed_in_small_letters_and_with_spaces(typed):
    room = opened()
    assert get_rooms().enter(typed.format(room.code).lower(), ANA).code == room.code


def test_who_guesses_codes_has_to_wait_and_others_do_not():
    room = opened()
    for _ in range(module.MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound, match="No room has the code"):
            get_rooms().enter("AAAAAA", BEN)
    with pytest.raises(RoomNotFound, match="Too many wrong codes"):
        get_rooms().enter(room.code, BEN)
    assert get_rooms().enter(room.code, ANA).code == room.code


def test_guessing_with_ever_new_browsers_ends_too_and_who_is_in_stays_in(monkeypatch):
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 3)
    room = opened()
    joined(room)
    for number in range(3):
        with pytest.raises(RoomNotFound):
            get_rooms().enter("AAAAAA", f"a-new-browser-{number}")
    with pytest.raises(RoomNotFound, match="Too many"):
        get_rooms().enter(room.code, "another-new-browser")
    assert get_rooms().enter(room.code, ANA).code == room.code


def test_wrong_codes_are_forgiven_after_a_while(monkeypatch):
    room = opened()
    for _ in range(module.MAX_ATTEMPTS_PER_VISITOR):
        with pytest.raises(RoomNotFound):
            get_rooms().enter("AAAAAA", BEN)
    later = time.time() + module.ATTEMPT_WINDOW_SECONDS + 1
    monkeypatch.setattr(module.time, "time", lambda: later)
    assert get_rooms().enter(room.code, BEN)


def test_the_key_makes_a_leader_and_a_wrong_one_does_not():
    room = opened()
    with pytest.raises(RoomNotFound, match="leads no room"):
        get_rooms().make_leader(room.code, "wrong", BEN)
    assert not get_rooms().is_leader(room.code, BEN)
    get_rooms().make_leader(room.code, room.leader_key, BEN)
    assert get_rooms().is_leader(room.code, BEN)


# --- people ---------------------------------------------------------------------------------------


def test_the_same_name_twice_gets_a_number():
    room = opened()
    names = [get_rooms().join(room.code, name, f"visitor-{n}").name
             for n, name in enumerate(["Ana", " ana ", "ＡＮＡ"])]  # fmt: skip
    assert names == ["Ana", "ana 2", "ＡＮＡ 3"]


def test_a_long_name_that_is_taken_still_fits():
    room = opened()
    long = "x" * 40
    first, second = (get_rooms().join(room.code, long, v).name for v in (ANA, BEN))
    assert len(first) == len(second) == MAX_NAME_CHARS
    assert second.endswith(" 2")


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u202e", "!!!"])
def test_a_name_that_nobody_can_read_is_refused(name):
    with pytest.raises(BadName, match="1 to 24"):
        get_rooms().join(opened().code, name, ANA)


def test_a_name_loses_what_is_not_to_be_seen():
    person = get_rooms().join(
        opened().code, "A\u202en\u200ba\u0301\u0301\u0301\u0301\u0301\nB", ANA
    )
    assert person.name == "Aná\u0301\u0301 B"


@pytest.mark.parametrize("name", ["Ana", "Person {}"])
def test_thirty_people_join_in_the_same_moment(name):
    room = opened()

    def come(number):
        return get_rooms().join(room.code, name.format(number), f"visitor-{number}")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(come, range(30)))
    assert {person.number for person in found} == set(range(1, 31))
    assert len({person.name for person in found}) == 30


def test_a_person_is_in_one_room_at_a_time_and_keeps_their_number():
    first, second = opened(), opened()
    get_rooms().join(first.code, "Ben", BEN)
    joined(first)
    joined(second)
    assert get_rooms().find_current(ANA)[0].code == second.code
    assert [person.name for person in get_rooms().list_people(first.code)] == ["Ben"]
    assert get_rooms().join(first.code, "Ana", ANA) == ("Ana", 2)


def test_who_leads_is_not_among_the_people_until_they_join():
    room = opened()
    assert get_rooms().list_people(room.code) == []
    assert get_rooms().find_current(TEACHER) is None
    get_rooms().join(room.code, "Ms Lee", TEACHER)
    assert get_rooms().find_current(TEACHER)[1].name == "Ms Lee"
    get_rooms().leave(TEACHER)
    assert get_rooms().find_current(TEACHER) is None
    assert get_rooms().is_leader(room.code, TEACHER)


def test_a_full_room_takes_nobody_else(monkeypatch):
    monkeypatch.setattr(module, "MAX_PEOPLE", 2)  # the leader is one
    room = opened()
    joined(room)
    with pytest.raises(NotAllowedInRoom, match="full"):
        joined(room, "Ben", BEN)


# --- what is locked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "free"),
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
def test_what_is_locked_is_refused_at_the_start_and_what_is_free_is_not(change, free):
    locked, open_ = opened(), opened(changeable=(free,))
    plan = replace(joined(locked), **change)
    with pytest.raises(NotAllowedInRoom, match="In this room"):
        get_rooms().enqueue(plan, ANA)
    assert get_rooms().read_board(locked.code) == []
    joined(open_)
    get_rooms().enqueue(plan, ANA)
    assert len(get_rooms().read_board(open_.code)) == 1


def test_an_approach_that_is_not_of_the_room_is_refused():
    room = opened(approaches=("transfer", "simple"))
    plan = joined(room)
    with pytest.raises(NotAllowedInRoom, match="Use: Transfer learning, No pre-trained model"):
        get_rooms().enqueue(replace(plan, approach="hybrid"), ANA)
    assert get_rooms().enqueue(replace(plan, approach="simple"), ANA)


def test_free_data_of_the_other_kind_gets_the_bundled_backbone():
    room = opened(changeable=("data",), backbone="small_resnet")
    plan = joined(room)
    texts = Plan(
        data="messages", approach="transfer", examples_per_class=20, seconds=20, seed=plan.seed
    )
    assert get_rooms().enqueue(texts, ANA)


def test_everybody_has_a_draw_of_their_own_unless_the_room_says_otherwise():
    room, same = opened(), opened(seed_per_person=False)
    assert [joined(room, "Ana", ANA).seed, joined(room, "Ben", BEN).seed] == [1, 2]
    assert [joined(same, "Ana", ANA).seed, joined(same, "Ben", BEN).seed] == [0, 0]


def test_outside_of_rooms_nothing_is_locked():
    run = get_rooms().enqueue(Plan(data="vehicles", approach="hybrid"), ANA)
    assert get_store().get_run(run).visitor == ANA


def test_a_person_has_only_so_many_runs_at_once():
    room = opened()
    plan = joined(room)
    started = [get_rooms().enqueue(plan, ANA) for _ in range(module.MAX_CONCURRENT_RUNS)]
    with pytest.raises(NotAllowedInRoom, match="3 of your runs"):
        get_rooms().enqueue(plan, ANA)
    get_store().append(started[0], [JobCancelled(1.0)])
    assert get_rooms().enqueue(plan, ANA)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"approaches": ()}, "at least one"),
        ({"approaches": ("magic",)}, "magic"),
        ({"data": "own-abc"}, "Choose a sample"),
        ({"data": "cats"}, "cats"),
        ({"changeable": ("score",)}, "'score'"),
        ({"seconds": 0}, "budget"),
    ],
)
def test_a_room_that_could_run_nothing_is_not_opened(settings, says):
    with pytest.raises(BadPlan, match=says):
        RoomSettings(**settings)


@pytest.mark.parametrize("key", EXERCISES)
def test_an_exercise_is_a_room_whose_runs_can_be_started(key):
    room = get_rooms().open_room("Exercise", RoomSettings.from_exercise(key), TEACHER)
    joined(room)
    for approach in room.settings.approaches:
        get_rooms().enqueue(room.settings.make_plan(approach, 1), ANA)
        get_rooms().stop_runs(room.code, TEACHER)


# --- pause, stop, clear, remove, close ------------------------------------------------------------


def test_a_paused_room_starts_nothing_until_it_goes_on():
    room = opened()
    plan = joined(room)
    get_rooms().pause(room.code, TEACHER)
    with pytest.raises(NotAllowedInRoom, match="paused"):
        get_rooms().enqueue(plan, ANA)
    assert get_store().list_runs(ANA) == []
    get_rooms().pause(room.code, TEACHER, False)
    assert get_rooms().enqueue(plan, ANA)


def test_stop_asks_what_runs_and_cancels_what_waits_in_this_room_alone():
    room, other = opened(), opened()
    plan = joined(room)
    waits = get_rooms().enqueue(plan, ANA)
    runs_ = get_rooms().enqueue(plan, ANA)
    get_store().append(waits, [])
    with get_store().engine.begin() as sql:
        table = module.runs
        sql.execute(update(table).where(table.c.id == runs_).values(state="running"))
    outside = get_rooms().enqueue(joined(other, "Ben", BEN), BEN)
    assert get_rooms().stop_runs(room.code, TEACHER) == 2
    assert get_store().get_run(waits).state == "cancelled"
    assert get_store().get_run(runs_).stop_requested
    assert not get_store().get_run(runs_).is_over
    assert not get_store().get_run(outside).stop_requested


def test_clear_empties_the_board_and_leaves_the_runs():
    room = opened()
    run = get_rooms().enqueue(joined(room), ANA)
    get_rooms().clear_board(room.code, TEACHER)
    assert get_rooms().read_board(room.code) == []
    assert get_store().get_run(run).id == run


def test_who_is_removed_is_gone_with_their_lines_and_may_come_under_another_name():
    room = opened()
    get_rooms().enqueue(joined(room, "Rude", ANA), ANA)
    get_rooms().enqueue(joined(room, "Ben", BEN), BEN)
    get_rooms().remove_person(room.code, TEACHER, "Rude")
    assert [person.name for person in get_rooms().list_people(room.code)] == ["Ben"]
    assert [line.name for line in get_rooms().read_board(room.code)] == ["Ben"]
    assert get_rooms().find_current(ANA) is None
    assert get_rooms().join(room.code, "Ana", ANA).name == "Ana"


def test_a_closed_room_is_gone_and_its_runs_stay():
    room = opened()
    run = get_rooms().enqueue(joined(room), ANA)
    get_rooms().close(room.code, TEACHER)
    with pytest.raises(RoomNotFound, match="no room"):
        get_rooms().get_room(room.code)
    assert get_rooms().find_current(ANA) is None
    assert get_rooms().read_board(room.code) == []
    assert get_store().get_run(run).id == run


def test_a_room_ends_by_itself_and_nothing_of_it_is_kept():
    room, young = opened(), opened()
    joined(room)
    old = time.time() - module.ROOM_LIFETIME_HOURS * 3600 - 1
    with get_store().engine.begin() as sql:
        this = rooms_table.c.code == room.code
        sql.execute(update(rooms_table).where(this).values(opened_at=old))
    with pytest.raises(RoomNotFound):
        get_rooms().get_room(room.code)
    assert get_rooms().find_current(ANA) is None
    get_rooms().purge_expired()
    with get_store().engine.connect() as sql:
        left = sql.scalars(
            module.people.select().with_only_columns(module.people.c.room_code)
        ).all()
    assert left == [young.code]


LEADING = {
    "pause": (), "stop_runs": (), "clear_board": (), "close": (), "remove_person": ("Ana",),
    "set_address": ("http://x",), "update_settings": (RoomSettings(),),
}  # fmt: skip


@pytest.mark.parametrize("what", LEADING)
def test_only_who_leads_may(what):
    room = opened()
    run = get_rooms().enqueue(joined(room), ANA)
    with pytest.raises(RoomNotFound, match="do not lead"):
        getattr(get_rooms(), what)(room.code, ANA, *LEADING[what])
    assert get_rooms().get_room(room.code) == room
    assert not get_store().get_run(run).is_over
    assert len(get_rooms().read_board(room.code)) == 1


def test_a_visitor_leads_only_so_many_rooms():
    found = [opened() for _ in range(module.MAX_ROOMS)]
    with pytest.raises(NotAllowedInRoom, match="Close one"):
        opened()
    get_rooms().close(found[0].code, TEACHER)
    assert opened()


# --- the board ------------------------------------------------------------------------------------


def test_the_board_has_the_best_first_and_shows_names_and_scores_alone():
    room = opened()
    first, second = joined(room), joined(room, "Ben", BEN)
    keys = [
        get_rooms().enqueue(first, ANA),
        get_rooms().enqueue(second, BEN),
        get_rooms().enqueue(first, ANA),
    ]
    ended(keys[0], 40)
    ended(keys[1], 50)
    lines = get_rooms().read_board(room.code, ANA)
    assert [(line.name, line.state) for line in lines] == [
        ("Ben", "finished"),
        ("Ana", "finished"),
        ("Ana", "queued"),
    ]
    assert [line.is_mine for line in lines] == [False, True, True]
    assert (lines[1].seed, lines[1].budget_seconds, lines[1].backbone) == (
        1,
        first.seconds,
        first.backbone,
    )
    assert (lines[0].score, lines[0].low) == (50 / 60, pytest.approx(50 / 60 - 0.1))
    assert [line.name for line in best_per_person(lines)] == ["Ben", "Ana"]
    shown = repr(lines)
    assert not any(secret in shown for secret in (*keys, ANA, BEN, room.leader_key))


def test_a_deleted_run_leaves_the_board():
    room = opened()
    run = get_rooms().enqueue(joined(room), ANA)
    get_store().delete([run], ANA)
    assert get_rooms().read_board(room.code) == []


def test_what_data_of_their_own_is_called_is_not_on_the_board(monkeypatch):
    room = opened()
    run = get_rooms().enqueue(joined(room), ANA)
    with get_store().engine.begin() as sql:
        table = module.runs
        sql.execute(update(table).where(table.c.id == run).values(subject="own-secret"))
    assert [line.data for line in get_rooms().read_board(room.code)] == ["own"]
