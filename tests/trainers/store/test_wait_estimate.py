"""How long a wait is said to be."""

from dataclasses import replace

import pytest

from trainers.events import JobCancelled, RunFinished, RunStarted
from trainers.plan import Plan
from trainers.store import Store
from trainers.store.wait_estimate import estimate_durations, estimate_waits, workload_key

PLAN = Plan(data="digits", approach="transfer", seconds=30)


def row(key, plan=PLAN, **more):
    return {"id": key, "kind": "run", "job": plan.as_json(), **more}


@pytest.fixture
def runs(home):
    home.mkdir()
    store = Store(f"sqlite:///{home / 'thaw.db'}")
    store.record_heartbeat("worker", 1, ready=True)
    yield store
    store.engine.dispose()


def test_jobs_are_alike_whoever_asks_and_whatever_chance_does():
    assert workload_key("run", PLAN.as_json()) == workload_key(
        "run", replace(PLAN, seed=7).as_json()
    )
    for change in (
        {"seconds": 60},
        {"examples_per_class": 5},
        {"data": "cells"},
        {"approach": "hybrid"},
    ):
        assert workload_key("run", PLAN.as_json()) != workload_key(
            "run", replace(PLAN, **change).as_json()
        )


def test_each_waits_for_those_before_as_long_as_such_jobs_took():
    took = [row(f"{seconds}", started_at=100, finished_at=100 + seconds) for seconds in (2, 3, 9)]
    known = estimate_durations(took, [])
    busy, order = [row("busy", started_at=1000)], [row("first"), row("second"), row("third")]
    told = estimate_waits(order, busy, workers=1, durations=known, now=1001)
    assert [told[key].position for key in ("first", "second", "third")] == [1, 2, 3]
    assert [told[key].seconds for key in ("first", "second", "third")] == [2, 5, 8]


def test_a_budget_is_the_most_that_is_told():
    known = estimate_durations([row("slow", started_at=0, finished_at=500)], [])
    told = estimate_waits(
        [row("next")], [row("busy", started_at=0)], workers=1, durations=known, now=10
    )
    assert told["next"].seconds == 20


def test_with_other_settings_it_is_the_share_of_the_budget_that_counts():
    known = estimate_durations(
        [row("old", replace(PLAN, seconds=10, examples_per_class=5), started_at=0, finished_at=2)],
        [],
    )
    orders = [row("this"), row("next")], [row(key, replace(PLAN, data="cells")) for key in "ab"]
    told = [estimate_waits(order, [], workers=1, durations=known, now=9) for order in orders]
    assert [wait.seconds for wait in told[0].values()] == [0, 6]
    assert [wait.seconds for wait in told[1].values()] == [0, 30]  # of other data nothing is known


def test_what_took_long_is_believed_rather_than_what_was_foretold():
    known = estimate_durations([row("old", started_at=0, finished_at=4)], [(row("now"), 9.0)])
    assert list(known.seconds.values()) == [4]
    assert list(estimate_durations([], [(row("now"), 9.0)]).seconds.values()) == [9]


def started(setup_seconds, predicted_seconds):
    return RunStarted(
        approach="transfer", data="digits", backbone="small_resnet", modality="images",
        classes=["0", "1"], train_examples=8, validation_examples=2, test_examples=10,
        parameters=9, budget_seconds=30, setup_seconds=setup_seconds, device="cpu",
        estimated_seconds=predicted_seconds,
    )  # fmt: skip


def test_a_wait_goes_by_the_forecast_of_the_run_that_is_at_work(runs):
    first = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    second, third = (runs.enqueue(replace(PLAN, seed=n), "bob") for n in (1, 2))
    assert 59 < runs.estimate_wait("bob", third).seconds <= 60  # nothing is known: by budgets
    runs.append(first, [started(0.5, 2.5)])
    assert 5 < runs.estimate_wait("bob", third).seconds <= 6
    assert set(runs.estimate_waits()) == {second, third}


def test_a_wait_goes_by_what_such_runs_took(runs, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("trainers.store.queue.time.time", lambda: clock[0])
    for _ in range(3):
        key = runs.enqueue(PLAN, "ann")
        runs.claim("worker")
        clock[0] += 4
        runs.append(key, [finished()])
    runs.record_heartbeat("worker", 1, ready=True)
    runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    clock[0] += 1
    runs.enqueue(PLAN, "bob")
    assert runs.estimate_wait("cleo").seconds == 3 + 4
    assert [wait.seconds for wait in runs.estimate_waits().values()] == [3]


def test_what_was_cancelled_tells_nothing(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    runs.append(key, [JobCancelled(0.1)])
    runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    assert 29 < runs.estimate_wait("bob").seconds <= 30


def finished() -> RunFinished:
    return RunFinished(
        approach="transfer",
        data="digits",
        backbone="small_resnet",
        classes=["0", "1"],
        train_examples=10,
        test_examples=10,
        test_correct=9,
        test_accuracy=0.9,
        test_accuracy_low=0.6,
        test_accuracy_high=0.98,
        macro_f1=0.9,
        confusion_matrix=[[5, 0], [1, 4]],
        seconds=4.0,
        trainable_parameters=1,
        parameters=9,
        epochs=1.0,
        stopped_by_user=False,
        repeat_plan={},
    )
