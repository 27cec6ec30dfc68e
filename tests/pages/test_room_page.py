"""The Room page, and what a room changes on the Run page, driven without a browser."""

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
from tests.support.rooms import ANA, BEN, TEACHER, finish, join, open_room, scored
from trainers.hosting.board import BoardRow
from trainers.hosting.room_settings import RoomSettings
from trainers.hosting.rooms import get_rooms
from trainers.plan import Plan
from trainers.store import get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
HOSTILE = "<b>x</b> | *y* :red[z]"


def open_page(visitor=ANA, page="room.py", **query) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = visitor
    at.run()
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(page).run()
    assert not at.exception
    return at


def press(at, label) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception
    return at


def text_of(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "error", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def join_and_run(room, name="Ana", visitor=ANA, correct=48) -> str:
    run = get_rooms().enqueue(join(room, name, visitor), visitor)
    finish(run, correct)
    return run


# --- start page -----------------------------------------------------------------------------------


def test_the_start_page_explains_rooms_and_lists_every_exercise():
    at = open_page()
    assert "everybody joins it with a code" in text_of(at)
    links = [link.proto for link in at.get("page_link") if link.proto.label == "Try it alone"]
    for exercise, link in zip(EXERCISES.values(), links, strict=True):
        assert exercise.title in text_of(at)
        assert f"data={exercise.data}" in link.query_string


def test_a_repeat_with_the_same_seed_counts_as_one_draw():
    settings = RoomSettings.from_exercise("three-approaches")
    for seed in (3, 3, 4):
        finish(get_store().enqueue(settings.make_plan("transfer", seed), ANA))
    assert "3 runs of 2 draws" in text_of(open_page())


def test_one_click_opens_a_room_with_an_exercise():
    at = open_page(TEACHER)
    at.button(key="open-how-few").click().run()
    (room,) = get_rooms().list_led_rooms(TEACHER)
    assert room.settings == RoomSettings.from_exercise("how-few")
    assert room.code in text_of(at)


def test_the_form_sets_the_settings_of_a_new_room():
    at = open_page(TEACHER)
    at.selectbox(key="new-data").set_value("cells").run()
    at.pills(key="new-approaches").set_value(["transfer", "simple"])
    at.pills(key="new-may-change").set_value(["seconds"])
    at.text_input(key="new-title").set_value("Biology")
    press(at, "Open the room")
    (room,) = get_rooms().list_led_rooms(TEACHER)
    assert room.title == "Biology"
    assert (room.settings.data, room.settings.changeable) == ("cells", ("seconds",))
    assert room.settings.approaches == ("transfer", "simple")


def test_a_room_needs_an_approach():
    at = open_page(TEACHER)
    at.pills(key="new-approaches").set_value([]).run()
    assert "at least one" in text_of(at)
    assert not [button for button in at.button if button.label == "Open the room"]


def test_a_wrong_code_shows_an_error_and_the_form_again():
    at = open_page(room="AAAAAA")
    assert "No room has the code" in text_of(at)
    assert at.text_input(key="typed")


# --- members --------------------------------------------------------------------------------------


def test_a_visitor_joins_by_code_and_name():
    room = open_room()
    at = open_page()
    at.text_input(key="typed").set_value(room.code.lower())
    press(at, "Join")
    at.text_input(key="name").set_value("Ana")
    press(at, "Join")
    assert "You are **Ana**" in text_of(at)
    assert get_rooms().find_current(ANA)[1] == ("Ana", 1)


def test_an_unreadable_name_shows_an_error():
    at = open_page(room=open_room().code)
    at.text_input(key="name").set_value("…")
    press(at, "Join")
    assert "1 to 24 letters" in text_of(at)
    assert get_rooms().find_current(ANA) is None


def test_the_board_escapes_names_and_shows_the_members_rank():
    room = open_room()
    join_and_run(room, "Ana", ANA, correct=40)
    join_and_run(room, HOSTILE, BEN, correct=50)
    text = text_of(open_page(room=room.code))
    assert "place 2 of 2, 67% right" in text.replace("\\", "")
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "**Ana (you)**" in text


def test_runs_with_a_shared_seed_show_nothing_about_luck():
    room = open_room(seed_per_person=False, changeable=("seconds",))
    join_and_run(room, "Ana", ANA)
    join_and_run(room, "Ben", BEN)
    text = text_of(open_page(room=room.code))
    assert "2 runs of 1 draw, " in text
    assert "how much is luck cannot be judged" in text


def test_visitors_outside_the_room_see_neither_board_nor_wall():
    room = open_room()
    join_and_run(room, "Ben", BEN)
    for query in ({}, {"wall": "1"}):
        at = open_page(room=room.code, **query)
        assert "Ben" not in text_of(at)
        assert at.text_input(key="name")


# --- leader and wall ------------------------------------------------------------------------------


def test_a_pause_shows_on_every_page_and_blocks_start():
    room = open_room()
    join(room)
    at = open_page(TEACHER, room=room.code)
    press(at, "Pause")
    assert get_rooms().get_room(room.code).paused
    assert "Paused" in text_of(open_page(room=room.code))
    run = open_page(page="run.py")
    assert "room is paused" in text_of(run)
    assert next(button for button in run.button if button.label == "Start").disabled
    press(at, "Go on")
    assert not get_rooms().get_room(room.code).paused


def test_a_leader_may_take_part_and_return_to_the_controls():
    room = open_room()
    at = open_page(TEACHER, room=room.code, part="1")
    at.text_input(key="name").set_value("Leo")
    at = press(at, "Join")
    assert "You are **Leo**" in text_of(at)
    assert [link.proto.label for link in at.get("page_link")] == ["Back to the controls"]
    assert any(button.label == "Pause" for button in open_page(TEACHER, room=room.code).button)
    assert not open_page(ANA, room=room.code).get("page_link")


def test_the_leader_clears_the_board_removes_people_and_closes_the_room():
    room = open_room()
    run = join_and_run(room)
    at = open_page(TEACHER, room=room.code)
    assert "80%" in text_of(at)
    press(at, "Clear it")
    assert get_rooms().read_board(room.code) == []
    press(at, "Remove")
    assert get_rooms().list_people(room.code) == []
    press(at, "Close it")
    assert get_rooms().list_led_rooms(TEACHER) == []
    assert get_store().get_run(run).state == "finished"


def test_the_leaders_key_is_removed_from_the_address():
    room = open_room()
    at = open_page(BEN, room=room.code, lead=room.leader_key)
    assert get_rooms().is_leader(room.code, BEN)
    assert "lead" not in at.query_params
    assert "leads no room" in text_of(open_page(ANA, room=room.code, lead="wrong"))


def test_the_wall_shows_code_and_scores_without_controls():
    room = open_room()
    join_and_run(room)
    at = open_page(TEACHER, room=room.code, wall="1")
    assert room.code in text_of(at)
    assert "● Ana" in text_of(at).replace(":blue[●]", "●")
    assert not at.button


def test_a_board_sends_only_names_and_scores_to_the_browser():
    room = open_room()
    run = join_and_run(room)
    join(room, "Ben", BEN)
    for query in ({}, {"wall": "1"}):
        at = open_page(BEN, room=room.code, **query)
        charts = "".join(str(part.proto) for part in at.get("bidi_component"))
        links = "".join(str(link.proto) for link in at.get("page_link"))
        sent = text_of(at) + charts + links
        assert "Ana" in sent
        assert not any(secret in sent for secret in (run, ANA, room.leader_key))


# --- on the Run page ------------------------------------------------------------------------------


def test_the_run_page_shows_locked_settings_and_starts_in_the_room():
    room = open_room(seconds=10, examples_per_class=7)
    join(room)
    at = open_page(page="run.py", data="cells", seconds="600", per_class="50")
    assert "Handwritten digits; 7 examples of each class; Time budget: 10 seconds" in text_of(at)
    assert not at.selectbox
    assert not at.slider
    press(at, "Start")
    (row,) = get_rooms().read_board(room.code)
    assert (row.name, row.data, row.examples_per_class) == ("Ana", "digits", 7)
    (run,) = get_store().list_runs(ANA)
    assert (run.job.seconds, run.job.seed) == (10, 1)


def test_the_run_page_offers_changeable_settings():
    room = open_room(changeable=("per_class", "seconds"))
    join(room)
    at = open_page(page="run.py", per_class="9", seconds="60")
    press(at, "Start")
    (run,) = get_store().list_runs(ANA)
    assert (run.job.examples_per_class, run.job.seconds, run.job.data) == (9, 60, "digits")
    assert len(get_rooms().read_board(room.code)) == 1


def test_an_earlier_run_cannot_be_repeated_against_locked_settings():
    earlier = get_store().enqueue(Plan(data="cells", approach="transfer"), ANA, worker="test")
    get_store().append(earlier, [scored(data="cells")])
    room = open_room()
    join(room)
    at = open_page(page="run.py", run=earlier)
    press(at, "Run again")
    assert "In this room the data is" in text_of(at)
    assert get_rooms().read_board(room.code) == []


def test_after_leaving_the_room_nothing_is_locked():
    room = open_room()
    join(room)
    at = open_page(page="run.py")
    press(at, "Leave the room")
    assert get_rooms().find_current(ANA) is None
    assert at.selectbox(key="data")


# --- addresses, table and chart -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:8501/room", True),
        ("http://127.0.0.1:8501/room", True),
        ("http://[::1]:8501/room", True),
        ("http://0.0.0.0:8501/room", True),
        ("http://192.168.1.7:8501/room", False),
        ("https://thaw.example/room", False),
    ],
)
def test_loopback_addresses_are_recognised(url, loopback):
    assert server_url.is_loopback(url) == loopback


def test_network_addresses_are_listed_home_networks_first(monkeypatch):
    def address(host, family=socket.AF_INET):
        return [SimpleNamespace(address=host, family=family)]

    interfaces = {
        "lo": address("127.0.0.1"), "eth0": address("10.0.0.5"), "wlan0": address("192.168.1.7"),
        "docker0": address("172.17.0.1"), "eth1": address("169.254.3.3"),
        "off": address("10.9.9.9"), "six": address("fe80::1", socket.AF_INET6),
    }  # fmt: skip
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)
    stats = {name: SimpleNamespace(isup=name != "off") for name in interfaces}
    monkeypatch.setattr(psutil, "net_if_stats", lambda: stats)
    assert server_url.list_network_urls("http://localhost:8501/room") == [
        "http://192.168.1.7:8501/room",
        "http://10.0.0.5:8501/room",
    ]


@pytest.mark.parametrize(
    ("text", "valid"),
    [("http://thaw.local/room", True), ("thaw.local", False), ("javascript:alert(1)", False),
     ("http://[", False), ("", False)],
)  # fmt: skip
def test_typed_addresses_are_validated(text, valid):
    assert server_url.is_url(text) == valid


def row(name="Ana", score=0.8, state="finished", approach="transfer", is_mine=False, **changes):
    low, high = (None, None) if score is None else (score - 0.1, score + 0.1)
    settings = {"data": "digits", "examples_per_class": 20, "seconds": 4.0} | changes
    return BoardRow(
        name, approach, state=state, score=score, low=low, high=high, is_mine=is_mine, **settings
    )


def test_the_table_has_columns_for_settings_that_differ():
    assert "examples" not in leaderboard.format_table([row()])
    assert "| 5 |" in leaderboard.format_table([row(), row(examples_per_class=5)])
    rows = [row(), row(data="own")]
    assert "own data" in leaderboard.format_table(rows)
    assert "cannot be held against each other" in leaderboard.describe_caveat(rows)


def test_equal_scores_share_a_place():
    rows = [row("Ben"), row("Ana", is_mine=True)]
    assert leaderboard.describe_rank(rows).startswith("You: place 1 of 2, with others")
    assert leaderboard.describe_rank([row(score=None, state="running", is_mine=True)]) == ""


def test_every_approach_has_a_sign_on_the_wall():
    assert {style.mark for style in APPROACH_STYLES.values()} == set(leaderboard.MARKER_SIGNS)
    assert len(set(leaderboard.MARKER_SIGNS.values())) == len(APPROACH_STYLES)


def test_the_chart_has_a_fixed_order_and_room_for_every_score():
    rows = [row(), row("Ben", 0.55, approach="hybrid", seconds=30.0), row(score=None)]
    chart = leaderboard_chart.score_chart(rows, ["hybrid", "transfer"], most_x=20)
    assert [trace["name"] for trace in chart["data"]] == ["Transfer learning", "Hybrid"]
    assert [trace["y"] for trace in chart["data"]] == [[80], [pytest.approx(55)]]
    assert chart["layout"]["yaxis"]["range"][0] == 40
    assert chart["layout"]["xaxis"]["range"][1] > 30
    empty = leaderboard_chart.score_chart([], ["transfer"], most_x=20)
    assert empty["layout"]["xaxis"]["range"][1] >= 20
    assert leaderboard_chart.describe_scores([]) == "No run is finished yet."
