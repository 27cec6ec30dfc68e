"""Runs are rows: the queue is fair, a claim is one worker's, and an end is an end."""

import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import event, select, update

from trainers.events import (
    JobCancelled,
    JobDone,
    JobFailed,
    Notice,
    RunFinished,
    Stage,
    Step,
    WatchedExamples,
)
from trainers.jobs import Comparison, DataCheck, Download, ImportData, kind_of
from trainers.plan import Plan
from trainers.store import (
    CANCELLED,
    FAILED,
    FINISHED,
    HEARTBEAT_TIMEOUT_SECONDS,
    QUEUED,
    RUNNING,
    SORT_ORDERS,
    UNDO_SECONDS,
    RunNotFound,
    Store,
    WaitEstimate,
    engine,
)
from trainers.store.tables import runs as runs_table, workers as workers_table
from trainers.system.paths import run_dir

PLAN = Plan(data="digits", approach="transfer", seconds=10)
FINISH = RunFinished(
    approach="transfer",
    data="digits",
    backbone="small_resnet",
    classes=["0", "1"],
    train_examples=2,
    test_examples=2,
    test_correct=1,
    test_accuracy=0.5,
    test_accuracy_low=0.1,
    test_accuracy_high=0.9,
    macro_f1=0.5,
    confusion_matrix=[[1, 0], [1, 0]],
    seconds=1.0,
    trainable_parameters=1,
    parameters=2,
    epochs=1.0,
    stopped_by_user=False,
    repeat_plan=PLAN.as_json(),
)
ENDS = [(FINISH, FINISHED), (JobFailed("It broke.", 1.0), FAILED), (JobCancelled(1.0), CANCELLED)]


@pytest.fixture
def runs(database):
    made = Store(database)
    yield made
    made.engine.dispose()


def served(runs) -> list[str]:
    """The visitors of all waiting runs, in the order a worker serves them."""
    order = []
    while run := runs.claim("worker"):
        order.append(run.visitor)
        runs.append(run.id, [JobCancelled(0.0)])
    return order


def aged(runs, table, name, seconds) -> None:
    """Moves the last heartbeat of a row into the past."""
    with runs.engine.begin() as sql:
        sql.execute(
            update(table).where(table.c.id == name).values(heartbeat_at=time.time() - seconds)
        )


# --- runs and their events --------------------------------------------------------------------


def test_a_run_waits_until_it_is_claimed(runs):
    key = runs.enqueue(PLAN, "ann")
    waiting = runs.get_run(key)
    assert (waiting.state, waiting.job, waiting.visitor) == (QUEUED, PLAN, "ann")
    assert waiting.started_at is None
    claimed = runs.claim("worker")
    assert (claimed.id, claimed.state) == (key, RUNNING)
    assert runs.get_run(key).started_at == claimed.started_at >= waiting.created_at
    assert not claimed.is_over
    assert runs.claim("worker") is None


def test_ids_cannot_be_guessed(runs):
    keys = {runs.enqueue(PLAN, "ann") for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) >= 22 for key in keys)  # 128 bits, six a character


def test_an_id_that_does_not_exist_is_said_in_words(runs):
    with pytest.raises(RunNotFound, match="There is no such run"):
        runs.get_run("nothing")
    assert runs.read_events("nothing") == []


def test_a_terminals_run_is_its_own_at_once(runs):
    key = runs.enqueue(PLAN, "terminal", worker="terminal")
    assert runs.get_run(key).state == RUNNING
    assert runs.claim("worker") is None


def test_another_process_finds_the_run(runs, database):
    key = runs.enqueue(PLAN, "ann")
    runs.append(key, [Stage("phase", "Learning", 0.5)])
    other = Store(database)
    assert other.get_run(key).job == PLAN
    assert other.read_events(key) == runs.read_events(key)
    other.engine.dispose()


def test_events_are_numbered_from_1_and_come_after_a_number(runs):
    key = runs.enqueue(PLAN, "ann")
    first, second, third = (Notice(text, 0.0) for text in "abc")
    runs.append(key, [first, second])
    runs.append(key, [])
    runs.append(key, [third])
    assert runs.read_events(key) == [(1, first), (2, second), (3, third)]
    assert runs.read_events(key, after=2) == [(3, third)]
    assert runs.read_events(key, after=3) == []


def test_each_run_has_its_own_events(runs):
    ann, bob = runs.enqueue(PLAN, "ann"), runs.enqueue(PLAN, "bob")
    runs.append(ann, [Notice("for ann", 0.0)])
    runs.append(bob, [Notice("for bob", 0.0)])
    assert runs.read_events(ann) == [(1, Notice("for ann", 0.0))]


@pytest.mark.parametrize(("end", "state"), ENDS, ids=lambda x: x if isinstance(x, str) else "")
def test_an_end_ends_the_run(runs, end, state):
    key = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    runs.append(key, [Notice("nearly", 0.0), end])
    over = runs.get_run(key)
    assert (over.state, over.result, over.is_over) == (state, end.as_json(), True)
    assert over.finished_at is not None


@pytest.mark.parametrize(("end", "state"), ENDS, ids=lambda x: x if isinstance(x, str) else "")
def test_what_comes_after_the_end_is_dropped(runs, end, state):
    key = runs.enqueue(PLAN, "ann")
    late = Notice("too late", 0.0)
    runs.append(key, [end, late])
    runs.append(key, [late])
    runs.append(key, [JobFailed("again", 0.0)])
    assert runs.read_events(key) == [(1, end)]
    assert runs.get_run(key).state == state


def test_a_visitors_runs_are_the_newest_first(runs):
    keys = [runs.enqueue(PLAN, "ann") for _ in range(3)]
    runs.enqueue(PLAN, "bob")
    assert [run.id for run in runs.list_runs("ann")] == keys[::-1]
    assert [run.id for run in runs.list_runs("ann", limit=1)] == keys[-1:]
    assert runs.list_runs("eve") == []


def test_two_writers_lose_nothing_and_never_share_a_number(runs):
    key = runs.enqueue(PLAN, "ann")

    def write(who: str) -> None:
        for number in range(20):
            runs.append(key, [Notice(f"{who}{number}", 0.0)])

    both = [threading.Thread(target=write, args=(who,)) for who in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [number for number, _ in runs.read_events(key)] == list(range(1, 41))


# --- stop and cancel --------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [Store.request_stop, Store.request_cancel], ids=["stop", "cancel"])
def test_a_run_that_waits_is_cancelled_at_once(runs, ask):
    key = runs.enqueue(PLAN, "ann")
    ask(runs, key)
    assert runs.get_run(key).state == CANCELLED
    assert runs.read_events(key) == [(1, JobCancelled(0.0))]
    assert runs.claim("worker") is None


def test_a_run_that_is_running_is_asked(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    assert runs.read_flags(key) == (False, False)
    runs.request_stop(key)
    assert runs.read_flags(key) == (True, False)
    runs.request_cancel(key)
    assert runs.read_flags(key) == (True, True)
    assert runs.get_run(key).state == RUNNING  # until its worker heard


def test_a_worker_is_told_to_leave_a_run_that_is_over_or_gone(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.append(key, [JobFailed("It broke.", 0.0)])
    assert runs.read_flags(key) == (False, True)
    assert runs.read_flags("nothing") == (False, True)


def test_asking_a_run_that_is_over_changes_nothing(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.append(key, [FINISH])
    runs.request_cancel(key)
    assert runs.get_run(key).state == FINISHED


# --- the queue --------------------------------------------------------------------------------


def test_the_queue_is_fair_per_visitor(runs):
    for visitor in ["ann"] * 5 + ["bob"]:
        runs.enqueue(PLAN, visitor)
    assert served(runs) == ["ann", "bob", "ann", "ann", "ann", "ann"]


def test_visitors_take_turns(runs):
    for visitor in ["ann"] * 3 + ["bob"] * 3 + ["eve"]:
        runs.enqueue(PLAN, visitor)
    assert served(runs) == ["ann", "bob", "eve", "ann", "bob", "ann", "bob"]


def test_whoever_was_just_served_waits_for_the_others(runs):
    runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    runs.enqueue(PLAN, "ann")
    runs.enqueue(PLAN, "bob")
    assert runs.claim("worker").visitor == "bob"


def test_a_visitors_own_runs_keep_their_order(runs):
    keys = [runs.enqueue(PLAN, "ann") for _ in range(3)]
    assert [runs.claim("worker").id for _ in keys] == keys


def test_a_run_is_claimed_by_one_worker_only(runs):
    keys = {runs.enqueue(PLAN, f"visitor {number % 3}") for number in range(24)}
    claimed: list[str] = []
    together = threading.Barrier(6)

    def work(name: str) -> None:
        together.wait()
        while run := runs.claim(name):
            claimed.append(run.id)

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(keys)


def test_an_empty_queue_is_no_wait(runs):
    assert runs.estimate_wait("ann") == WaitEstimate(0, 0.0)


def test_the_wait_is_what_lies_before_in_budgets(runs):
    runs.record_heartbeat("worker", 1, ready=True)
    runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    wait = runs.estimate_wait("bob")
    assert wait.position == 1
    assert 9 < wait.seconds <= 10
    runs.enqueue(PLAN, "bob")
    wait = runs.estimate_wait("bob")
    assert wait.position == 2
    assert 19 < wait.seconds <= 20


def test_more_workers_shorten_the_wait(runs):
    for number in range(2):
        runs.record_heartbeat(f"worker {number}", number, ready=True)
    for number in range(2):
        runs.enqueue(PLAN, "ann")
        runs.claim(f"worker {number}")
    wait = runs.estimate_wait("bob")
    assert wait.position == 2
    assert 9 < wait.seconds <= 10


def test_an_idle_worker_is_no_wait(runs):
    for number in range(2):
        runs.record_heartbeat(f"worker {number}", number, ready=True)
    runs.enqueue(PLAN, "ann")
    runs.claim("worker 0")
    assert runs.estimate_wait("bob") == WaitEstimate(0, 0.0)


def test_each_waiting_run_has_its_place(runs):
    first, second, third = (runs.enqueue(PLAN, visitor) for visitor in ("ann", "ann", "bob"))
    assert [
        runs.estimate_wait("ann", first).position,
        runs.estimate_wait("bob", third).position,
    ] == [
        0,
        1,
    ]
    assert runs.estimate_wait("ann", second) == WaitEstimate(2, 20.0)


def test_a_run_that_was_claimed_waits_no_longer(runs):
    running = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    runs.enqueue(PLAN, "bob")
    assert runs.estimate_wait("ann", running) == WaitEstimate(0, 0.0)


def test_the_wait_is_the_place_that_a_new_run_gets(runs):
    for visitor in ["ann"] * 4 + ["bob"]:
        runs.enqueue(PLAN, visitor)
    promised = runs.estimate_wait("bob")
    assert runs.estimate_wait("bob", runs.enqueue(PLAN, "bob")) == promised


# --- workers ----------------------------------------------------------------------------------


def test_only_workers_that_live_and_are_warm_are_ready(runs):
    runs.record_heartbeat("cold", 1, ready=False)
    runs.record_heartbeat("warm", 2, ready=True)
    runs.record_heartbeat("dead", 3, ready=True)
    aged(runs, workers_table, "dead", HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert runs.count_ready_workers() == 1
    runs.record_heartbeat("cold", 1, ready=True)
    assert runs.count_ready_workers() == 2


def test_the_run_of_a_worker_that_is_gone_has_failed_with_the_reason(runs):
    runs.record_heartbeat("worker", 1, ready=True)
    key, waiting = runs.enqueue(PLAN, "ann"), runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    runs.append(key, [Step(0, 1, 0.1, 2.0, 0.1)])
    runs.remove_worker("worker", "It was ended.")
    over = runs.get_run(key)
    assert over.state == FAILED
    assert over.result["text"] == "It was ended."
    assert isinstance(runs.read_events(key)[-1][1], JobFailed)
    assert runs.get_run(waiting).state == QUEUED
    assert runs.count_ready_workers() == 0


def test_a_worker_that_goes_takes_no_other_run_along(runs):
    mine, other = runs.enqueue(PLAN, "ann"), runs.enqueue(PLAN, "bob")
    runs.claim("one")
    runs.claim("two")
    runs.remove_worker("one", "It was ended.")
    assert {runs.get_run(mine).state, runs.get_run(other).state} == {FAILED, RUNNING}


def test_runs_that_nobody_keeps_alive_are_buried(runs):
    lost, alive = runs.enqueue(PLAN, "ann"), runs.enqueue(PLAN, "bob")
    runs.claim("one")
    runs.claim("two")
    aged(runs, runs_table, lost, HEARTBEAT_TIMEOUT_SECONDS + 1)
    runs.fail_stale_runs()
    assert runs.get_run(lost).state == FAILED
    assert "Nothing is wrong with your data" in runs.get_run(lost).result["text"]
    assert runs.get_run(alive).state == RUNNING


def test_a_heartbeat_keeps_a_run_from_being_buried(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.claim("worker")
    aged(runs, runs_table, key, HEARTBEAT_TIMEOUT_SECONDS + 1)
    runs.append(key, [])
    runs.fail_stale_runs()
    assert runs.get_run(key).state == RUNNING


def test_a_run_that_waits_is_never_lost(runs):
    key = runs.enqueue(PLAN, "ann")
    runs.fail_stale_runs()
    assert runs.get_run(key).state == QUEUED


def test_a_run_in_a_terminal_keeps_nobody_waiting(runs):
    runs.record_heartbeat("worker", 1, ready=True)
    runs.enqueue(PLAN, "terminal", worker="terminal")
    assert runs.estimate_wait("bob") == WaitEstimate(0, 0.0)


def test_a_plan_that_cannot_be_read_any_more_fails_and_blocks_nobody(runs):
    broken = runs.enqueue(PLAN, "ann")
    with runs.engine.begin() as sql:
        plan = PLAN.as_json() | {"data": "gone"}
        sql.execute(update(runs_table).where(runs_table.c.id == broken).values(job=plan))
    following = runs.enqueue(PLAN, "bob")
    assert runs.claim("worker").id == following
    with runs.engine.connect() as sql:
        states = dict(sql.execute(select(runs_table.c.id, runs_table.c.state)).all())
    assert states == {broken: FAILED, following: RUNNING}


# --- other jobs -----------------------------------------------------------------------------------


READING = ImportData(path="inbox", title="photos.zip", visitor="ann")
OTHERS = [READING, DataCheck(data="digits", seconds=60), Download(key="mobilenet_v2")]


@pytest.mark.parametrize("job", [PLAN, *OTHERS], ids=kind_of)
def test_every_kind_of_job_comes_back_as_it_went_in(runs, job):
    found = runs.get_run(runs.enqueue(job, "ann"))
    assert found.job == job
    assert found.kind == kind_of(job)


def test_a_light_worker_takes_no_run_and_a_heavy_one_reads_nothing(runs):
    for job in (PLAN, *OTHERS):
        runs.enqueue(job, "ann")
    light = {runs.claim("light", needs_torch=False).kind for _ in range(2)}
    heavy = {runs.claim("heavy").kind for _ in range(2)}
    assert (light, heavy) == ({"read", "fetch"}, {"run", "check"})
    assert runs.claim("light", needs_torch=False) is runs.claim("heavy") is None


def test_other_jobs_are_no_runs_in_the_history(runs):
    runs.enqueue(READING, "ann")
    run = runs.enqueue(PLAN, "ann")
    assert [one.id for one in runs.list_runs("ann")] == [run]


def test_what_a_job_found_is_its_result(runs):
    key = runs.enqueue(READING, "ann")
    runs.append(key, [JobDone({"data": "own-x"}, 1.0)])
    assert runs.get_run(key).state == FINISHED
    assert runs.get_run(key).result["found"] == {"data": "own-x"}


def test_the_newest_job_about_something_is_found(runs):
    assert runs.find_latest("check", "digits") is None
    for _ in range(2):
        newest = runs.enqueue(OTHERS[1], "ann")
    runs.enqueue(PLAN, "ann")
    assert runs.find_latest("check", "digits").id == newest


def test_reading_and_downloads_make_nobody_wait_for_a_run(runs):
    runs.record_heartbeat("heavy", 1, ready=True)
    runs.record_heartbeat("light", 2, ready=True, can_train=False)
    runs.enqueue(READING, "ann")
    runs.claim("light", needs_torch=False)
    assert runs.estimate_wait("bob") == WaitEstimate(0, 0.0)
    assert runs.count_ready_workers() == 1


def test_a_look_at_data_is_waited_for(runs):
    runs.record_heartbeat("heavy", 1, ready=True)
    runs.enqueue(OTHERS[1], "ann")
    runs.claim("heavy")
    wait = runs.estimate_wait("bob")
    assert wait.position == 1
    assert 0 < wait.seconds <= 15


def test_forgetting_examples_keeps_scores(runs):
    run = runs.enqueue(PLAN, "ann", worker="w")
    check = runs.enqueue(OTHERS[1], "ann", worker="w")
    runs.append(run, [WatchedExamples(indices=[1], inputs=["private"], labels=[0]), FINISH])
    runs.append(check, [JobDone({"findings": ["private"]}, 1.0)])
    other = runs.enqueue(Plan(data="vehicles", approach="transfer"), "ann", worker="w")
    runs.append(other, [WatchedExamples(indices=[1], inputs=["kept"], labels=[0])])
    runs.erase_examples("digits")
    assert runs.read_events(run)[0][1].inputs == [""]
    assert runs.get_run(run).result["test_accuracy"] == 0.5
    assert [event.inputs for _, event in runs.read_events(other)] == [["kept"]]
    with pytest.raises(RunNotFound):
        runs.get_run(check)


# --- the history ----------------------------------------------------------------------------------


def over(runs, visitor="ann", right=0.5, seconds=1.0, plan=PLAN, **more) -> str:
    key = runs.enqueue(plan, visitor, worker="w", **more)
    runs.append(key, [replace(FINISH, test_accuracy=right, seconds=seconds)])
    return key


def ids(runs, visitor="ann", **options) -> list[str]:
    return [past.id for past in runs.list_history(visitor, **options)[0]]


ORDERS = {"newest": [3, 2, 1, 0], "score": [1, 2, 0, 3], "longest": [2, 0, 1, 3]}


@pytest.mark.parametrize("sort", SORT_ORDERS)
def test_the_order_is_the_one_asked_for_and_what_has_no_value_comes_last(runs, sort):
    keys = [over(runs, right=r, seconds=s) for r, s in ((0.2, 5), (0.9, 1), (0.4, 9))]
    keys.append(runs.enqueue(PLAN, "ann"))
    assert ids(runs, sort=sort) == [keys[place] for place in ORDERS[sort]]


def test_pages_follow_each_other_without_a_gap(runs):
    keys = [over(runs) for _ in range(7)]
    pages = [runs.list_history("ann", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [past.id for page, _ in pages for past in page] == keys[::-1]
    assert {total for _, total in pages} == {7}


def test_a_pinned_run_leads_every_order(runs):
    worst = over(runs, right=0.1)
    best = over(runs, right=0.9)
    runs.pin([worst], "ann")
    assert ids(runs, sort="score") == [worst, best]
    runs.pin([worst], "ann", False)
    assert ids(runs, sort="score") == [best, worst]


@pytest.mark.parametrize(
    "search", ["LAMP", "straße lamp", "Transfer", "handwritten DIGITS", "STRASSE", "lamp 100%", ""]
)
def test_every_word_is_looked_for_in_name_note_approach_and_data(runs, search):
    key = over(runs)
    runs.annotate(key, "ann", name="the  new\nlamp", note="100% in the Straße")
    assert ids(runs, search=search) == [key]
    assert runs.get_summary(key).name == "the new lamp"


@pytest.mark.parametrize("search", ["%", "_", "lamp ladder", "\\", "' or 1=1 --", "x" * 10_000])
def test_what_is_not_there_is_not_found_and_nothing_is_a_wildcard(runs, search):
    runs.annotate(over(runs), "ann", name="lamp", note="")
    assert runs.list_history("ann", search=search) == ([], 0)


def test_only_whose_run_it_is_can_change_it(runs):
    key = over(runs)
    runs.annotate(key, "eve", name="mine now", note="")
    runs.pin([key], "eve")
    stamp = runs.delete([key], "eve")
    assert runs.get_summary(key).name == ""
    assert not runs.get_summary(key).pinned
    runs.restore(runs.delete([key], "ann"), "eve")
    assert runs.restore(stamp, "ann") == 0
    assert ids(runs) == []


def test_names_and_notes_are_cut_to_what_is_kept(runs):
    key = over(runs)
    runs.annotate(key, "ann", name="n\0" * 1000, note="m" * 10_000)
    assert runs.get_summary(key).name == "n" * 80
    assert len(runs.get_summary(key).note) == 2000


def test_a_deleted_run_is_nowhere_until_it_is_brought_back(runs):
    key, other = over(runs), over(runs)
    stamp = runs.delete([key], "ann")
    assert ids(runs) == [other]
    assert [run.id for run in runs.list_runs("ann")] == [other]
    for find in (runs.get_run, runs.get_summary):
        with pytest.raises(RunNotFound):
            find(key)
    assert runs.restore(stamp, "ann") == 1
    assert runs.get_run(key).result["test_accuracy"] == 0.5
    assert runs.restore(stamp, "ann") == 0


def test_deleting_what_is_not_over_cancels_it(runs):
    waiting, running = runs.enqueue(PLAN, "ann"), runs.enqueue(PLAN, "ann", worker="w")
    stamp = runs.delete([waiting, running], "ann")
    assert runs.claim("worker") is None
    assert runs.read_flags(running) == (False, True)
    runs.restore(stamp, "ann")
    assert runs.get_run(waiting).state == CANCELLED


def test_the_runs_of_a_comparison_are_shown_on_demand_and_go_and_come_with_it(runs):
    whole = runs.enqueue(Comparison(data="digits", visitor="ann"), "ann", worker="w")
    part, alone = over(runs, parent_id=whole), over(runs)
    assert ids(runs) == [alone, whole]
    assert ids(runs, parts=True) == [alone, part, whole]
    stamp = runs.delete([whole], "ann")
    assert ids(runs, parts=True) == [alone]
    assert runs.restore(stamp, "ann") == 2
    assert ids(runs, parts=True) == [alone, part, whole]


def test_what_was_deleted_is_gone_for_good_after_a_while_with_its_weights(runs):
    key, kept = over(runs), over(runs)
    for run in (key, kept):
        run_dir(run).mkdir(parents=True)
        (run_dir(run) / "head.safetensors").write_bytes(b"weights")
    stamp = runs.delete([key, kept], "ann")
    runs.purge_deleted()
    assert runs.restore(stamp, "ann") == 2  # not yet
    runs.delete([key], "ann")
    with runs.engine.begin() as sql:
        gone = update(runs_table).where(runs_table.c.id == key)
        sql.execute(gone.values(deleted_at=time.time() - UNDO_SECONDS - 1))
    runs.purge_deleted()
    assert runs.read_events(key) == []
    assert not run_dir(key).exists()
    assert ids(runs) == [kept]
    assert (run_dir(kept) / "head.safetensors").exists()


def test_a_page_of_ten_thousand_needs_no_sort_of_whole_rows(runs):
    """The time itself is measured by tests/bench/list_runs.py: see there."""
    if engine.is_shared(runs.engine):
        pytest.skip("Of SQLite's plans: PostgreSQL chooses by how many rows there are.")
    told = []
    event.listen(runs.engine, "before_cursor_execute", lambda *call: told.append(call[2]))
    for sort in SORT_ORDERS:
        runs.list_history("ann", sort=sort)
        chosen = [one for one in told if "LIMIT" in one][-1]
        with runs.engine.connect() as sql:
            marks = ("x",) * chosen.count("?")
            how = sql.exec_driver_sql(f"EXPLAIN QUERY PLAN {chosen}", marks).all()
        assert "COVERING INDEX ix_runs_history" in str(how)
