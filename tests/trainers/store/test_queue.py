"""The queue is fair, a claim is one worker's, and dead workers' runs fail."""

import threading
import time

import pytest
from sqlalchemy import select, update

from tests.support.digits_run import PLAN
from trainers.events import JobCancelled, JobFailed, Step
from trainers.jobs import DataCheck, Download, ImportData
from trainers.store import FAILED, HEARTBEAT_TIMEOUT_SECONDS, QUEUED, RUNNING, WaitEstimate
from trainers.store.tables import runs, workers

IMPORT = ImportData(path="inbox", title="photos.zip", visitor="ann")
CHECK = DataCheck(data="digits", seconds=60)


def serve_all(store) -> list[str]:
    """Return the visitors of all waiting runs, in the order in which a worker serves them."""
    order = []
    while run := store.claim("worker"):
        order.append(run.visitor)
        store.append(run.id, [JobCancelled(0.0)])
    return order


def age_heartbeat(store, table, key) -> None:
    """Set the last heartbeat of a row to just over the timeout ago."""
    old = time.time() - HEARTBEAT_TIMEOUT_SECONDS - 1
    with store.engine.begin() as sql:
        sql.execute(update(table).where(table.c.id == key).values(heartbeat_at=old))


def test_a_run_waits_until_it_is_claimed(store):
    key = store.enqueue(PLAN, "ann")
    claimed = store.claim("worker")
    assert (claimed.id, claimed.state, claimed.is_over) == (key, RUNNING, False)
    run = store.get_run(key)
    assert run.started_at == claimed.started_at >= run.created_at
    assert store.claim("worker") is None


def test_a_terminals_run_is_running_at_once(store):
    key = store.enqueue(PLAN, "terminal", worker="terminal")
    assert store.get_run(key).state == RUNNING
    assert store.claim("worker") is None


@pytest.mark.parametrize(
    ("queued", "served"),
    [
        (["ann"] * 5 + ["bob"], ["ann", "bob", "ann", "ann", "ann", "ann"]),
        (
            ["ann"] * 3 + ["bob"] * 3 + ["eve"],
            ["ann", "bob", "eve", "ann", "bob", "ann", "bob"],
        ),
    ],
)
def test_visitors_take_turns(store, queued, served):
    for visitor in queued:
        store.enqueue(PLAN, visitor)
    assert serve_all(store) == served


def test_whoever_was_just_served_waits_for_the_others(store):
    store.enqueue(PLAN, "ann")
    store.claim("worker")
    store.enqueue(PLAN, "ann")
    store.enqueue(PLAN, "bob")
    assert store.claim("worker").visitor == "bob"


def test_a_visitors_own_runs_keep_their_order(store):
    keys = [store.enqueue(PLAN, "ann") for _ in range(3)]
    assert [store.claim("worker").id for _ in keys] == keys


def test_a_run_is_claimed_by_one_worker_only(store):
    keys = {store.enqueue(PLAN, f"visitor {number % 3}") for number in range(24)}
    claimed: list[str] = []
    together = threading.Barrier(6)

    def work(name: str) -> None:
        together.wait()
        while run := store.claim(name):
            claimed.append(run.id)

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(keys)


def test_a_worker_without_torch_claims_only_jobs_that_need_none(store):
    for job in (PLAN, IMPORT, CHECK, Download(key="mobilenet_v2")):
        store.enqueue(job, "ann")
    light = {store.claim("light", needs_torch=False).kind for _ in range(2)}
    heavy = {store.claim("heavy").kind for _ in range(2)}
    assert (light, heavy) == ({"read", "fetch"}, {"run", "check"})
    assert store.claim("light", needs_torch=False) is store.claim("heavy") is None


def test_a_plan_that_is_no_longer_valid_fails_and_blocks_nobody(store):
    broken = store.enqueue(PLAN, "ann")
    with store.engine.begin() as sql:
        job = PLAN.as_json() | {"data": "gone"}
        sql.execute(update(runs).where(runs.c.id == broken).values(job=job))
    following = store.enqueue(PLAN, "bob")
    assert store.claim("worker").id == following
    with store.engine.connect() as sql:
        states = dict(sql.execute(select(runs.c.id, runs.c.state)).all())
    assert states == {broken: FAILED, following: RUNNING}


# --- waiting times ----------------------------------------------------------------------------


def test_an_empty_queue_is_no_wait(store):
    assert store.estimate_wait("ann") == WaitEstimate(0, 0.0)


@pytest.mark.parametrize("worker_count", [1, 2])
def test_the_wait_is_the_budgets_before_it_over_the_workers(store, worker_count):
    for number in range(worker_count):
        store.record_heartbeat(f"worker {number}", number, ready=True)
        store.enqueue(PLAN, "ann")
        store.claim(f"worker {number}")
    wait = store.estimate_wait("bob")
    assert wait.position == worker_count
    assert 9 < wait.seconds <= 10
    for _ in range(worker_count):
        store.enqueue(PLAN, "bob")
    wait = store.estimate_wait("bob")
    assert wait.position == 2 * worker_count
    assert 19 < wait.seconds <= 20


def test_an_idle_worker_is_no_wait(store):
    for number in range(2):
        store.record_heartbeat(f"worker {number}", number, ready=True)
    store.enqueue(PLAN, "ann")
    store.claim("worker 0")
    assert store.estimate_wait("bob") == WaitEstimate(0, 0.0)


def test_each_waiting_run_has_its_position(store):
    first, second, third = (store.enqueue(PLAN, visitor) for visitor in ("ann", "ann", "bob"))
    assert store.estimate_wait("ann", first).position == 0
    assert store.estimate_wait("bob", third).position == 1
    assert store.estimate_wait("ann", second) == WaitEstimate(2, 20.0)


def test_a_claimed_run_waits_no_longer(store):
    running = store.enqueue(PLAN, "ann")
    store.claim("worker")
    store.enqueue(PLAN, "bob")
    assert store.estimate_wait("ann", running) == WaitEstimate(0, 0.0)


def test_the_estimate_before_queueing_is_the_one_after(store):
    for visitor in ["ann"] * 4 + ["bob"]:
        store.enqueue(PLAN, visitor)
    before = store.estimate_wait("bob")
    assert store.estimate_wait("bob", store.enqueue(PLAN, "bob")) == before


def test_a_terminals_run_keeps_nobody_waiting(store):
    store.record_heartbeat("worker", 1, ready=True)
    store.enqueue(PLAN, "terminal", worker="terminal")
    assert store.estimate_wait("bob") == WaitEstimate(0, 0.0)


def test_imports_and_downloads_keep_no_run_waiting(store):
    store.record_heartbeat("heavy", 1, ready=True)
    store.record_heartbeat("light", 2, ready=True, can_train=False)
    store.enqueue(IMPORT, "ann")
    store.claim("light", needs_torch=False)
    assert store.estimate_wait("bob") == WaitEstimate(0, 0.0)
    assert store.count_ready_workers() == 1


def test_a_data_check_keeps_runs_waiting(store):
    store.record_heartbeat("heavy", 1, ready=True)
    store.enqueue(CHECK, "ann")
    store.claim("heavy")
    wait = store.estimate_wait("bob")
    assert wait.position == 1
    assert 0 < wait.seconds <= 15


# --- workers ----------------------------------------------------------------------------------


def test_only_living_workers_that_have_warmed_up_are_ready(store):
    store.record_heartbeat("cold", 1, ready=False)
    store.record_heartbeat("warm", 2, ready=True)
    store.record_heartbeat("dead", 3, ready=True)
    age_heartbeat(store, workers, "dead")
    assert store.count_ready_workers() == 1
    store.record_heartbeat("cold", 1, ready=True)
    assert store.count_ready_workers() == 2


def test_the_run_of_a_removed_worker_fails_with_the_reason(store):
    store.record_heartbeat("worker", 1, ready=True)
    key, waiting = store.enqueue(PLAN, "ann"), store.enqueue(PLAN, "ann")
    store.claim("worker")
    store.append(key, [Step(0, 1, 0.1, 2.0, 0.1)])
    store.remove_worker("worker", "It was ended.")
    run = store.get_run(key)
    assert run.state == FAILED
    assert run.result["text"] == "It was ended."
    assert isinstance(store.read_events(key)[-1][1], JobFailed)
    assert store.get_run(waiting).state == QUEUED
    assert store.count_ready_workers() == 0


def test_removing_a_worker_fails_no_run_of_another(store):
    mine, other = store.enqueue(PLAN, "ann"), store.enqueue(PLAN, "bob")
    store.claim("one")
    store.claim("two")
    store.remove_worker("one", "It was ended.")
    assert {store.get_run(mine).state, store.get_run(other).state} == {FAILED, RUNNING}


def test_runs_without_a_recent_heartbeat_fail(store):
    lost, alive = store.enqueue(PLAN, "ann"), store.enqueue(PLAN, "bob")
    store.claim("one")
    store.claim("two")
    age_heartbeat(store, runs, lost)
    store.fail_stale_runs()
    assert store.get_run(lost).state == FAILED
    assert "Nothing is wrong with your data" in store.get_run(lost).result["text"]
    assert store.get_run(alive).state == RUNNING


def test_appending_is_a_heartbeat(store):
    key = store.enqueue(PLAN, "ann")
    store.claim("worker")
    age_heartbeat(store, runs, key)
    store.append(key, [])
    store.fail_stale_runs()
    assert store.get_run(key).state == RUNNING


def test_a_waiting_run_needs_no_heartbeat(store):
    key = store.enqueue(PLAN, "ann")
    store.fail_stale_runs()
    assert store.get_run(key).state == QUEUED
