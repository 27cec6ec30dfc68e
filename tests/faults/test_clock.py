"""A clock that is set: nobody is buried alive, nobody lives for ever, nobody waits less than 0."""

import time

import pytest

from tests.support.forged import plan, told
from trainers.events import JobFailed, RunFinished
from trainers.hosting import retention
from trainers.store import FAILED, RUNNING, get_store
from trainers.workers.liveness import MAX_MISSED_CHECKS, LivenessMonitor

HOUR = 3600.0


@pytest.fixture
def set_clock(monkeypatch):
    """Sets it back, or on, by so many seconds in this process: in all that it imported."""
    real = time.time
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: real() + seconds)


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_run_in_which_the_clock_jumps_ends_well(jump, toy, forge, home):
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
def test_a_run_that_beats_is_not_lost_and_one_that_does_not_is(jump, set_clock, home):
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


def test_one_look_at_a_clock_that_was_set_back_finds_the_dead_too(set_clock, home):
    key = get_store().enqueue(plan(data="digits"), "ann", worker="gone")
    set_clock(-HOUR)
    get_store().fail_stale_runs()
    assert isinstance(told(key)[-1], JobFailed)
    assert told(key)[-1].seconds == 0


def test_who_came_first_is_served_first(set_clock, home):
    first = get_store().enqueue(plan(data="digits"), "ann")
    set_clock(-HOUR)
    second = get_store().enqueue(plan(data="digits"), "ann")
    assert [get_store().claim("worker").id for _ in range(2)] == [first, second]


def test_one_visitor_after_the_other_is_served(set_clock, home):
    started = {name: [get_store().enqueue(plan(data="digits"), name) for _ in range(4)]
               for name in ("ann", "bob")}  # fmt: skip
    assert get_store().claim("worker").visitor == "ann"
    set_clock(-HOUR)
    order = [get_store().claim("worker").visitor for _ in range(7)]
    assert order == ["bob", "ann"] * 3 + ["bob"]
    assert started


def test_no_wait_is_shorter_than_none_and_none_is_longer_by_an_hour(set_clock, home):
    get_store().record_heartbeat("worker", 1, ready=True)
    for name in ("ann", "bob"):
        get_store().enqueue(plan(data="digits", seconds=30), name)
    get_store().claim("worker")
    set_clock(-HOUR)
    get_store().record_heartbeat("worker", 1, ready=True)
    wait = get_store().estimate_wait("cem")
    assert wait.position == 2
    assert 0 <= wait.seconds <= 60


def test_it_is_tidied_up_all_the_same(set_clock, home):
    assert retention.acquire_lease()
    assert not retention.acquire_lease()
    set_clock(-24 * HOUR)
    assert retention.acquire_lease()
    assert not retention.acquire_lease()
