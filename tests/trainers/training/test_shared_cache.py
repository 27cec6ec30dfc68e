"""What runs of the same plan share in a worker."""

import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from trainers.events import Notice, PredictionsRecorded, RunFinished
from trainers.plan import Plan
from trainers.training import features as looking, shared_cache

PLAN = Plan(data="digits", approach="transfer", examples_per_class=3, seconds=30)


@pytest.fixture(autouse=True)
def nothing_kept():
    shared_cache._caches.clear()
    yield
    shared_cache._caches.clear()


@pytest.fixture
def looked_at(monkeypatch):
    """How many examples the backbone looked at, in all."""
    seen = []
    computed = looking.extract_features

    def counting(body, inputs, items, **more):
        seen.append(len(items))
        return computed(body, inputs, items, **more)

    monkeypatch.setattr(looking, "extract_features", counting)
    return seen


def told(plan):
    return list(shared_cache.run_with_warm_cache(plan, should_stop=lambda: False))


def timed(seen):
    """Examples that were looked at only to see how fast the machine is."""
    return sum(count for count in seen if count <= looking.PROBE_BATCH_SIZE)


def test_the_second_run_of_a_plan_looks_at_no_example_again(looked_at):
    first = told(PLAN)
    assert sum(looked_at) > timed(looked_at) > 0
    looked_at.clear()
    second = told(PLAN)
    assert sum(looked_at) <= 2 * (looking.WARMUP_BATCH_SIZE + looking.PROBE_BATCH_SIZE)
    answers = [
        next(e for e in run if isinstance(e, PredictionsRecorded)).predictions
        for run in (first, second)
    ]
    assert answers[0] == answers[1]


def test_it_is_charged_what_the_first_one_took(looked_at):
    told(PLAN)
    kept = shared_cache._caches[("digits", "small_resnet", 3, 0, ())].entries
    spent = sum(seconds for key, (_, seconds) in kept.items() if key != "forward")
    (end,) = (event for event in told(PLAN) if isinstance(event, RunFinished))
    assert end.seconds >= spent > 0


def test_other_examples_to_learn_from_leave_the_test_in_common(looked_at):
    told(PLAN)
    looked_at.clear()
    told(replace(PLAN, seed=1))
    zero, one = (shared_cache._caches[("digits", "small_resnet", 3, n, ())].entries for n in (0, 1))
    assert one["test"][0] is zero["test"][0]
    assert one["train"][0] is not zero["train"][0]
    assert max(looked_at) < len(one["test"][0])


def test_few_are_kept():
    kept = [
        shared_cache._shared_cache(replace(PLAN, seed=seed))
        for seed in range(shared_cache.MAX_CACHES + 2)
    ]
    assert len(shared_cache._caches) == shared_cache.MAX_CACHES
    assert shared_cache._shared_cache(replace(PLAN, seed=0)) is not kept[0]
    assert shared_cache._shared_cache(replace(PLAN, seed=shared_cache.MAX_CACHES + 1)) is kept[-1]


def test_what_the_time_cut_short_is_not_shared(monkeypatch):
    """Or a later run, with more time, would go by the few."""
    computed = looking.extract_features
    learned_from = 3 * 10  # the test is looked at whole, at full speed

    def slow(body, inputs, items, **more):
        if len(items) == 8 and len(inputs) == learned_from:
            time.sleep(0.5)
        return computed(body, inputs, items, **more)

    monkeypatch.setattr(looking, "extract_features", slow)
    monkeypatch.setattr(looking, "SORT_WINDOW", 8)
    words = [event.text for event in told(replace(PLAN, seconds=1)) if isinstance(event, Notice)]
    assert any("It goes more slowly than was timed" in text for text in words)
    ((_, shared),) = shared_cache._caches.items()
    for key, (features, _) in shared.entries.items():
        if key[0] == "features":
            assert len(key[2]) == 8 * len(features)  # the numbers of its examples, as int64


def test_nothing_is_kept_of_what_does_not_come_with_thaw():
    others = (
        SimpleNamespace(**(asdict(PLAN) | {"data": "own-abc"})),
        replace(PLAN, backbone="mobilenet_v2"),
    )
    for plan in others:
        assert shared_cache._shared_cache(plan) is None
    assert not shared_cache._caches
