"""The history is searched, sorted and paged; a deleted run can be restored for an hour."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import event, update

from tests.support.digits_run import PLAN, RUN_FINISHED
from trainers.jobs import Comparison, ImportData
from trainers.store import CANCELLED, SORT_ORDERS, UNDO_SECONDS, RunNotFound
from trainers.store.engine import is_shared
from trainers.store.tables import runs
from trainers.system.paths import run_dir


def finish(store, accuracy=0.5, seconds=1.0, **options) -> str:
    """Add a finished run and return its id."""
    key = store.enqueue(PLAN, "ann", worker="w", **options)
    store.append(key, [replace(RUN_FINISHED, test_accuracy=accuracy, seconds=seconds)])
    return key


def list_ids(store, **options) -> list[str]:
    return [summary.id for summary in store.list_history("ann", **options)[0]]


ORDERS = {"newest": [3, 2, 1, 0], "score": [1, 2, 0, 3], "longest": [2, 0, 1, 3]}


@pytest.mark.parametrize("sort", SORT_ORDERS)
def test_runs_are_sorted_with_those_without_a_value_last(store, sort):
    keys = [finish(store, *values) for values in ((0.2, 5), (0.9, 1), (0.4, 9))]
    keys.append(store.enqueue(PLAN, "ann"))
    assert list_ids(store, sort=sort) == [keys[place] for place in ORDERS[sort]]


def test_pages_follow_each_other_without_a_gap(store):
    keys = [finish(store) for _ in range(7)]
    pages = [store.list_history("ann", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [summary.id for page, _ in pages for summary in page] == keys[::-1]
    assert {total for _, total in pages} == {7}


def test_only_runs_and_comparisons_are_in_the_history(store):
    store.enqueue(ImportData(path="inbox", title="photos.zip", visitor="ann"), "ann")
    run = store.enqueue(PLAN, "ann")
    assert list_ids(store, parts=True) == [run]


def test_a_pinned_run_leads_every_order(store):
    worst = finish(store, 0.1)
    best = finish(store, 0.9)
    store.pin([worst], "ann")
    assert list_ids(store, sort="score") == [worst, best]
    store.pin([worst], "ann", False)
    assert list_ids(store, sort="score") == [best, worst]


@pytest.mark.parametrize(
    "search", ["LAMP", "straße lamp", "Transfer", "handwritten DIGITS", "STRASSE", "lamp 100%", ""]
)
def test_every_word_is_searched_in_name_note_approach_and_data(store, search):
    key = finish(store)
    store.annotate(key, "ann", name="the  new\nlamp", note="100% in the Straße")
    assert list_ids(store, search=search) == [key]
    assert store.get_summary(key).name == "the new lamp"


@pytest.mark.parametrize("search", ["%", "_", "lamp ladder", "\\", "' or 1=1 --", "x" * 10_000])
def test_no_search_is_a_wildcard(store, search):
    store.annotate(finish(store), "ann", name="lamp", note="")
    assert store.list_history("ann", search=search) == ([], 0)


def test_only_its_visitor_can_change_a_run(store):
    key = finish(store)
    store.annotate(key, "eve", name="mine now", note="")
    store.pin([key], "eve")
    deleted_at = store.delete([key], "eve")
    assert store.get_summary(key).name == ""
    assert not store.get_summary(key).pinned
    store.restore(store.delete([key], "ann"), "eve")
    assert store.restore(deleted_at, "ann") == 0
    assert list_ids(store) == []


def test_names_and_notes_are_cut(store):
    key = finish(store)
    store.annotate(key, "ann", name="n\0" * 1000, note="m" * 10_000)
    assert store.get_summary(key).name == "n" * 80
    assert len(store.get_summary(key).note) == 2000


def test_a_page_of_the_history_reads_its_index_alone(store):
    """The time itself is measured by tests/bench/list_runs.py."""
    if is_shared(store.engine):
        pytest.skip("Of SQLite's plans: PostgreSQL chooses by how many rows there are.")
    statements = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    for sort in SORT_ORDERS:
        store.list_history("ann", sort=sort)
        page = [statement for statement in statements if "LIMIT" in statement][-1]
        with store.engine.connect() as sql:
            values = ("x",) * page.count("?")
            query_plan = sql.exec_driver_sql(f"EXPLAIN QUERY PLAN {page}", values).all()
        assert "COVERING INDEX ix_runs_history" in str(query_plan)


# --- deletion ---------------------------------------------------------------------------------


def test_a_deleted_run_is_nowhere_until_it_is_restored(store):
    key, other = finish(store), finish(store)
    deleted_at = store.delete([key], "ann")
    assert list_ids(store) == [other]
    assert [run.id for run in store.list_runs("ann")] == [other]
    for get in (store.get_run, store.get_summary):
        with pytest.raises(RunNotFound):
            get(key)
    assert store.restore(deleted_at, "ann") == 1
    assert store.get_run(key).result["test_accuracy"] == 0.5
    assert store.restore(deleted_at, "ann") == 0


def test_deleting_an_unfinished_run_cancels_it(store):
    waiting, running = store.enqueue(PLAN, "ann"), store.enqueue(PLAN, "ann", worker="w")
    deleted_at = store.delete([waiting, running], "ann")
    assert store.claim("worker") is None
    assert store.read_flags(running) == (False, True)
    store.restore(deleted_at, "ann")
    assert store.get_run(waiting).state == CANCELLED


def test_the_runs_of_a_comparison_are_listed_on_demand_and_deleted_with_it(store):
    comparison = store.enqueue(Comparison(data="digits", visitor="ann"), "ann", worker="w")
    part, alone = finish(store, parent_id=comparison), finish(store)
    assert list_ids(store) == [alone, comparison]
    assert list_ids(store, parts=True) == [alone, part, comparison]
    deleted_at = store.delete([comparison], "ann")
    assert list_ids(store, parts=True) == [alone]
    assert store.restore(deleted_at, "ann") == 2
    assert list_ids(store, parts=True) == [alone, part, comparison]


def test_purging_removes_runs_that_can_no_longer_be_restored_with_their_weights(store):
    key, other = finish(store), finish(store)
    for run in (key, other):
        run_dir(run).mkdir(parents=True)
        (run_dir(run) / "head.safetensors").write_bytes(b"weights")
    deleted_at = store.delete([key, other], "ann")
    store.purge_deleted()
    assert store.restore(deleted_at, "ann") == 2  # not yet
    store.delete([key], "ann")
    with store.engine.begin() as sql:
        an_hour_ago = time.time() - UNDO_SECONDS - 1
        sql.execute(update(runs).where(runs.c.id == key).values(deleted_at=an_hour_ago))
    store.purge_deleted()
    assert store.read_events(key) == []
    assert not run_dir(key).exists()
    assert list_ids(store) == [other]
    assert (run_dir(other) / "head.safetensors").exists()
