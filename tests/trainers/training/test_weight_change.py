"""How far the weights of a run moved, part by part."""

import pytest
import torch
from safetensors.torch import load_file

from tests.support.toys import ToyEye, ToyReader
from trainers.events import RunFinished, WeightsCompared
from trainers.plan import Plan
from trainers.training.run import run
from trainers.training.weight_change import relative_weight_change

PARTS = [{"name": name} for name in ("first", "second", "new last layer")]


def both(kind=ToyEye):
    return kind.build(pretrained=True), kind.build(pretrained=True)


def told(data: str, approach: str, **settings) -> tuple[list, WeightsCompared]:
    events = list(run(Plan(data=data, approach=approach, seconds=20, **settings)))
    (one,) = [event for event in events if isinstance(event, WeightsCompared)]
    return events, one


def test_a_part_that_doubles_has_moved_by_all_of_its_size():
    body, before = both(ToyReader)
    with torch.no_grad():
        body.first.weight.mul_(2)
    assert [one["change"] for one in relative_weight_change(body, before, PARTS)] == [
        1.0,
        0.0,
        None,
    ]


def test_a_part_is_measured_as_one_with_all_its_layers():
    body, before = both()
    with torch.no_grad():
        body.first[0].weight.add_(1)
    size = sum(p.square().sum().item() for p in before.first.parameters())
    expected = (body.first[0].weight.numel() / size) ** 0.5
    assert relative_weight_change(body, before, PARTS)[0]["change"] == pytest.approx(expected)


def test_averages_that_batch_norm_keeps_are_no_numbers_that_learn():
    body, before = both()
    body.train()(torch.rand(8, 3, 8, 8))
    assert not torch.equal(body.first[1].running_mean, before.first[1].running_mean)
    assert [one["change"] for one in relative_weight_change(body, before, PARTS)] == [
        0.0,
        0.0,
        None,
    ]


@pytest.mark.parametrize("kind", [ToyEye, ToyReader])
def test_lora_counts_as_the_change_that_it_makes_in_its_layer(kind):
    body, before = both(kind)
    start = before.second[0].weight.clone()
    body.add_lora(2)
    for name, value in body.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(value)
    found = relative_weight_change(body, before, PARTS)
    layer = body.second[0]
    with torch.no_grad():
        layer.merge()
        way = (layer.get_base_layer().weight - start).norm()
    size = sum(p.square().sum() for p in before.second.parameters()).sqrt()
    assert way > 0
    assert found[1]["change"] == pytest.approx((way / size).item(), rel=1e-4)


def test_without_a_before_nothing_is_said_to_have_moved():
    body, _ = both()
    assert [one["change"] for one in relative_weight_change(body, None, PARTS)] == [None] * 3


@pytest.mark.parametrize(
    ("approach", "what_learns", "expected"),
    [
        ("transfer", "all", [False, False]),
        ("fine_tune", "all", [True, True]),
        ("fine_tune", "lora", [True, True]),
        ("hybrid", "all", [True, True]),
        ("scratch", "all", [None, None]),
    ],
)
def test_a_run_tells_what_moved_right_before_its_end(approach, what_learns, expected, toy):
    events, one = told("colours", approach, trainable=what_learns)
    assert isinstance(events[-1], RunFinished)
    assert events[-2] is one
    assert [part["name"] for part in one.blocks] == ["first", "second", "new last layer"]
    moves = [part["change"] for part in one.blocks[:-1]]
    assert [None if move is None else move > 0 for move in moves] == expected
    assert one.blocks[-1]["change"] is None
    assert sum(part["learnable"] for part in one.blocks) == events[-1].trainable_parameters


def test_where_nothing_is_trained_nothing_is_told(toy):
    for approach in ("none", "simple"):
        events = list(run(Plan(data="colours", approach=approach, seconds=20)))
        assert not any(isinstance(event, WeightsCompared) for event in events)


def test_what_is_told_is_what_was_kept(toy, tmp_path):
    """The weights in the run's folder lie as far from the start as the event says."""
    events = list(run(Plan(data="colours", approach="fine_tune", seconds=20), folder=tmp_path))
    kept, before = load_file(tmp_path / "model.safetensors"), ToyEye.build(pretrained=True)
    way = sum(
        (kept[f"body.first.{name}"] - value).square().sum().item()
        for name, value in before.first.named_parameters()
    )
    size = sum(value.square().sum().item() for value in before.first.parameters())
    assert events[-2].blocks[0]["change"] == pytest.approx((way / size) ** 0.5, rel=1e-4)
