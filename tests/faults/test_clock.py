"""A system clock that is set back or forth harms no runs, workers or waiting times."""

import time

import pytest

from tests.support.forged import plan, told
from trainers.events import JobFailed, RunFinished
from trainers.hosting import cleanup_lease
from trainers.store import FAILED, RUNNING, get_store
from trainers.workers.liveness import MAX_MISSED_CHECKS, LivenessMonitor

HOUR = 3600.0


@pytest.fixture
def set_clock(monkeypatch):
    """Set the clock of this process by so many seconds."""
    real = time.time
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: real() + seconds)


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_run_survives_a_jump_of_the_clock(jump, toy, forge, home):
    key = get_store().enqueue(plan(approach="scratch", seconds=3), "ann")
    worker = forge.worker(home, slow=0.01, clock=jump)
    watch = LivenessMonitor(get_store())
    while worker.pid not in forge.codes:
        watch.check()
        assert get_store().get_run(key).state != FAILED
        time.sleep(0.05)
    assert worker.ended() == 0, worker.log.read_text()
    events = told(key)
    assert isinstance(events[-1], RunFinished)
    times = [event.seconds for event in events if hasattr(event, "seconds")]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 60  # on its own clock


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_only_a_run_without_heartbeats_is_lost(jump, set_clock, home):
    alive, dead = (
        get_store().enqueue(plan(data="digits"), "ann", worker=name) for name in ("a", "d")
    )
    get_store().record_heartbeat("a", 1, ready=True)
    get_store().record_heartbeat("d", 2, ready=True)
    set_clock(jump)
    watch = LivenessMonitor(get_store())
    for _ in range(MAX_MISSED_CHECKS + 1):
        watch.check()
        get_store().append(alive, [])
        get_store().record_heartbeat("a", 1, ready=True)
    assert get_store().get_run(alive).state == RUNNING
    assert get_store().get_run(dead).state == FAILED
    assert told(dead)[-1].seconds >= 0
    assert get_store().count_ready_workers() == 1


def test_stale_runs_are_found_after_the_clock_was_set_back(set_clock, home):
    key = get_store().enqueue(plan(data="digits"), "ann", worker="gone")
    set_clock(-HOUR)
    get_store().fail_stale_runs()
    assert isinstance(told(key)[-1], JobFailed)
    assert told(key)[-1].seconds == 0


def test_jobs_start_in_the_order_of_arrival(set_clock, home):
    first = get_store().enqueue(plan(data="digits"), "ann")
    set_clock(-HOUR)
    second = get_store().enqueue(plan(data="digits"), "ann")
    assert [get_store().claim("worker").id for _ in range(2)] == [first, second]


def test_visitors_take_turns(set_clock, home):
    started = {name: [get_store().enqueue(plan(data="digits"), name) for _ in range(4)]
               for name in ("ann", "bob")}  # fmt: skip
    assert get_store().claim("worker").visitor == "ann"
    set_clock(-HOUR)
    order = [get_store().claim("worker").visitor for _ in range(7)]
    assert order == ["bob", "ann"] * 3 + ["bob"]
    assert started


def test_estimated_waits_are_neither_negative_nor_an_hour_longer(set_clock, home):
    get_store().record_heartbeat("worker", 1, ready=True)
    for name in ("ann", "bob"):
        get_store().enqueue(plan(data="digits", seconds=30), name)
    get_store().claim("worker")
    set_clock(-HOUR)
    get_store().record_heartbeat("worker", 1, ready=True)
    wait = get_store().estimate_wait("cem")
    assert wait.position == 2
    assert 0 <= wait.seconds <= 60


def test_cleanup_runs_after_the_clock_was_set_back(set_clock, home):
    assert cleanup_lease.acquire_lease()
    assert not cleanup_lease.acquire_lease()
    set_clock(-24 * HOUR)
    assert cleanup_lease.acquire_lease()
    assert not cleanup_lease.acquire_lease()
