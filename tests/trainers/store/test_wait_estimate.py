"""Waiting times are estimated from recent durations, estimates of running jobs, and budgets."""

from dataclasses import replace

from tests.support.digits_run import RUN_FINISHED
from trainers.events import JobCancelled, RunStarted
from trainers.plan import Plan
from trainers.store.wait_estimate import estimate_durations, estimate_waits, workload_key

PLAN = Plan(data="digits", approach="transfer", seconds=30)


def row(key, plan=PLAN, **more):
    return {"id": key, "kind": "run", "job": plan.as_json(), **more}


def test_jobs_of_one_workload_differ_in_the_seed_alone():
    key = workload_key("run", PLAN.as_json())
    assert workload_key("run", replace(PLAN, seed=7).as_json()) == key
    for change in (
        {"seconds": 60},
        {"examples_per_class": 5},
        {"data": "cells"},
        {"approach": "hybrid"},
    ):
        assert workload_key("run", replace(PLAN, **change).as_json()) != key


def test_each_run_waits_for_the_typical_durations_before_it():
    finished = [
        row(f"{seconds}", started_at=100, finished_at=100 + seconds) for seconds in (2, 3, 9)
    ]
    durations = estimate_durations(finished, [])
    busy, order = [row("busy", started_at=1000)], [row("first"), row("second"), row("third")]
    waits = estimate_waits(order, busy, workers=1, durations=durations, now=1001)
    assert [waits[key].position for key in ("first", "second", "third")] == [1, 2, 3]
    assert [waits[key].seconds for key in ("first", "second", "third")] == [2, 5, 8]


def test_no_job_is_estimated_above_its_budget():
    durations = estimate_durations([row("slow", started_at=0, finished_at=500)], [])
    waits = estimate_waits(
        [row("next")], [row("busy", started_at=0)], workers=1, durations=durations, now=10
    )
    assert waits["next"].seconds == 20


def test_other_settings_on_the_same_data_use_the_same_fraction_of_the_budget():
    durations = estimate_durations(
        [row("old", replace(PLAN, seconds=10, examples_per_class=5), started_at=0, finished_at=2)],
        [],
    )
    orders = [row("this"), row("next")], [row(key, replace(PLAN, data="cells")) for key in "ab"]
    waits = [estimate_waits(order, [], workers=1, durations=durations, now=9) for order in orders]
    assert [wait.seconds for wait in waits[0].values()] == [0, 6]
    assert [wait.seconds for wait in waits[1].values()] == [0, 30]  # other data: by the budget


def test_a_measured_duration_wins_over_an_estimate():
    durations = estimate_durations([row("old", started_at=0, finished_at=4)], [(row("now"), 9.0)])
    assert list(durations.seconds.values()) == [4]
    assert list(estimate_durations([], [(row("now"), 9.0)]).seconds.values()) == [9]


def started(setup_seconds, predicted_seconds):
    return RunStarted(
        approach="transfer", data="digits", backbone="small_resnet", modality="images",
        classes=["0", "1"], train_examples=8, validation_examples=2, test_examples=10,
        parameters=9, budget_seconds=30, setup_seconds=setup_seconds, device="cpu",
        estimated_seconds=predicted_seconds,
    )  # fmt: skip


def test_a_wait_follows_the_estimate_of_the_running_run(store):
    store.record_heartbeat("worker", 1, ready=True)
    first = store.enqueue(PLAN, "ann")
    store.claim("worker")
    second, third = (store.enqueue(replace(PLAN, seed=n), "bob") for n in (1, 2))
    assert 59 < store.estimate_wait("bob", third).seconds <= 60  # by budgets
    store.append(first, [started(0.5, 2.5)])
    assert 5 < store.estimate_wait("bob", third).seconds <= 6
    assert set(store.estimate_waits()) == {second, third}


def test_a_wait_follows_recent_durations(store, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("trainers.store.queue.time.time", lambda: clock[0])
    for _ in range(3):
        key = store.enqueue(PLAN, "ann")
        store.claim("worker")
        clock[0] += 4
        store.append(key, [RUN_FINISHED])
    store.record_heartbeat("worker", 1, ready=True)
    store.enqueue(PLAN, "ann")
    store.claim("worker")
    clock[0] += 1
    store.enqueue(PLAN, "bob")
    assert store.estimate_wait("cleo").seconds == 3 + 4
    assert [wait.seconds for wait in store.estimate_waits().values()] == [3]


def test_a_cancelled_run_is_no_recent_duration(store):
    store.record_heartbeat("worker", 1, ready=True)
    key = store.enqueue(PLAN, "ann")
    store.claim("worker")
    store.append(key, [JobCancelled(0.1)])
    store.enqueue(PLAN, "ann")
    store.claim("worker")
    assert 29 < store.estimate_wait("bob").seconds <= 30
