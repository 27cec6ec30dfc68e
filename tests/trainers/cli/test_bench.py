"""`thaw bench`: the arithmetic, the table, and which rows are measured."""

import json

import pytest

from trainers.cli import bench
from trainers.cli.bench import (
    TABLE_HEAD,
    BenchRow,
    compare_slowdown,
    compare_speedup,
    format_row,
    select_benchmarks,
    time_alternately,
)
from trainers.cli.main import main

SCRIPT = """
from trainers.cli.bench import BenchRow, compare_speedup, time_alternately

def measure(rounds, *, quick=False):
    seconds = time_alternately(rounds, lambda number: 1.0, lambda number: 4.0)
    yield BenchRow(what=f"toy of {rounds}", against="a slower one", **compare_speedup(*seconds, 3))
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    (tmp_path / "click_to_score.py").write_text(SCRIPT)
    monkeypatch.setattr(bench, "SCRIPTS_DIR", tmp_path)


def test_sides_are_measured_in_turn_and_each_begins_as_often():
    calls = []
    ours, theirs = time_alternately(
        4, lambda n: calls.append(f"a{n}") or n, lambda n: calls.append(f"b{n}") or -n
    )
    assert calls == ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]
    assert (ours, theirs) == ([0, 1, 2, 3], [0, -1, -2, -3])


def test_a_speedup_is_the_ratio_of_medians_and_one_slow_round_does_not_count():
    fields = compare_speedup([1, 1, 10], [20, 20, 20], 15)
    assert (fields["ratio"], fields["met"], fields["spread"]) == (20, True, (2, 20))
    assert not compare_speedup([2, 2, 2], [20, 20, 20], 15)["met"]


def test_a_slowdown_of_some_seconds_can_be_allowed():
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


def test_the_table_shows_which_goals_are_missed_and_which_rows_have_none():
    fields = {"what": "w", "against": "a", "ours_seconds": 0.02, "theirs_seconds": 2.5}
    fields |= {"ratio": 125.0, "spread": (100.0, 150.0), "goal": "g"}
    met, missed, reported = (format_row(BenchRow(**fields, met=m)) for m in (True, False, None))
    assert met == "| w | a | 20 ms | 2.50 s | 125.00 (100.00 to 150.00) | g | yes |"
    assert met.count("|") == TABLE_HEAD[0].count("|") == TABLE_HEAD[1].count("|")
    assert missed.endswith("| **no** |")
    assert reported.endswith("| – |")


def test_chosen_rows_come_in_the_order_of_the_table():
    assert [row.key for row in select_benchmarks(["click", "frozen"])] == ["frozen", "click"]
    assert [row.key for row in select_benchmarks([])] == list(bench.BENCHMARKS)


def test_every_row_has_a_script_that_measures(root):
    for row in bench.BENCHMARKS.values():
        text = (root / "tests" / "bench" / f"{row.file}.py").read_text("utf-8")
        assert "def measure(rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:" in text


def test_all_rows_take_at_most_three_minutes_with_quick():
    assert sum(row.quick_seconds for row in bench.BENCHMARKS.values()) <= 180


@pytest.mark.parametrize("words", [["--only", "click"], ["click"]], ids=["old", "new"])
def test_the_command_prints_a_table_with_the_machine(words, scripts, capsys):
    assert main(["bench", *words, "--rounds", "2"]) == 0
    out, err = capsys.readouterr()
    assert "| toy of 2 | a slower one | 1.00 s | 4.00 s | 4.00 (4.00 to 4.00) |" in out
    assert "torch" in out.splitlines()[-1]
    assert "28 seconds" in err  # how long it will take


def test_the_command_prints_json(scripts, capsys):
    assert main(["bench", "click", "--quick", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["ratio"], row["what"]) == (4, "toy of 1")
    assert "torch" in row["machine"]


def test_a_row_that_cannot_be_measured_is_explained(scripts, monkeypatch, capsys):
    monkeypatch.delenv("THAW_TEST_DATA", raising=False)
    assert main(["bench", "--only", "peak", "frozen"]) == 1
    assert "repository" in capsys.readouterr().err
    assert main(["bench", "clack"]) == 2
    assert "'click'" in capsys.readouterr().err
    assert main(["bench", "--rounds", "0"]) == 2
