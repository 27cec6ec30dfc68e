"""How good is the advice: regret and its arithmetic, and a bench that can be cut off."""

import pytest

from trainers.__main__ import main
from trainers.tasks import bench_advice
from trainers.tasks.bench_advice import GridCell, format_table, load_cells, measure_cells

GRID = {"volumes": (5,), "seeds": (0, 1), "seconds": 2.0, "trial_seconds": 1.0}


def cell(transfer=80, fine_tune=90, hybrid=90, *, of=100, **changes) -> GridCell:
    right = {"transfer": transfer, "fine_tune": fine_tune, "hybrid": hybrid}
    facts = {
        "data": "digits",
        "title": "Digits",
        "per_class": 10,
        "seed": 0,
        "seconds": 20.0,
        "trial_seconds": 20.0,
        "answers": {"data_volume": "limited"},
        "article": "transfer",
        "trusted": "hybrid",
        "trial_took": 9.0,
        "right": {key: [1] * count + [0] * (of - count) for key, count in right.items()},
        "took": {"transfer": 1.0, "fine_tune": 5.0, "hybrid": 7.0},
    }
    return GridCell(**facts | changes)


def test_regret_is_what_the_best_had_more():
    found = cell()
    assert found.best == "fine_tune"  # of equals the cheaper
    assert found.regret("transfer") == pytest.approx(0.1)
    assert found.regret("hybrid") == 0


def test_the_noise_of_a_small_test_excuses_a_loss_and_a_large_one_does_not():
    assert cell(8, 9, 9, of=10).is_tie("transfer")
    assert not cell(800, 900, 900, of=1000).is_tie("transfer")
    assert cell(895, 900, 900, of=1000).is_tie("transfer")  # within a point


def test_a_trial_is_paid_for():
    assert cell().policies["rules and trial"] == ("hybrid", 16.0)
    assert cell().policies["rules alone"] == ("transfer", 1.0)
    assert cell().policies["CS231n"][0] == "transfer"
    assert cell(answers={"data_volume": "moderate"}).policies["CS231n"][0] == "fine_tune"


def test_the_table_has_every_cell_and_every_policy():
    table = format_table([cell(), cell(seed=1)])
    assert table.count("| Digits |") == 2
    assert "| rules alone | 10.00 | 10.0 |" in table
    assert "| rules and trial | 0.00 | 0.0 | 100% | 16.0 |" in table
    assert "| always hybrid |" in table


def test_a_bench_that_was_cut_off_goes_on_where_it_was(toy, monkeypatch):
    first = measure_cells(["colours"], **GRID)
    next(first)
    first.close()
    assert len(load_cells(["colours"], **GRID)) == 1
    measured = []
    real = bench_advice.measure_cell
    monkeypatch.setattr(
        bench_advice, "measure_cell", lambda *cell: measured.append(cell) or real(*cell)
    )
    assert len(list(measure_cells(["colours"], **GRID))) == 1
    assert [given[:3] for given in measured] == [("colours", 5, 1)]
    found = load_cells(["colours"], **GRID)
    assert {one.seed for one in found} == {0, 1}
    assert all(len(set(map(len, one.right.values()))) == 1 for one in found)
    assert "colours" in format_table(found).lower()


def test_the_full_grid_is_measured_on_request(monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr(
        bench_advice, "measure_cells", lambda keys, **grid: asked.update(grid) or []
    )
    monkeypatch.setattr(bench_advice, "load_cells", lambda keys, **grid: [])
    assert main(["bench-advice", "--data", "digits", "--full"]) == 0
    assert (asked["volumes"], asked["seeds"], asked["seconds"]) == ((5, 20, 100), (0, 1, 2), 60)
    assert main(["bench-advice", "--data", "digits"]) == 0
    assert (asked["volumes"], asked["seeds"], asked["seconds"]) == ((10, 50), (0, 1), 20)
