"""How long things are kept, what goes first, and that it is said beforehand."""

import json
import os
import threading
import time

import pytest
from sqlalchemy import update

from tests.support.own_data import own_texts
from trainers.__main__ import main
from trainers.datasets import uploads
from trainers.events import JobCancelled
from trainers.hosting import cleanup, cleanup_lease, disk_usage, retention
from trainers.hosting.cleanup import CleanupThread, clean_up
from trainers.hosting.cleanup_lease import acquire_lease
from trainers.hosting.disk_usage import get_storage_warning, measure_disk_usage
from trainers.hosting.retention import DAY_SECONDS, get_expiry_dates, list_expired
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.store import RunNotFound, get_store
from trainers.store.tables import cleanup_leases, runs
from trainers.system.paths import data_dir, run_dir
from trainers.system.settings import variables_of

pytestmark = pytest.mark.usefixtures("database")

ANN = "ann-the-visitor-1"
MB = 10**6


@pytest.fixture
def set_(monkeypatch):
    """Sets ages and sizes, which were set long ago."""

    def set_(**values: float) -> None:
        for key, value in values.items():
            monkeypatch.setenv(variables_of(key)[0], str(value))
        cleanup_lease.get_policy_start()
        with get_store().engine.begin() as sql:
            sql.execute(update(cleanup_leases).values(valid_since=0.0))

    return set_


def ran(days: float, megabytes: int = 0, *, over: bool = True, parent_id=None, job=None) -> str:
    """A run of so many days ago, with a model of that size."""
    plan = job or Plan(data="digits", approach="transfer", examples_per_class=1)
    run = get_store().enqueue(plan, ANN, worker="test", parent_id=parent_id)
    if over:
        get_store().append(run, [JobCancelled(1.0)])
    with get_store().engine.begin() as sql:
        at = time.time() - days * DAY_SECONDS
        sql.execute(update(runs).where(runs.c.id == run).values(created_at=at))
    if megabytes:
        run_dir(run).mkdir(parents=True)
        (run_dir(run) / "model.safetensors").write_bytes(bytes(megabytes * MB))
    return run


def is_there(run: str) -> bool:
    try:
        return bool(get_store().get_run(run))
    except RunNotFound:
        return False


def has_model(run: str) -> bool:
    return run_dir(run).exists()


# --- by age ---------------------------------------------------------------------------------------


def test_by_default_nothing_goes_on_ones_own_computer(tmp_path):
    ran(1000, 1)
    own_texts(tmp_path, visitor=ANN)
    assert clean_up() == []


def test_a_model_goes_first_then_its_run(set_):
    set_(keep_models_days=10, keep_runs_days=20)
    young, middle, old = ran(5, 1), ran(15, 1), ran(25, 1)
    assert [(one.kind, one.key) for one in clean_up()] == [("run", old), ("model", middle)]
    assert [is_there(run) for run in (young, middle, old)] == [True, True, False]
    assert [has_model(run) for run in (young, middle)] == [True, False]
    assert clean_up() == []


def test_what_is_pinned_works_or_waits_stays(set_):
    set_(keep_models_days=1, keep_runs_days=1)
    pinned, working = ran(100, 1), ran(100, 1, over=False)
    get_store().pin([pinned], ANN)
    assert clean_up() == []
    assert has_model(pinned)
    assert has_model(working)


def test_a_comparison_goes_with_its_runs_and_a_pin_on_it_spares_them(set_):
    set_(keep_models_days=1, keep_runs_days=1)
    job = Comparison(data="digits", visitor=ANN)
    whole, spared = ran(9, job=job), ran(9, job=job)
    part, other = ran(9, 1, parent_id=whole), ran(9, 1, parent_id=spared)
    get_store().pin([spared], ANN)
    clean_up()
    assert [is_there(run) for run in (whole, part, spared, other)] == [False, False, True, True]
    assert has_model(other)


def test_ages_that_were_set_just_now_hold_a_week_later(monkeypatch):
    monkeypatch.setenv("THAW_KEEP_RUNS_DAYS", "1")
    run = ran(100, 1)
    assert clean_up() == []
    assert get_expiry_dates(get_store().get_summary(run)).run == pytest.approx(
        time.time() + 7 * DAY_SECONDS, abs=60
    )
    with get_store().engine.begin() as sql:
        sql.execute(update(cleanup_leases).values(valid_since=time.time() - 8 * DAY_SECONDS))
    assert [one.key for one in clean_up()] == [run]


def test_what_a_row_says_is_when_it_goes(set_):
    set_(keep_models_days=10, keep_runs_days=20)
    run = ran(9.99, 1)
    ends = get_expiry_dates(get_store().get_summary(run))
    assert ends.model == pytest.approx(time.time() + 0.01 * DAY_SECONDS, abs=5)
    assert ends.run == pytest.approx(time.time() + 10.01 * DAY_SECONDS, abs=5)
    assert list(list_expired()) == []
    get_store().pin([run], ANN)
    assert get_expiry_dates(get_store().get_summary(run)) == (None, None)


def test_data_that_nobody_uses_goes_and_a_run_is_use(set_, tmp_path):
    idle = own_texts(tmp_path / "a", visitor=ANN)
    used, mine = (own_texts(tmp_path / name, visitor=ANN) for name in "bc")
    terminal = own_texts(tmp_path / "d", visitor="terminal")
    for key in (idle, used, terminal):
        about = data_dir() / "data" / key.removeprefix("own-") / "about.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"created": 0.0}))
    run = get_store().enqueue(Plan(data=used, approach="simple"), ANN, worker="test")
    get_store().append(run, [JobCancelled(1.0)])
    set_(keep_data_days=10)
    assert [(one.kind, one.key) for one in clean_up()] == [("data", idle)]
    assert {one.key for one in uploads.list_uploads(ANN)} == {used, mine}
    assert [one.key for one in uploads.list_uploads("terminal")] == [terminal]


# --- by size --------------------------------------------------------------------------------------


def test_features_go_first_then_the_oldest_models_then_nothing_more(set_):
    old, young = ran(3, 4), ran(1, 4)
    features = data_dir() / "features"
    features.mkdir()
    for name, days in (("a", 2), ("b", 1)):
        (features / name).write_bytes(bytes(MB))
        os.utime(features / name, (time.time() - days * DAY_SECONDS,) * 2)
    set_(storage_limit_gb=0.0095)
    assert [one.key for one in clean_up()] == [str(features / "a")]
    set_(storage_limit_gb=0.006)
    assert [one.kind for one in clean_up()] == ["features", "model"]
    assert [has_model(run) for run in (old, young)] == [False, True]
    assert is_there(old)


def test_when_models_are_not_enough_the_oldest_runs_go(set_):
    old, young = ran(3, 1), ran(1, 1)
    size = sum(disk_usage.event_bytes().values())
    set_(storage_limit_gb=0.9 * size / 1e9)
    assert [(one.kind, one.key) for one in clean_up()] == [
        ("model", old), ("model", young), ("run", old),
    ]  # fmt: skip
    assert clean_up() == []  # it is deleted, if not yet swept: nothing goes in its place
    assert is_there(young)


@pytest.mark.parametrize("hosted", [False, True])
def test_what_is_pinned_goes_by_size_only_where_it_is_hosted_and_last(set_, monkeypatch, hosted):
    monkeypatch.setenv("THAW_HOSTED", "1" if hosted else "")
    pinned, other = ran(3, 2), ran(1, 2)
    get_store().pin([pinned], ANN)
    set_(storage_limit_gb=0.001, keep_models_days=0, keep_runs_days=0)
    models = [one.key for one in list_expired() if one.kind == "model"]
    assert models == ([other, pinned] if hosted else [other])


def test_it_is_said_before_it_is_full(set_):
    ran(1, 9)
    set_(storage_limit_gb=0.01)
    clean_up()
    taken, most = get_storage_warning()
    assert most == 0.01
    assert taken == pytest.approx(0.009, rel=0.01)
    set_(storage_limit_gb=0.02)
    assert get_storage_warning() is None


def test_weights_go_by_least_recent_use_and_only_ours(set_, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name, ours, days in (("one/a", True, 9), ("one/b", True, 5), ("one/c", False, 50)):
        place = tmp_path / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "weights").write_bytes(bytes(MB))
        mark = place / "refs" / ("thaw" if ours else "main")
        mark.write_text("x")
        os.utime(mark, (time.time() - days * DAY_SECONDS,) * 2)
    run = get_store().enqueue(Plan(data="finance", approach="none", backbone="minilm"), ANN)
    with get_store().engine.begin() as sql:  # a run that used the older one
        plan = get_store().get_run(run).job.as_json() | {"backbone": "hf:one/a"}
        sql.execute(update(runs).where(runs.c.id == run).values(job=plan))
    set_(weights_limit_gb=0.0015)
    assert [one.key for one in clean_up()] == [str(tmp_path / "models--one--b")]
    assert (tmp_path / "models--one--c").exists()


# --- whose turn, and what is left over ------------------------------------------------------------


def test_of_several_apps_one_tidies_once_an_hour():
    assert [acquire_lease(), acquire_lease()] == [True, False]
    with get_store().engine.begin() as sql:
        sql.execute(update(cleanup_leases).values(expires_at=time.time() - 1))
    assert acquire_lease()


def test_it_is_done_while_the_app_lives(set_):
    set_(keep_runs_days=1)
    run = ran(9)
    with CleanupThread(first_seconds=0.05):
        until_ = time.monotonic() + 10
        while is_there(run) and time.monotonic() < until_:
            time.sleep(0.02)
    assert not is_there(run)


def test_it_outlives_whatever_goes_wrong(set_, monkeypatch, caplog):
    set_(keep_runs_days=1)
    run = ran(9)

    def again(*_):
        raise ValueError("too many values to unpack\nand more")

    monkeypatch.setattr(cleanup.object_store, "retry_pending", again)
    with CleanupThread(first_seconds=0.05) as tidying_:
        until_ = time.monotonic() + 10
        while is_there(run) and time.monotonic() < until_:
            time.sleep(0.02)
        assert tidying_._thread.is_alive()
    assert not is_there(run)
    assert "Not all could be tidied up (ValueError: too many values to unpack)." in caplog.text
    assert "and more" not in caplog.text


def test_the_end_of_the_app_does_not_wait_for_a_place_that_is_slow(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def again(*_):
        begun.set()
        go_on.wait(10)

    monkeypatch.setattr(cleanup.object_store, "retry_pending", again)
    monkeypatch.setattr(cleanup, "JOIN_TIMEOUT_SECONDS", 0.05, raising=False)
    try:
        with CleanupThread(first_seconds=0) as tidying_:
            assert begun.wait(10)
        assert tidying_._thread.is_alive()
    finally:
        go_on.set()
    tidying_._thread.join()


def test_data_that_is_deleted_meanwhile_is_no_reason_to_stop(monkeypatch):
    gone = [retention.Expiry("data", "own-deleted-meanwhile", 1, "not used for 9 days")]
    monkeypatch.setattr(cleanup, "list_expired", lambda: gone)
    assert clean_up() == gone


def test_a_folder_of_no_run_goes_after_a_day():
    ran(days=9)
    names = ["lost", "fresh", "of another database"]
    for name, days in zip(names, (2, 0, 99), strict=True):
        (data_dir() / "runs" / name).mkdir(parents=True)
        (data_dir() / "runs" / name / "model.safetensors").write_bytes(b"x")
        os.utime(data_dir() / "runs" / name, (time.time() - days * DAY_SECONDS,) * 2)
    assert [one.key for one in clean_up()] == ["lost"]
    assert {place.name for place in (data_dir() / "runs").iterdir()} >= {*names[1:]}


def test_models_stay_as_long_as_a_damaged_database_may_name_them():
    ran(days=9)
    (data_dir() / "runs" / "lost").mkdir(parents=True)
    os.utime(data_dir() / "runs" / "lost", (time.time() - 2 * DAY_SECONDS,) * 2)
    aside = data_dir() / "thaw.db.damaged-2026-01-01"
    aside.touch()
    assert clean_up() == []
    os.utime(aside, (time.time() - 8 * DAY_SECONDS,) * 2)
    assert [one.key for one in clean_up()] == [str(aside)]
    assert not aside.exists()
    assert [one.key for one in clean_up()] == ["lost"]


def test_the_copy_that_an_upgrade_kept_goes_after_a_week():
    copies = [data_dir() / f"thaw.db.before-{days}" for days in (6, 8)]
    for copy, days in zip(copies, (6, 8), strict=True):
        copy.touch()
        os.utime(copy, (time.time() - days * DAY_SECONDS,) * 2)
    # Who runs a PostgreSQL has backups of their own.
    gone = [] if get_store().engine.dialect.name == "postgresql" else [str(copies[1])]
    assert [one.key for one in clean_up()] == gone
    assert [str(copy) for copy in copies if not copy.exists()] == gone


def test_what_a_killed_process_left_half_written_goes_after_a_day():
    run = ran(days=9, megabytes=1)
    left, now = (run_dir(run) / name for name in ("standing.safetensors.part", "new.part"))
    for draft in (left, now):
        draft.write_bytes(b"half")
    os.utime(left, (time.time() - 2 * DAY_SECONDS,) * 2)
    assert [one.key for one in clean_up()] == [str(left)]
    assert now.exists()
    assert not left.exists()


def test_the_terminal_says_what_would_go_and_does_it_when_told(set_, capsys):
    set_(keep_runs_days=1)
    run = ran(9, 3)
    assert main(["storage"]) == 0
    told = capsys.readouterr().out
    assert "Models of runs" in told
    assert "3.0 MB" in told
    assert f"Will be deleted: run {run} (3.0 MB), older than 1 days" in told
    assert is_there(run)
    assert main(["storage", "--now", "--json"]) == 0
    assert [one["key"] for one in json.loads(capsys.readouterr().out)["deleted"]] == [run]
    assert not is_there(run)
    assert measure_disk_usage().models == 0


def test_a_wrong_setting_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("THAW_STORAGE_LIMIT_GB", "much")
    assert main(["storage"]) == 2
    assert "THAW_STORAGE_LIMIT_GB is 'much'" in capsys.readouterr().err
