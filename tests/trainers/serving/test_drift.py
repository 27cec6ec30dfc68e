"""Many inputs held against the test: what is called different, and what is not."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tests.trainers.serving.test_serving import finished, kept
from trainers import datasets
from trainers.serving import Prediction
from trainers.serving.drift import MIN_ANSWERS, describe_drift, detect_drift
from trainers.serving.model import LoadedModel
from trainers.store import get_store

CLASSES = ("ants", "bees", "wasps")
EVEN = (0.34, 0.33, 0.33)


def batch(count, *, mix=EVEN, away=0.5, unlike=0.05, seed=0) -> list[Prediction]:
    """Answers mixed by `mix`, about so far `away`, and some of them unlike."""
    rng = np.random.default_rng(seed)
    return [
        Prediction(
            sureness=np.eye(3)[rng.choice(3, p=mix)].tolist(),
            unlike=bool(rng.random() < unlike),
            distance=float(rng.normal(away, 0.1)),
        )
        for _ in range(count)
    ]


TESTED = batch(300)


def told(given, tested=TESTED) -> str:
    return " ".join(describe_drift(detect_drift(given, tested), CLASSES, len(given)))


def test_inputs_like_the_test_are_seldom_called_different():
    called = [
        detect_drift(batch(40, seed=2 * n + 1), batch(300, seed=2 * n + 2)).has_drift
        for n in range(100)
    ]
    assert np.mean(called) < 0.08
    assert "look like what it was tested on" in told(batch(40, seed=7))


def test_many_unlike_ones_are_told_beside_what_was_to_expect():
    given = batch(40, unlike=0.4, seed=5)
    count, share = (sum(one.unlike for one in some) for some in (given, TESTED))
    says = told(given)
    assert f"{count} of 40 ({count / 40:.0%}".replace("%", " %") in says
    assert f"more than the {share / 300:.0%}".replace("%", " %") in says
    assert "Check some of its answers by hand" in says


@pytest.mark.parametrize(
    ("away", "says"), [(0.62, "lie farther from what it learned"), (0.4, "lie nearer to what")]
)
def test_a_shift_that_makes_nothing_unlike_is_seen_by_its_distances(away, says):
    found = detect_drift(batch(60, away=away, unlike=0.05, seed=3), TESTED)
    assert not found.has_more_ood
    assert says in " ".join(describe_drift(found, CLASSES, 60))


def test_another_mix_of_answers_names_the_class_that_stands_out():
    given = batch(60, mix=(0.1, 0.8, 0.1), seed=4)
    found = detect_drift(given, TESTED)
    alike = [one for one in given if not one.unlike]
    bees = sum(one.label == 1 for one in alike)
    assert found.class_shift[:3] == (1, bees, len(alike))
    assert f"It answers bees more often than in its test: {bees:,} of {len(alike):,}" in told(given)
    assert "It answers bees less often" in told(batch(60, mix=(0.5, 0.0, 0.5), seed=4))


def test_answers_to_what_is_unlike_do_not_count_as_a_mix():
    odd = [replace(one, unlike=True, sureness=[0, 1, 0]) for one in batch(40)]
    assert detect_drift([*batch(60, seed=6), *odd], TESTED).class_shift is None


def test_below_a_least_number_nothing_is_claimed():
    far = batch(MIN_ANSWERS, away=2.0, unlike=1.0)
    assert detect_drift(far, TESTED).has_drift
    assert detect_drift(far[1:], TESTED) is None
    assert detect_drift([*far[1:], Prediction(error="no picture")], TESTED) is None
    assert f"takes {MIN_ANSWERS} different inputs" in told(far[1:])
    assert "tested on fewer than" in told(far, TESTED[: MIN_ANSWERS - 1])


def test_without_distances_only_the_answers_are_compared():
    blind = [replace(one, unlike=None, distance=None, why="gone") for one in TESTED]
    found = detect_drift(blind[:40], blind)
    assert (found.ood_count, found.distance, found.has_drift) == (None, "", False)
    assert "unlike" not in " ".join(describe_drift(found, CLASSES, 40))


def test_one_class_alone_is_no_error():
    one = [replace(answer, sureness=[1, 0, 0]) for answer in TESTED]
    assert detect_drift(one[:40], one).class_shift is None


# --- real photos and texts ------------------------------------------------------------------------


def parted(data: str, approach: str) -> tuple[LoadedModel, list[Prediction], list[Prediction]]:
    """A model of the data, the answers to half of its test, and to the other half as new inputs."""
    test = datasets.get_dataset(data).load_splits().test.inputs
    opened = LoadedModel(get_store().get_run(finished(data, approach, seconds=10)))
    order = np.random.default_rng(0).permutation(len(test))[:400]
    answers = [
        Prediction.from_dict(one) for one in opened.predict([test[place] for place in order])
    ]
    return opened, answers[: len(order) // 2], answers[len(order) // 2 :]


def called(given: list[Prediction], tested: list[Prediction], count: int, times: int = 40) -> float:
    """Share of so many draws of `count` that are called different."""
    draws = (np.random.default_rng(n).permutation(len(given))[:count] for n in range(times))
    return np.mean([detect_drift([given[at] for at in draw], tested).has_drift for draw in draws])


@pytest.mark.real_data
@pytest.mark.parametrize("approach", ["transfer", "hybrid"])
def test_photos_of_another_kind_are_told_and_more_ants_and_bees_are_not(approach, real_data):
    opened, tested, fresh = parted(kept(real_data / "hymenoptera.zip"), approach)
    assert called(fresh, tested, 25) < 0.1
    for other in ("cifar10-subset", "fashion-mnist-subset", "blood-cells"):
        test = datasets.get_dataset(kept(real_data / f"{other}.zip")).load_splits().test.inputs
        some = np.random.default_rng(0).permutation(len(test))[:40]
        answers = [
            Prediction.from_dict(one) for one in opened.predict([test[place] for place in some])
        ]
        assert called(answers, tested, MIN_ANSWERS) == 1, other


@pytest.mark.real_data
def test_texts_of_another_domain_are_told_and_more_short_messages_are_not(real_data):
    opened, tested, fresh = parted(kept(real_data / "sms-spam"), "transfer")
    assert called(fresh, tested, 25) < 0.1
    # Short questions to a bank are near to short messages: that takes more of them.
    for other, count in (
        ("agnews", MIN_ANSWERS),
        ("medical-abstracts", MIN_ANSWERS),
        ("banking77", 40),
    ):
        with (real_data / other / "test.csv").open(encoding="utf-8") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
        some = np.random.default_rng(0).permutation(len(texts))[:60]
        answers = [
            Prediction.from_dict(one) for one in opened.predict([texts[place] for place in some])
        ]
        assert called(answers, tested, count) > 0.95, other
