"""What a visitor sees of the validation examples."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.datasets.thumbnails import render_example
from trainers.training.monitor import MAX_MAP_POINTS, MAX_WATCHED_EXAMPLES, LiveMonitor


def test_the_examples_to_watch_come_from_every_class():
    view = LiveMonitor(torch.tensor([0] * 50 + [1] * 2 + [2]))
    chosen = view.watch([f"text {n}" for n in range(53)], range(53), [0] * 50 + [1] * 2 + [2])
    assert len(chosen.indices) == MAX_WATCHED_EXAMPLES
    assert set(chosen.labels) == {0, 1, 2}
    assert chosen.inputs == [f"text {item}" for item in chosen.indices]


def test_watched_examples_are_named_by_their_place_in_the_training_data():
    texts, labels = ["a", "b", "c", "d"], [0, 1, 0, 1]
    seen = LiveMonitor(torch.tensor([0, 1])).watch(texts, [2, 3], labels)
    assert (seen.indices, seen.inputs, seen.labels) == ([2, 3], ["c", "d"], [0, 1])


def test_examples_on_the_map_are_named_in_its_order():
    view = LiveMonitor(torch.tensor([0, 0, 1]))
    looked = view.snapshot(torch.randn(3, 4), torch.zeros(3, 2))
    labels = [9, 0, 9, 0, 9, 1]
    seen = view.watch(["-"] * 6, [1, 3, 5], labels)
    assert seen.map_indices == [1, 5, 3]
    assert [labels[item] for item in seen.map_indices] == looked["map_labels"]


def test_answers_and_how_sure_they_are():
    view = LiveMonitor(torch.tensor([0, 1]))
    seen = view.snapshot(torch.randn(2, 4), torch.tensor([[5.0, 0], [0, 0.1]]))
    assert seen["watched_predictions"] == [0, 1]
    assert seen["confidence"] == [0.993, 0.525]
    assert seen["map_labels"] == seen["map_predictions"] == [0, 1]


def test_the_map_keeps_its_axes_while_the_features_move():
    features = torch.randn(20, 6)
    view = LiveMonitor(torch.zeros(20, dtype=torch.int64))
    first = view.snapshot(features, torch.zeros(20, 2))["map_points"]
    moved = view.snapshot(features + 2.0, torch.zeros(20, 2))["map_points"]
    shift = np.subtract(moved, first)
    assert np.allclose(shift, shift[0], atol=0.003)
    assert np.linalg.norm(shift[0]) > 0


def test_points_are_not_sent_again_where_nothing_moved():
    features, view = torch.randn(20, 6), LiveMonitor(torch.zeros(20, dtype=torch.int64))
    assert view.snapshot(features, torch.zeros(20, 2))["map_points"]
    assert view.snapshot(features, torch.ones(20, 2))["map_points"] == []


def test_the_map_has_a_limit():
    count = MAX_MAP_POINTS + 50
    view = LiveMonitor(torch.arange(count) % 5)
    seen = view.snapshot(torch.randn(count, 3), torch.zeros(count, 5))
    assert len(seen["map_points"]) == len(seen["map_labels"]) == MAX_MAP_POINTS


@pytest.mark.parametrize(("count", "features"), [(1, 4), (2, 1), (3, 1)])
def test_few_examples_or_features_still_make_a_map(count, features):
    view = LiveMonitor(torch.zeros(count, dtype=torch.int64))
    points = view.snapshot(torch.randn(count, features), torch.zeros(count, 2))["map_points"]
    assert np.shape(points) == (count, 2)
    assert np.isfinite(points).all()


def test_a_text_is_shown_as_it_is():
    assert render_example("Where is my <parcel>?") == "Where is my <parcel>?"


@pytest.mark.parametrize("side", [8, 32, 200])
def test_a_picture_is_shown_as_a_png(side):
    uri = render_example(np.full((side, side, 3), 77, np.uint8))
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert image.width == image.height
        assert image.getpixel((0, 0)) == (77, 77, 77)
