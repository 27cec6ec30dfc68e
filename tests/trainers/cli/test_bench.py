"""`python -m trainers bench`: the arithmetic, the table, and which rows are measured."""

import json

import pytest

from trainers.__main__ import main
from trainers.cli import bench
from trainers.cli.bench import (
    BenchRow,
    compare_slowdown,
    compare_speedup,
    format_table,
    select_benchmarks,
    time_alternately,
)

SCRIPT = """
from trainers.cli.bench import Row, faster, in_turn

def measure(rounds):
    taken = in_turn(rounds, lambda number: 1.0, lambda number: 4.0)
    yield Row(what="toy", against="a slower one", **faster(*taken, 3))
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    (tmp_path / "click_to_score.py").write_text(SCRIPT)
    monkeypatch.setattr(bench, "SCRIPTS_DIR", tmp_path)


def test_sides_are_measured_in_turn_and_each_begins_as_often():
    told = []
    ours, theirs = time_alternately(
        4, lambda n: told.append(f"a{n}") or n, lambda n: told.append(f"b{n}") or -n
    )
    assert told == ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]
    assert (ours, theirs) == ([0, 1, 2, 3], [0, -1, -2, -3])


def test_faster_is_the_ratio_of_medians_and_one_slow_round_does_not_count():
    found = compare_speedup([1, 1, 10], [20, 20, 20], 15)
    assert (found["ratio"], found["met"], found["spread"]) == (20, True, (2, 20))
    assert not compare_speedup([2, 2, 2], [20, 20, 20], 15)["met"]


def test_slower_may_be_excused_by_some_seconds():
    assert compare_slowdown([2.2], [1.0], 1.3, plus_seconds=1.0)["met"]
    assert not compare_slowdown([2.4], [1.0], 1.3, plus_seconds=1.0)["met"]
    assert compare_slowdown([1.02], [1.0], 1.03)["met"]
    assert compare_slowdown([1.05], [1.0], 1.03) == {
        "ours_seconds": 1.05,
        "theirs_seconds": 1.0,
        "ratio": 1.05,
        "spread": (1.05, 1.05),
        "goal": "at most 1.03x",
        "met": False,
    }


def test_the_table_says_what_is_missed_and_what_has_no_goal():
    fields = {"what": "w", "against": "a", "ours_seconds": 0.02, "theirs_seconds": 2.5}
    fields |= {"ratio": 125.0, "spread": (100.0, 150.0), "goal": "g"}
    met, missed, told = format_table(
        [BenchRow(**fields, met=met, note="") for met in (True, False, None)]
    ).splitlines()[2:]
    assert met == "| w | a | 20 ms | 2.50 s | 125.00 (100.00 to 150.00) | g | yes |"
    assert missed.endswith("| **no** |")
    assert told.endswith("| – |")


def test_only_some_rows_are_chosen_in_the_order_of_the_table():
    assert [row.key for row in select_benchmarks(["click", "frozen"])] == ["frozen", "click"]
    assert [row.key for row in select_benchmarks([])] == list(bench.BENCHMARKS)


def test_every_row_has_a_script_that_measures(root):
    for row in bench.BENCHMARKS.values():
        text = (root / "tests" / "bench" / f"{row.file}.py").read_text("utf-8")
        assert "def measure(rounds: int) -> Iterator[Row]:" in text


def test_the_command_prints_a_table_with_the_machine(scripts, capsys):
    assert main(["bench", "--only", "click", "--rounds", "2"]) == 0
    told = capsys.readouterr().out
    assert "| toy | a slower one | 1.00 s | 4.00 s | 4.00 (4.00 to 4.00) |" in told
    assert "torch" in told.splitlines()[-1]


def test_the_command_prints_json(scripts, capsys):
    assert main(["bench", "--only", "click", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ratio"] == 4


def test_what_cannot_be_measured_says_what_to_do(scripts, monkeypatch, capsys):
    monkeypatch.delenv("THAW_TEST_DATA", raising=False)
    assert main(["bench", "--only", "peak", "frozen"]) == 1
    told = capsys.readouterr().err
    assert "repository" in told
    assert main(["bench", "--only", "clack"]) == 2
    assert "'click'" in capsys.readouterr().err
    assert main(["bench", "--rounds", "0"]) == 2
