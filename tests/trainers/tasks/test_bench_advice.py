"""How good is the advice: regret, its arithmetic, and a benchmark that continues after a break."""

import pytest

from trainers.__main__ import main
from trainers.tasks import bench_advice
from trainers.tasks.bench_advice import Grid, GridCell, format_table, load_cells, measure_cells

GRID = Grid(["colours"], volumes=(5,), seeds=(0, 1), seconds=2.0, pilot_seconds=1.0)


def cell(transfer=80, fine_tune=90, hybrid=90, *, of=100, **changes) -> GridCell:
    correct = {"transfer": transfer, "fine_tune": fine_tune, "hybrid": hybrid}
    facts = {
        "data": "digits",
        "title": "Digits",
        "examples_per_class": 10,
        "seed": 0,
        "seconds": 20.0,
        "pilot_budget_seconds": 20.0,
        "answers": {"data_volume": "limited"},
        "rule_advice": "transfer",
        "recommended": "hybrid",
        "pilot_seconds": 9.0,
        "correct": {key: [1] * count + [0] * (of - count) for key, count in correct.items()},
        "run_seconds": {"transfer": 1.0, "fine_tune": 5.0, "hybrid": 7.0},
    }
    return GridCell(**facts | changes)


def test_regret_is_the_accuracy_lost_against_the_best():
    result = cell()
    assert result.best == "fine_tune"  # of two equals the faster
    assert result.regret("transfer") == pytest.approx(0.1)
    assert result.regret("hybrid") == 0


def test_the_noise_of_a_small_test_set_excuses_a_loss_and_that_of_a_large_one_does_not():
    assert cell(8, 9, 9, of=10).is_tie("transfer")
    assert not cell(800, 900, 900, of=1000).is_tie("transfer")
    assert cell(895, 900, 900, of=1000).is_tie("transfer")  # within a point


def test_the_seconds_of_a_policy_include_its_pilot_run():
    assert cell().policies["rules and pilot"] == ("hybrid", 16.0)
    assert cell().policies["rules alone"] == ("transfer", 1.0)
    assert cell().policies["CS231n"][0] == "transfer"
    assert cell(answers={"data_volume": "moderate"}).policies["CS231n"][0] == "fine_tune"


def test_the_table_has_every_cell_and_every_policy():
    table = format_table([cell(), cell(seed=1)])
    assert table.count("| Digits |") == 2
    assert "| rules alone | 10.00 | 10.0 |" in table
    assert "| rules and pilot | 0.00 | 0.0 | 100% | 16.0 |" in table
    assert "| always hybrid |" in table


def test_an_interrupted_benchmark_measures_only_what_is_missing(toy, monkeypatch):
    first = measure_cells(GRID)
    next(first)
    first.close()
    assert len(load_cells(GRID)) == 1
    measured = []
    real = bench_advice.measure_cell

    def measure(plan, **options):
        measured.append((plan.data, plan.examples_per_class, plan.seed))
        return real(plan, **options)

    monkeypatch.setattr(bench_advice, "measure_cell", measure)
    assert len(list(measure_cells(GRID))) == 1
    assert measured == [("colours", 5, 1)]
    cells = load_cells(GRID)
    assert {result.seed for result in cells} == {0, 1}
    assert all(len(set(map(len, result.correct.values()))) == 1 for result in cells)
    assert "colours" in format_table(cells).lower()


def test_the_full_grid_is_measured_on_request(monkeypatch):
    grids = []
    monkeypatch.setattr(bench_advice, "measure_cells", lambda grid: grids.append(grid) or [])
    monkeypatch.setattr(bench_advice, "load_cells", lambda grid: [])
    assert main(["bench-advice", "--data", "digits", "--full"]) == 0
    assert main(["bench-advice", "--data", "digits"]) == 0
    asked = [(grid.volumes, grid.seeds, grid.seconds) for grid in grids]
    assert asked == [((5, 20, 100), (0, 1, 2), 60), ((10, 50), (0, 1), 20)]
