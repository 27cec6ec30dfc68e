"""A run that needs more memory than there is: a real limit on a real process."""

import psutil
import pytest

from tests.support.forged import plan, texts, told
from trainers.events import JobFailed, Notice, RunFinished, ValidationDone
from trainers.store import FAILED, FINISHED, get_store
from trainers.system import memory_limit

MANY = {"approach": "fine_tune", "examples_per_class": 30, "seconds": 4}
# MB an example takes while it is learned from, and while it is looked at; and that there are.
TOO_MUCH_AT_ONCE = {"learning": 8, "looking": 0, "there": 160}  # 32 at once: 256; 8: 64
TOO_MUCH_TO_LOOK_AT = {"learning": 0, "looking": 3, "there": 160}  # 60: 180 and more; 15: 45
TOO_MUCH = {"learning": 64, "looking": 0, "there": 160}


def executed(forge, home, key, needs, jobs=1):
    worker = forge.worker(home, jobs=jobs, hungry=needs)
    assert worker.ended() == 0, worker.log.read_text()
    return told(key)


def test_it_learns_from_fewer_examples_at_a_time_and_says_so(toy, forge, home):
    key = get_store().enqueue(plan(**MANY), "ann")
    events = executed(forge, home, key, TOO_MUCH_AT_ONCE)
    assert isinstance(events[-1], RunFinished), events[-1]
    (said,) = [e for e in events if isinstance(e, Notice) and "memory" in e.text]
    assert "not enough to learn from 32 examples at a time" in said.text
    assert "again with 8 at a time" in said.text
    after = events[events.index(said) :]
    assert any(isinstance(event, ValidationDone) and event.step > 0 for event in after)


def test_what_is_only_looked_at_is_looked_at_in_smaller_parts(toy, forge, home):
    key = get_store().enqueue(plan(**MANY | {"approach": "transfer", "seconds": 60}), "ann")
    events = executed(forge, home, key, TOO_MUCH_TO_LOOK_AT)
    assert isinstance(events[-1], RunFinished), events[-1]
    assert events[-1].test_examples == 60


def test_once_is_all_then_it_ends_in_words_and_its_worker_takes_the_next_run(toy, forge, home):
    key = get_store().enqueue(plan(**MANY), "ann")
    following = get_store().enqueue(plan(approach="simple"), "ann")
    events = executed(forge, home, key, TOO_MUCH, jobs=2)  # one process for both
    assert isinstance(events[-1], JobFailed)
    assert "again with 8 at a time" in texts(key)
    assert texts(key).count("at a time, which") == 1
    assert "memory of this computer was not enough" in events[-1].text
    assert "smaller backbone" in events[-1].text
    assert get_store().get_run(key).state == FAILED
    assert get_store().get_run(following).state == FINISHED


def test_a_worker_may_take_most_of_the_memory_but_not_all(monkeypatch):
    most = psutil.virtual_memory().total
    assert 0 < memory_limit.total_bytes() <= most
    assert most / 3 < memory_limit.limit_bytes() < most or memory_limit.total_bytes() < most
    monkeypatch.setenv("THAW_WORKER_MEMORY_GB", "2.5")
    assert memory_limit.limit_bytes() == 2_500_000_000
    monkeypatch.setenv("THAW_WORKER_MEMORY_GB", "0")
    assert memory_limit.limit_bytes() == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_how_libraries_say_it_is_known(error):
    from trainers.system.errors import is_out_of_memory

    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("a memory format that is not known"))
