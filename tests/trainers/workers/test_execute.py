"""Executing one run: its events are stored, errors end it with a message, Stop and Cancel work."""

import errno
import threading
import time

import pytest

from tests.support.digits_run import PLAN, RUN_FINISHED
from trainers.events import JobCancelled, JobFailed, Notice, RunFinished, Step, ValidationDone
from trainers.store import CANCELLED, FAILED, FINISHED, Store
from trainers.system import object_store
from trainers.training.run import BadData
from trainers.training.validator import DivergenceError
from trainers.workers.execute import MAX_STEPS_PER_SECOND, describe_failure, execute


@pytest.fixture
def runs(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield made
    made.engine.dispose()


@pytest.fixture
def key(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    return key


def stored(runs, key) -> list:
    return [event for _, event in runs.read_events(key)]


def finishes(plan, *, should_stop, folder):
    yield Notice("here", 0.0)
    yield RUN_FINISHED


def breaks(error):
    def runner(plan, *, should_stop, folder):
        yield Notice("here", 0.0)
        raise error

    return runner


def steps_until_stopped(plan, *, should_stop, folder):
    number = 0
    while not should_stop():
        number += 1
        time.sleep(0.005)
        yield Step(0, number, number / 10, 1.0, 0.0)
    yield RUN_FINISHED


def until(condition, seconds: float) -> float:
    """Seconds until `condition` held; fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "It took too long."
        time.sleep(0.02)
    return time.monotonic() - began


def test_yielded_events_are_stored(runs, key):
    events = list(execute(runs, key, PLAN, finishes))
    assert events == [Notice("here", 0.0), RUN_FINISHED] == stored(runs, key)
    assert runs.get_run(key).state == FINISHED


@pytest.mark.parametrize("error", [BadData("Add examples."), DivergenceError("Try a lower rate.")])
def test_errors_of_thaw_are_shown_unchanged(runs, key, error):
    events = list(execute(runs, key, PLAN, breaks(error)))
    assert isinstance(events[-1], JobFailed)
    assert events[-1].text == str(error)
    assert events == stored(runs, key)
    assert runs.get_run(key).state == FAILED


def test_other_errors_are_named_with_what_to_do(runs, key):
    *_, failed = execute(runs, key, PLAN, breaks(RuntimeError("shapes do not fit")))
    assert "RuntimeError: shapes do not fit" in failed.text
    assert "Try again" in failed.text
    assert "Traceback" not in failed.text


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")]
)
def test_out_of_memory_is_explained(error):
    assert "memory of this computer was not enough" in describe_failure(error)


def test_an_error_before_the_first_event_ends_the_run(runs, key):
    def runner(plan, *, should_stop, folder):
        raise BadData("Add examples.")
        yield

    (failed,) = execute(runs, key, PLAN, runner)
    assert failed.text == "Add examples."


def test_a_run_keeps_its_score_if_its_model_cannot_be_uploaded(runs, key, tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(object_store, "upload", read_only)
    assert list(execute(runs, key, PLAN, finishes, tmp_path))[-1] == RUN_FINISHED


def test_stop_lets_the_run_finish(runs, key):
    stream = execute(runs, key, PLAN, steps_until_stopped)
    next(stream)
    runs.request_stop(key)
    *_, last = stream
    assert isinstance(last, RunFinished)
    assert runs.get_run(key).state == FINISHED


def test_cancel_takes_effect_within_a_second_even_in_a_long_step(runs, key):
    step_began = threading.Event()

    def blocks(plan, *, should_stop, folder):
        yield Notice("here", 0.0)
        step_began.set()
        time.sleep(3)
        yield RUN_FINISHED

    events = []
    worker = threading.Thread(target=lambda: events.extend(execute(runs, key, PLAN, blocks)))
    worker.start()
    step_began.wait()
    assert until(lambda: stored(runs, key), 1) < 1  # what was yielded before the step is seen
    runs.request_cancel(key)
    assert until(lambda: runs.get_run(key).state == CANCELLED, 2) < 1
    assert worker.is_alive()
    worker.join()
    assert isinstance(events[-1], JobCancelled)
    assert [type(event) for event in stored(runs, key)] == [Notice, JobCancelled]


def test_cancel_closes_the_run(runs, key):
    closed = threading.Event()

    def runner(plan, *, should_stop, folder):
        try:
            while True:
                time.sleep(0.01)
                yield Notice("still here", 0.0)
        finally:
            closed.set()

    stream = execute(runs, key, PLAN, runner)
    next(stream)
    runs.request_cancel(key)
    *_, last = stream
    assert isinstance(last, JobCancelled)
    assert closed.is_set()


def test_closing_the_stream_cancels_the_run(runs, key):
    stream = execute(runs, key, PLAN, steps_until_stopped)
    next(stream)
    stream.close()
    assert runs.get_run(key).state == CANCELLED


def test_a_run_that_has_ended_in_the_store_is_cancelled(runs, key):
    stream = execute(runs, key, PLAN, steps_until_stopped)
    next(stream)
    runs.remove_worker("worker", "It was ended.")
    *_, last = stream
    assert isinstance(last, JobCancelled)
    assert runs.get_run(key).state == FAILED


def test_only_step_events_are_thinned_out(runs, key):
    def quick(plan, *, should_stop, folder):
        for number in range(1, 201):
            time.sleep(0.005)
            yield Step(0, number, number / 10, 1.0, 0.0)
            if number % 50 == 0:
                yield Notice(str(number), 0.0)
        yield RUN_FINISHED

    began = time.monotonic()
    events = list(execute(runs, key, PLAN, quick))
    took = time.monotonic() - began
    assert sum(isinstance(event, Step) for event in events) == 200
    rows = [type(event) for event in stored(runs, key)]
    assert 1 <= rows.count(Step) <= MAX_STEPS_PER_SECOND * took + 1
    assert rows.count(Notice) == 4
    assert rows[-1] is RunFinished
    assert MAX_STEPS_PER_SECOND <= 5


def test_an_evaluation_is_stored_at_once(runs, key):
    evaluation = ValidationDone(0, 0, 0.0, 0.5, 1.0, True, None, None, [], [], [], [], [], 0.0)
    seen = []

    def runner(plan, *, should_stop, folder):
        yield Notice("here", 0.0)
        yield evaluation
        seen.extend(stored(runs, key))
        yield RUN_FINISHED

    list(execute(runs, key, PLAN, runner))
    assert evaluation in seen


def test_the_runner_gets_the_plan_and_the_folder(runs, key, tmp_path):
    given = []

    def runner(plan, *, should_stop, folder):
        given.append((plan, folder))
        yield RUN_FINISHED

    list(execute(runs, key, PLAN, runner, tmp_path))
    assert given == [(PLAN, tmp_path)]
