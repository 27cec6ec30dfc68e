"""What the page Learn shows, and how it is measured."""

import base64
import copy
import json

import numpy as np
import pytest
import torch

from trainers.evaluation.metrics import score
from trainers.lessons import PLANE_HALF_WIDTH, RESULTS_PATH, live, load_lessons, make, toy
from trainers.networks.small_resnet import SmallResNet


@pytest.fixture
def net():
    torch.manual_seed(0)
    return toy.build_network(toy.SPIRAL_ARMS)


@pytest.mark.parametrize("thawed", range(toy.LAYERS + 1))
def test_of_the_toy_only_the_head_and_what_is_thawed_learns(net, thawed):
    before = copy.deepcopy(net)
    points = toy.make_spiral(50, np.random.default_rng(0), bend=toy.SPIRAL_BEND, noise=0.1)
    assert list(toy.train_steps(net, points, thawed=thawed, count=3, rate=0.01)) == [1, 2, 3]
    moved = [
        any(
            not torch.equal(now, then)
            for now, then in zip(layer.parameters(), was.parameters(), strict=True)
        )
        for layer, was in zip(net, before, strict=True)
    ]
    assert moved == [False] * (toy.LAYERS - thawed) + [True] * (thawed + 1)


def test_the_toy_learns_its_source(net):
    points = toy.make_spiral(300, np.random.default_rng(0), bend=toy.SPIRAL_BEND, noise=0.1)
    for _ in toy.train_steps(net, points, thawed=toy.LAYERS, count=300, rate=0.01):
        pass
    assert toy.compute_accuracy(net, points) > 0.9


@pytest.mark.parametrize("task", toy.TASKS)
def test_every_task_has_two_classes_within_the_drawing(task):
    points = toy.TASKS[task](400, np.random.default_rng(0))
    assert set(points.labels.tolist()) == {0, 1}
    assert (points.positions.abs() < PLANE_HALF_WIDTH).float().mean() > 0.97


def test_nothing_has_moved_before_the_first_step(net):
    made = toy.replace_head(net, 1)
    assert toy.relative_weight_change(made, net) == 0
    points = toy.make_near_task(20, np.random.default_rng(0))
    list(toy.train_steps(made, points, thawed=toy.LAYERS, count=2, rate=0.01))
    assert toy.relative_weight_change(made, net) > 0


def test_what_is_measured_has_the_form_of_what_ships(net, monkeypatch):
    monkeypatch.setattr(make, "REPEATS", 1)
    monkeypatch.setattr(make, "TEST_POINTS", 50)
    monkeypatch.setattr(toy, "TRAIN_STEPS", 10)
    monkeypatch.setattr(toy, "HEAD_STEPS", 5)
    ships = json.loads(RESULTS_PATH.read_text())
    measured = {
        "thaw": make.measure_thawing,
        "hybrid": make.measure_hybrid,
        "curves": make.measure_curves,
    }
    for name, measure in measured.items():
        assert form(measure(net)) == form(ships[name])


def form(value):
    """The keys and types of what JSON keeps of `value`; of lists the first."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [form(value[0])]
    return type(value)


def test_the_shipped_filters_are_those_of_the_bundled_backbone(monkeypatch):
    monkeypatch.setattr(make, "IMAGE_DATASETS", ("digits",))  # the others take long to draw
    found = make.measure_filters(SmallResNet.build(pretrained=True).eval())
    assert found["weights"] == load_lessons()["filters"]["weights"]
    assert found["answers"] == load_lessons()["filters"]["answers"][2:]


def test_the_shipped_neighbours_of_digits_are_measured():
    found = make.measure_neighbours(SmallResNet.build(pretrained=True).eval(), "digits")
    ships = load_lessons()["neighbours"]["digits"]
    assert found["same"]["pixels"] == ships["same"]["pixels"]
    # The features are computed in reduced precision, which differs between processors.
    assert found["same"]["features"] == pytest.approx(ships["same"]["features"], abs=0.03)


def test_the_shipped_results_are_small_and_whole():
    assert RESULTS_PATH.stat().st_size < 200_000
    cases = {(case["task"], case["examples"]): case for case in load_lessons()["thaw"]}
    assert set(cases) == {
        (task, count) for task in toy.TASKS for count in (make.FEW_EXAMPLES, make.MANY_EXAMPLES)
    }
    for (_, count), case in cases.items():
        assert len(case["surfaces"]) == len(case["unseen"]) == toy.LAYERS + 1
        assert {len(base64.b64decode(one)) for one in case["surfaces"]} == {make.GRID_CELLS**2}
        assert len(case["points"]) == len(case["labels"]) == count


def test_the_results_say_what_the_topics_say():
    cases = {(case["task"], case["examples"]): case["unseen"] for case in load_lessons()["thaw"]}
    assert np.argmax(cases["near", make.FEW_EXAMPLES]) == 0
    assert np.argmax(cases["special", make.FEW_EXAMPLES]) > 0
    right = {key: shares[-1] for key, shares in load_lessons()["hybrid"]["right"].items()}
    assert right["hybrid"] > max(right["transfer"], right["fine_tune"]) + 0.02
    moved = load_lessons()["hybrid"]["moved"]
    assert moved["transfer"] == 0 < moved["hybrid"] < moved["fine_tune"]
    shots = load_lessons()["shots"]
    assert shots["few"]["1"] < shots["zero"] < shots["few"]["40"]
    curves = load_lessons()["curves"]
    assert curves["by-heart"]["seen"][-1] == 1 > curves["by-heart"]["unseen"][-1] + 0.1
    assert curves["well"]["unseen"][-1] > 0.9
    assert curves["too-short"]["unseen"][-1] > curves["too-short"]["unseen"][-3]
    jumps = np.diff(curves["too-fast"]["unseen"][10:])
    assert np.abs(jumps).max() > 2 * np.abs(np.diff(curves["well"]["unseen"][10:])).max()


@pytest.mark.parametrize(("right", "tests"), [(0, 10), (8, 10), (10, 10), (160, 200), (1, 1)])
def test_the_interval_is_that_of_the_scores(right, tests):
    known = score([1] * tests, [1] * right + [0] * (tests - right), 2)
    assert live.wilson_interval(right, tests) == pytest.approx((known.low, known.high), abs=1e-9)


def test_about_95_of_100_intervals_hold_the_truth_and_they_shrink():
    few, many = (live.simulate_scores(count, 0.8, 2000, seed=0) for count in (50, 800))
    for tested in (few, many):
        assert np.mean([test.contains(0.8) for test in tested]) == pytest.approx(0.95, abs=0.02)
    widths = [np.mean([test.high - test.low for test in tested]) for tested in (few, many)]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.1)  # 16 times as many


def test_the_stiff_method_wins_with_few_marks_and_the_flexible_one_with_many():
    def gap(marks):
        made = [live.compare_fits(marks, seed) for seed in range(20)]
        return np.mean([one.flexible.test_error - one.stiff.test_error for one in made])

    assert gap(12) > 0.1
    assert gap(200) < -0.02


def test_the_flexible_method_is_nearer_to_the_marks_themselves():
    for marks in (8, 30, 200):
        made = live.compare_fits(marks, 0)
        assert made.flexible.train_error < made.stiff.train_error
        assert len(made.x) == marks
