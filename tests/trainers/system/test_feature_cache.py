"""Features on the disk: found by content, the same bits, gone with their data, paid for where runs
are compared."""

import os

import numpy as np
import pytest

from tests.support import toys
from trainers.events import PredictionsRecorded, RunFinished
from trainers.plan import Plan
from trainers.system import feature_cache
from trainers.system.feature_cache import FeatureCache, content_digests
from trainers.training.features import ComputationCache
from trainers.training.run import run

pytestmark = pytest.mark.usefixtures("toy")


def seen(approach: str, folder, data="colours", seed=0, **options) -> tuple[int, list]:
    """Examples that went through the body, and what the run told."""
    toys.SEEN.clear()
    plan = Plan(data=data, approach=approach, seconds=5, seed=seed)
    events = list(run(plan, folder=folder, **options))
    return sum(toys.SEEN), events


def answers(events: list) -> PredictionsRecorded:
    return next(event for event in events if isinstance(event, PredictionsRecorded))


@pytest.mark.parametrize("data", ["colours", "words"])
def test_a_second_run_on_the_same_data_starts_at_the_head(data, tmp_path):
    first, told = seen("transfer", tmp_path, data)
    second, again = seen("transfer", tmp_path, data)
    probed = 2 * 4 + 2 * 32  # what is timed before
    assert first > probed >= second
    assert answers(again).predictions == answers(told).predictions
    assert answers(again).confidence == answers(told).confidence


def test_other_examples_are_looked_at_and_the_same_test_is_not(tmp_path):
    first, _ = seen("transfer", tmp_path, "words")
    other, _ = seen("transfer", tmp_path, "words", seed=1)
    same, _ = seen("transfer", tmp_path, "words")
    assert same < other < first


def test_runs_that_are_compared_pay_for_what_they_look_at(tmp_path):
    first, _ = seen("transfer", tmp_path)
    compared, _ = seen("transfer", tmp_path, shared=ComputationCache())
    assert compared == first


def test_training_from_scratch_caches_nothing(tmp_path, home):
    seen("scratch", tmp_path)
    assert not list((home / "features").glob("*/*"))


def test_a_run_outside_the_history_caches_nothing(home):
    *_, finished = run(Plan(data="colours", approach="transfer", seconds=5))
    assert isinstance(finished, RunFinished)
    assert not (home / "features").exists()


def test_features_are_found_only_for_the_same_examples_backbone_and_mirroring():
    some = content_digests(["a", "b"], [0, 1])
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    FeatureCache("words", "net").put(some, values, mirrored=False)
    assert np.array_equal(FeatureCache("words", "net").get(some, mirrored=False), values)
    assert FeatureCache("words", "net").get(some[::-1], mirrored=False) is None
    assert FeatureCache("words", "net").get(some, mirrored=True) is None
    assert FeatureCache("words", "other").get(some, mirrored=False) is None
    feature_cache.delete("words")
    assert FeatureCache("words", "net").get(some, mirrored=False) is None


def test_a_damaged_file_is_a_miss(home):
    some = content_digests(["a"], [0])
    FeatureCache("words", "net").put(some, np.ones((1, 2), np.float32), mirrored=False)
    (file,) = (home / "features").glob("*/*.npy")
    file.write_bytes(file.read_bytes()[:50])
    assert FeatureCache("words", "net").get(some, mirrored=False) is None


def test_nothing_is_saved_of_data_that_was_deleted_meanwhile(home):
    some = content_digests(["a"], [0])
    FeatureCache("own-abcdefgh", "net").put(some, np.ones((1, 2), np.float32), mirrored=False)
    assert not (home / "features" / "own-abcdefgh").exists()


def test_the_least_recently_used_features_are_evicted(monkeypatch):
    monkeypatch.setattr(feature_cache, "MAX_BYTES", 300)
    known = FeatureCache("words", "net")
    pieces = [content_digests([text], [0]) for text in "abc"]
    for number, piece in enumerate(pieces):
        known.put(piece, np.zeros((1, 2), np.float32), mirrored=False)
        file = known._path(piece, False)
        os.utime(file, (number, number))
    found = [known.get(piece, mirrored=False) is not None for piece in pieces]
    assert found == [False, True, True]
