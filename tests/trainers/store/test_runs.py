"""Runs and other jobs are rows; their events are numbered, and an end is final."""

import threading

import pytest

from tests.support.digits_run import PLAN, RUN_FINISHED
from trainers.events import JobCancelled, JobDone, JobFailed, Notice, Stage, WatchedExamples
from trainers.jobs import DataCheck, Download, ImportData, kind_of
from trainers.plan import Plan
from trainers.store import CANCELLED, FAILED, FINISHED, QUEUED, RUNNING, RunNotFound, Store

IMPORT = ImportData(path="inbox", title="photos.zip", visitor="ann")
CHECK = DataCheck(data="digits", seconds=60)
JOBS = [PLAN, IMPORT, CHECK, Download(key="mobilenet_v2")]
each_end = pytest.mark.parametrize(
    ("end", "state"),
    [
        (RUN_FINISHED, FINISHED),
        (JobFailed("It broke.", 1.0), FAILED),
        (JobCancelled(1.0), CANCELLED),
    ],
    ids=[FINISHED, FAILED, CANCELLED],
)


@pytest.mark.parametrize("job", JOBS, ids=kind_of)
def test_every_kind_of_job_is_read_as_it_was_queued(store, job):
    run = store.get_run(store.enqueue(job, "ann"))
    assert (run.job, run.kind, run.visitor) == (job, kind_of(job), "ann")
    assert (run.state, run.started_at, run.is_over) == (QUEUED, None, False)


def test_ids_cannot_be_guessed(store):
    keys = {store.enqueue(PLAN, "ann") for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) >= 22 for key in keys)  # 128 bits, six a character


def test_an_unknown_id_raises_an_error_in_words(store):
    with pytest.raises(RunNotFound, match="There is no such run"):
        store.get_run("nothing")
    assert store.read_events("nothing") == []


def test_another_process_reads_the_run(store, database):
    key = store.enqueue(PLAN, "ann")
    store.append(key, [Stage("phase", "Learning", 0.5)])
    other = Store(database)
    assert other.get_run(key).job == PLAN
    assert other.read_events(key) == store.read_events(key)
    other.engine.dispose()


def test_a_visitors_runs_are_listed_newest_first(store):
    keys = [store.enqueue(PLAN, "ann") for _ in range(3)]
    store.enqueue(IMPORT, "ann")
    store.enqueue(PLAN, "bob")
    assert [run.id for run in store.list_runs("ann")] == keys[::-1]
    assert [run.id for run in store.list_runs("ann", limit=1)] == keys[-1:]
    assert store.list_runs("eve") == []


def test_the_latest_job_about_a_subject_is_found(store):
    assert store.find_latest("check", "digits") is None
    for _ in range(2):
        newest = store.enqueue(CHECK, "ann")
    store.enqueue(PLAN, "ann")
    assert store.find_latest("check", "digits").id == newest


# --- events -----------------------------------------------------------------------------------


def test_events_are_numbered_from_1_and_read_after_a_number(store):
    key = store.enqueue(PLAN, "ann")
    first, second, third = (Notice(text, 0.0) for text in "abc")
    store.append(key, [first, second])
    store.append(key, [])
    store.append(key, [third])
    assert store.read_events(key) == [(1, first), (2, second), (3, third)]
    assert store.read_events(key, after=2) == [(3, third)]
    assert store.read_events(key, after=3) == []


def test_each_run_has_its_own_events(store):
    ann, bob = store.enqueue(PLAN, "ann"), store.enqueue(PLAN, "bob")
    store.append(ann, [Notice("for ann", 0.0)])
    store.append(bob, [Notice("for bob", 0.0)])
    assert store.read_events(ann) == [(1, Notice("for ann", 0.0))]


@each_end
def test_an_end_event_ends_the_run(store, end, state):
    key = store.enqueue(PLAN, "ann")
    store.claim("worker")
    store.append(key, [Notice("nearly", 0.0), end])
    run = store.get_run(key)
    assert (run.state, run.result, run.is_over) == (state, end.as_json(), True)
    assert run.finished_at is not None


@each_end
def test_events_after_the_end_are_dropped(store, end, state):
    key = store.enqueue(PLAN, "ann")
    late = Notice("too late", 0.0)
    store.append(key, [end, late])
    store.append(key, [late])
    store.append(key, [JobFailed("again", 0.0)])
    assert store.read_events(key) == [(1, end)]
    assert store.get_run(key).state == state


def test_the_result_of_a_job_is_its_last_event(store):
    key = store.enqueue(IMPORT, "ann")
    store.append(key, [JobDone({"data": "own-x"}, 1.0)])
    assert store.get_run(key).state == FINISHED
    assert store.get_run(key).result["found"] == {"data": "own-x"}


def test_two_writers_lose_nothing_and_never_share_a_number(store):
    key = store.enqueue(PLAN, "ann")

    def write(prefix: str) -> None:
        for number in range(20):
            store.append(key, [Notice(f"{prefix}{number}", 0.0)])

    writers = [threading.Thread(target=write, args=(prefix,)) for prefix in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [number for number, _ in store.read_events(key)] == list(range(1, 41))


def test_erasing_examples_keeps_scores(store):
    run = store.enqueue(PLAN, "ann", worker="w")
    check = store.enqueue(CHECK, "ann", worker="w")
    store.append(run, [WatchedExamples(indices=[1], inputs=["private"], labels=[0]), RUN_FINISHED])
    store.append(check, [JobDone({"findings": ["private"]}, 1.0)])
    other = store.enqueue(Plan(data="vehicles", approach="transfer"), "ann", worker="w")
    store.append(other, [WatchedExamples(indices=[1], inputs=["kept"], labels=[0])])
    store.erase_examples("digits")
    assert store.read_events(run)[0][1].inputs == [""]
    assert store.get_run(run).result["test_accuracy"] == 0.5
    assert [event.inputs for _, event in store.read_events(other)] == [["kept"]]
    with pytest.raises(RunNotFound):
        store.get_run(check)


# --- stop and cancel --------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [Store.request_stop, Store.request_cancel], ids=["stop", "cancel"])
def test_a_waiting_run_is_cancelled_at_once(store, ask):
    key = store.enqueue(PLAN, "ann")
    ask(store, key)
    assert store.get_run(key).state == CANCELLED
    assert store.read_events(key) == [(1, JobCancelled(0.0))]
    assert store.claim("worker") is None


def test_a_running_run_is_asked(store):
    key = store.enqueue(PLAN, "ann")
    store.claim("worker")
    assert store.read_flags(key) == (False, False)
    store.request_stop(key)
    assert store.read_flags(key) == (True, False)
    store.request_cancel(key)
    assert store.read_flags(key) == (True, True)
    assert store.get_run(key).state == RUNNING  # until its worker has read the flags


def test_a_run_that_is_over_or_gone_reads_as_cancelled(store):
    key = store.enqueue(PLAN, "ann")
    store.append(key, [JobFailed("It broke.", 0.0)])
    assert store.read_flags(key) == (False, True)
    assert store.read_flags("nothing") == (False, True)


def test_cancelling_a_finished_run_changes_nothing(store):
    key = store.enqueue(PLAN, "ann")
    store.append(key, [RUN_FINISHED])
    store.request_cancel(key)
    assert store.get_run(key).state == FINISHED
