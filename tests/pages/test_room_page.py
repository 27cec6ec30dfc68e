"""The page of rooms and what a room changes on the Run page, driven without a browser."""

import socket
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from guide.exercises import EXERCISES
from pages.parts.figures import leaderboard, leaderboard_chart
from pages.parts.figures.style import APPROACH_STYLES
from pages.parts.session import server_url
from trainers.events import RunFinished
from trainers.hosting.board import BoardRow
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import get_rooms
from trainers.plan import Plan
from trainers.store import get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
TEACHER, ANA, BEN = "the-teacher-of-tests", "ana-of-the-tests-00", "ben-of-the-tests-00"
HOSTILE = "<b>x</b> | *y* :red[z]"


def page(visitor=ANA, where="room.py", **query) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = visitor
    at.run()
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(where).run()
    assert not at.exception
    return at


def pressed(at, label) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception
    return at


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def opened(**settings):
    return get_rooms().open_room("Class 7b", RoomSettings(**settings), TEACHER)


def ran(room, visitor, right=48):
    person = get_rooms().find_current(visitor)[1]
    run = get_rooms().enqueue(room.settings.make_plan("transfer", person.number), visitor)
    get_store().append(run, [ended(right)])
    return run


def ended(right=48):
    share = right / 60
    return RunFinished(
        "transfer", "digits", "small_resnet", ["a", "b"], 50, 60, right, share, share - 0.1,
        share + 0.08, 0.79, [[30, 0], [0, 30]], 4.2, 90, 990, 12.0, False, {}, 1, 1,
    )  # fmt: skip


# --- before a room --------------------------------------------------------------------------------


def test_the_front_says_what_a_room_is_and_has_every_exercise():
    at = page()
    said = words(at)
    assert "everybody joins it with a code" in said
    for one in EXERCISES.values():
        assert one.title in said
    links = [link.proto for link in at.get("page_link") if link.proto.label == "Try it alone"]
    assert [f"data={one.data}" in link.query_string
            for one, link in zip(EXERCISES.values(), links, strict=True)] == [True] * 3  # fmt: skip


def test_alone_a_run_again_with_the_same_seed_is_no_second_draw():
    settings = RoomSettings.from_exercise("three-approaches")
    for seed in (3, 3, 4):
        get_store().append(
            get_store().enqueue(settings.make_plan("transfer", seed), ANA), [ended()]
        )
    assert "3 runs of 2 draws" in words(page())


def test_one_click_opens_a_room_with_an_exercise():
    at = page(TEACHER)
    at.button(key="open-how-few").click().run()
    (room,) = get_rooms().list_led_rooms(TEACHER)
    assert room.settings == RoomSettings.from_exercise("how-few")
    assert room.code in words(at)


def test_a_room_of_ones_own_is_opened_as_it_was_set_up():
    at = page(TEACHER)
    at.selectbox(key="new-data").set_value("cells").run()
    at.pills(key="new-approaches").set_value(["transfer", "simple"])
    at.pills(key="new-may-change").set_value(["seconds"])
    at.text_input(key="new-title").set_value("Biology")
    pressed(at, "Open the room")
    (room,) = get_rooms().list_led_rooms(TEACHER)
    assert room.title == "Biology"
    assert (room.settings.data, room.settings.changeable) == ("cells", ("seconds",))
    assert room.settings.approaches == ("transfer", "simple")


def test_without_an_approach_no_room_can_be_opened():
    at = page(TEACHER)
    at.pills(key="new-approaches").set_value([]).run()
    assert "at least one" in words(at)
    assert not [button for button in at.button if button.label == "Open the room"]


def test_a_wrong_code_is_told_and_asked_for_again():
    at = page(room="AAAAAA")
    assert "No room has the code" in words(at)
    assert at.text_input(key="typed")


# --- who takes part -------------------------------------------------------------------------------


def test_a_visitor_joins_by_code_and_name():
    room = opened()
    at = page()
    at.text_input(key="typed").set_value(room.code.lower())
    pressed(at, "Join")
    at.text_input(key="name").set_value("Ana")
    pressed(at, "Join")
    assert "You are **Ana**" in words(at)
    assert get_rooms().find_current(ANA)[1] == ("Ana", 1)


def test_a_name_that_cannot_be_read_is_told():
    at = page(room=opened().code)
    at.text_input(key="name").set_value("…")
    pressed(at, "Join")
    assert "1 to 24 letters" in words(at)
    assert get_rooms().find_current(ANA) is None


def test_the_board_shows_names_as_they_stand_and_ones_own_place():
    room = opened()
    for visitor, name, right in ((ANA, "Ana", 40), (BEN, HOSTILE, 50)):
        get_rooms().join(room.code, name, visitor)
        ran(room, visitor, right)
    said = words(page(room=room.code))
    assert "place 2 of 2, 67% right" in said.replace("\\", "")
    assert "<b>" not in said.replace("\\<b\\>", "")
    assert "**Ana (you)**" in said


def test_where_all_have_one_draw_many_runs_tell_nothing_of_luck():
    room = opened(seed_per_person=False, changeable=("seconds",))
    for visitor, name in ((ANA, "Ana"), (BEN, "Ben")):
        get_rooms().join(room.code, name, visitor)
        ran(room, visitor)
    said = words(page(room=room.code))
    assert "2 runs of 1 draw, " in said
    assert "how much is luck cannot be judged" in said


def test_who_is_not_in_a_room_sees_neither_its_board_nor_its_wall():
    room = opened()
    get_rooms().join(room.code, "Ben", BEN)
    ran(room, BEN)
    for query in ({}, {"wall": "1"}):
        at = page(room=room.code, **query)
        assert "Ben" not in words(at)
        assert at.text_input(key="name")


# --- who leads ------------------------------------------------------------------------------------


def test_the_leader_pauses_and_people_are_told():
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    at = page(TEACHER, room=room.code)
    pressed(at, "Pause")
    assert get_rooms().get_room(room.code).paused
    assert "Paused" in words(page(room=room.code))
    run = page(where="run.py")
    assert "room is paused" in words(run)
    assert next(button for button in run.button if button.label == "Start").disabled
    pressed(at, "Go on")
    assert not get_rooms().get_room(room.code).paused


def test_who_leads_may_take_part_and_go_back_to_the_controls():
    room = opened()
    at = page(TEACHER, room=room.code, part="1")
    at.text_input(key="name").set_value("Leo")
    at = pressed(at, "Join")
    assert "You are **Leo**" in words(at)
    assert [one.proto.label for one in at.get("page_link")] == ["Back to the controls"]
    assert any(one.label == "Pause" for one in page(TEACHER, room=room.code).button)
    assert not page(ANA, room=room.code).get("page_link")


def test_the_leader_clears_removes_and_closes():
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    run = ran(room, ANA)
    at = page(TEACHER, room=room.code)
    assert "80%" in words(at)
    pressed(at, "Clear it")
    assert get_rooms().read_board(room.code) == []
    pressed(at, "Remove")
    assert get_rooms().list_people(room.code) == []
    pressed(at, "Close it")
    assert get_rooms().list_led_rooms(TEACHER) == []
    assert get_store().get_run(run).state == "finished"


def test_the_key_leads_and_does_not_stay_in_the_address():
    room = opened()
    at = page(BEN, room=room.code, lead=room.leader_key)
    assert get_rooms().is_leader(room.code, BEN)
    assert "lead" not in at.query_params
    assert "leads no room" in words(page(ANA, room=room.code, lead="wrong"))


def test_the_wall_has_the_code_and_the_scores_and_no_controls():
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    ran(room, ANA)
    at = page(TEACHER, room=room.code, wall="1")
    assert room.code in words(at)
    assert "● Ana" in words(at).replace(":blue[●]", "●")
    assert not at.button


def test_nothing_but_names_and_scores_is_sent_to_a_board():
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    run = ran(room, ANA)
    get_rooms().join(room.code, "Ben", BEN)
    for query in ({}, {"wall": "1"}):
        at = page(BEN, room=room.code, **query)
        charts = "".join(str(part.proto) for part in at.get("bidi_component"))
        links = "".join(str(link.proto) for link in at.get("page_link"))
        sent = words(at) + charts + links
        assert "Ana" in sent
        assert run not in sent
        assert ANA not in sent
        assert room.leader_key not in sent


# --- on the Run page ------------------------------------------------------------------------------


def test_run_shows_what_is_locked_and_starts_in_the_room():
    room = opened(seconds=10, examples_per_class=7)
    get_rooms().join(room.code, "Ana", ANA)
    at = page(where="run.py", data="cells", seconds="600", per_class="50")
    assert "Handwritten digits; 7 examples of each class; Time budget: 10 seconds" in words(at)
    assert not at.selectbox
    assert not at.slider
    pressed(at, "Start")
    (line,) = get_rooms().read_board(room.code)
    assert (line.name, line.data, line.examples_per_class) == ("Ana", "digits", 7)
    (run,) = get_store().list_runs(ANA)
    assert (run.job.seconds, run.job.seed) == (10, 1)


def test_run_asks_for_what_is_free():
    room = opened(changeable=("per_class", "seconds"))
    get_rooms().join(room.code, "Ana", ANA)
    at = page(where="run.py", per_class="9", seconds="60")
    pressed(at, "Start")
    (run,) = get_store().list_runs(ANA)
    assert (run.job.examples_per_class, run.job.seconds, run.job.data) == (9, 60, "digits")
    assert len(get_rooms().read_board(room.code)) == 1


def test_a_run_of_before_is_not_repeated_in_a_room_that_locks_its_settings():
    ended = ran_outside()
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    at = page(where="run.py", run=ended)
    pressed(at, "Run again")
    assert "In this room the data is" in words(at)
    assert get_rooms().read_board(room.code) == []


def ran_outside() -> str:
    plan = Plan(data="cells", approach="transfer")
    run = get_store().enqueue(plan, ANA, worker="test")
    end = RunFinished(
        "transfer", "cells", "small_resnet", ["a", "b"], 50, 60, 30, 0.5, 0.4,
        0.6, 0.79, [[30, 0], [0, 30]], 4.2, 90, 990, 12.0, False, {}, 1, 1,
    )  # fmt: skip
    get_store().append(run, [end])
    return run


def test_who_leaves_runs_on_their_own_again():
    room = opened()
    get_rooms().join(room.code, "Ana", ANA)
    at = page(where="run.py")
    pressed(at, "Leave the room")
    assert get_rooms().find_current(ANA) is None
    assert at.selectbox(key="data")


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "alone"),
    [
        ("http://localhost:8501/room", True),
        ("http://127.0.0.1:8501/room", True),
        ("http://[::1]:8501/room", True),
        ("http://0.0.0.0:8501/room", True),
        ("http://192.168.1.7:8501/room", False),
        ("https://thaw.example/room", False),
    ],
)
def test_an_address_that_every_computer_calls_its_own_is_known(url, alone):
    assert server_url.is_loopback(url) == alone


def test_the_network_addresses_are_offered_home_networks_first(monkeypatch):
    def at(host, family=socket.AF_INET):
        return [SimpleNamespace(address=host, family=family)]

    found = {
        "lo": at("127.0.0.1"), "eth0": at("10.0.0.5"), "wlan0": at("192.168.1.7"),
        "docker0": at("172.17.0.1"), "eth1": at("169.254.3.3"), "off": at("10.9.9.9"),
        "six": at("fe80::1", socket.AF_INET6),
    }  # fmt: skip
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    up = {name: SimpleNamespace(isup=name != "off") for name in found}
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    assert server_url.list_network_urls("http://localhost:8501/room") == [
        "http://192.168.1.7:8501/room",
        "http://10.0.0.5:8501/room",
    ]


@pytest.mark.parametrize(
    ("text", "fits"),
    [("http://thaw.local/room", True), ("thaw.local", False), ("javascript:alert(1)", False),
     ("http://[", False), ("", False)],
)  # fmt: skip
def test_an_address_is_one(text, fits):
    assert server_url.is_url(text) == fits


def line(name="Ana", score=0.8, state="finished", approach="transfer", mine=False, **more):
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    settings = {"data": "digits", "examples_per_class": 20, "seconds": 4.0} | more
    return BoardRow(
        name, approach, state=state, score=score, low=low, high=high, is_mine=mine, **settings
    )


def test_columns_come_where_there_is_something_to_tell_apart():
    assert "examples" not in leaderboard.format_table([line()])
    assert "| 5 |" in leaderboard.format_table([line(), line(examples_per_class=5)])
    both = [line(), line(data="own")]
    assert "own data" in leaderboard.format_table(both)
    assert "cannot be held against each other" in leaderboard.describe_caveat(both)


def test_equal_scores_share_a_place():
    lines = [line("Ben"), line("Ana", mine=True)]
    assert leaderboard.describe_rank(lines).startswith("You: place 1 of 2, with others")
    assert leaderboard.describe_rank([line(score=None, state="running", mine=True)]) == ""


def test_every_approach_has_a_sign_on_the_wall():
    assert {look.mark for look in APPROACH_STYLES.values()} == set(leaderboard.MARKER_SIGNS)
    assert len(set(leaderboard.MARKER_SIGNS.values())) == len(APPROACH_STYLES)


def test_the_chart_keeps_its_order_and_holds_every_score():
    lines = [line(), line("Ben", 0.55, approach="hybrid", seconds=30.0), line(score=None)]
    drawn = leaderboard_chart.score_chart(lines, ["hybrid", "transfer"], most_x=20)
    assert [trace["name"] for trace in drawn["data"]] == ["Transfer learning", "Hybrid"]
    assert [trace["y"] for trace in drawn["data"]] == [[80], [pytest.approx(55)]]
    assert drawn["layout"]["yaxis"]["range"][0] == 40
    assert drawn["layout"]["xaxis"]["range"][1] > 30
    empty = leaderboard_chart.score_chart([], ["transfer"], most_x=20)
    assert empty["layout"]["xaxis"]["range"][1] >= 20
    assert leaderboard_chart.describe_scores([]) == "No run is finished yet."
