"""Expiry by age and by size, its order and notice, and the hourly clean-up."""

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
def configure(monkeypatch):
    """Set limits whose notice is over."""

    def configure(**values: float) -> None:
        for key, value in values.items():
            monkeypatch.setenv(variables_of(key)[0], str(value))
        cleanup_lease.get_policy_start()
        with get_store().engine.begin() as sql:
            sql.execute(update(cleanup_leases).values(valid_since=0.0))

    return configure


def add_run(days: float, megabytes: int = 0, *, over: bool = True, parent_id=None, job=None) -> str:
    """Store a run that was created `days` ago, with a model of that size, and return its id."""
    plan = job or Plan(data="digits", approach="transfer", examples_per_class=1)
    run = get_store().enqueue(plan, ANN, worker="test", parent_id=parent_id)
    if over:
        get_store().append(run, [JobCancelled(1.0)])
    with get_store().engine.begin() as sql:
        created_at = time.time() - days * DAY_SECONDS
        sql.execute(update(runs).where(runs.c.id == run).values(created_at=created_at))
    if megabytes:
        run_dir(run).mkdir(parents=True)
        (run_dir(run) / "model.safetensors").write_bytes(bytes(megabytes * MB))
    return run


def exists(run: str) -> bool:
    try:
        return bool(get_store().get_run(run))
    except RunNotFound:
        return False


def has_model(run: str) -> bool:
    return run_dir(run).exists()


def age(path, days: float) -> None:
    """Set when the file was last changed."""
    os.utime(path, (time.time() - days * DAY_SECONDS,) * 2)


def deleted_keys() -> list[str]:
    return [item.key for item in clean_up()]


def wait_until_deleted(run: str) -> None:
    deadline = time.monotonic() + 10
    while exists(run) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(run)


# --- by age ---------------------------------------------------------------------------------------


def test_by_default_nothing_expires(tmp_path):
    add_run(1000, 1)
    own_texts(tmp_path, visitor=ANN)
    assert clean_up() == []


def test_models_expire_before_their_runs(configure):
    configure(keep_models_days=10, keep_runs_days=20)
    young, middle, old = add_run(5, 1), add_run(15, 1), add_run(25, 1)
    assert [(item.kind, item.key) for item in clean_up()] == [("run", old), ("model", middle)]
    assert [exists(run) for run in (young, middle, old)] == [True, True, False]
    assert [has_model(run) for run in (young, middle)] == [True, False]
    assert clean_up() == []


def test_pinned_and_unfinished_runs_stay(configure):
    configure(keep_models_days=1, keep_runs_days=1)
    pinned, working = add_run(100, 1), add_run(100, 1, over=False)
    get_store().pin([pinned], ANN)
    assert clean_up() == []
    assert has_model(pinned)
    assert has_model(working)


def test_a_comparison_expires_with_its_runs_unless_it_is_pinned(configure):
    configure(keep_models_days=1, keep_runs_days=1)
    job = Comparison(data="digits", visitor=ANN)
    old, pinned = add_run(9, job=job), add_run(9, job=job)
    old_part, pinned_part = add_run(9, 1, parent_id=old), add_run(9, 1, parent_id=pinned)
    get_store().pin([pinned], ANN)
    clean_up()
    assert not exists(old)
    assert not exists(old_part)
    assert exists(pinned)
    assert has_model(pinned_part)


def test_a_new_age_setting_takes_effect_after_a_week(monkeypatch):
    monkeypatch.setenv("THAW_KEEP_RUNS_DAYS", "1")
    run = add_run(100, 1)
    assert clean_up() == []
    assert get_expiry_dates(get_store().get_summary(run)).run == pytest.approx(
        time.time() + 7 * DAY_SECONDS, abs=60
    )
    with get_store().engine.begin() as sql:
        sql.execute(update(cleanup_leases).values(valid_since=time.time() - 8 * DAY_SECONDS))
    assert deleted_keys() == [run]


def test_the_announced_dates_are_those_of_the_settings(configure):
    configure(keep_models_days=10, keep_runs_days=20)
    run = add_run(9.99, 1)
    dates = get_expiry_dates(get_store().get_summary(run))
    assert dates.model == pytest.approx(time.time() + 0.01 * DAY_SECONDS, abs=5)
    assert dates.run == pytest.approx(time.time() + 10.01 * DAY_SECONDS, abs=5)
    assert list(list_expired()) == []
    get_store().pin([run], ANN)
    assert get_expiry_dates(get_store().get_summary(run)) == (None, None)


def test_unused_uploads_expire_and_a_run_counts_as_use(configure, tmp_path):
    idle = own_texts(tmp_path / "a", visitor=ANN)
    used, new = (own_texts(tmp_path / name, visitor=ANN) for name in "bc")
    terminal = own_texts(tmp_path / "d", visitor="terminal")
    for key in (idle, used, terminal):
        about = data_dir() / "data" / key.removeprefix("own-") / "about.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"created": 0.0}))
    run = get_store().enqueue(Plan(data=used, approach="simple"), ANN, worker="test")
    get_store().append(run, [JobCancelled(1.0)])
    configure(keep_data_days=10)
    assert [(item.kind, item.key) for item in clean_up()] == [("data", idle)]
    assert {data.key for data in uploads.list_uploads(ANN)} == {used, new}
    assert [data.key for data in uploads.list_uploads("terminal")] == [terminal]


# --- by size --------------------------------------------------------------------------------------


def test_over_the_size_limit_features_go_before_the_oldest_models(configure):
    old, young = add_run(3, 4), add_run(1, 4)
    features = data_dir() / "features"
    features.mkdir()
    for name, days in (("a", 2), ("b", 1)):
        (features / name).write_bytes(bytes(MB))
        age(features / name, days)
    configure(storage_limit_gb=0.0095)
    assert deleted_keys() == [str(features / "a")]
    configure(storage_limit_gb=0.006)
    assert [item.kind for item in clean_up()] == ["features", "model"]
    assert [has_model(run) for run in (old, young)] == [False, True]
    assert exists(old)


def test_without_models_the_oldest_runs_go(configure):
    old, young = add_run(3, 1), add_run(1, 1)
    size = sum(disk_usage.event_bytes().values())
    configure(storage_limit_gb=0.9 * size / 1e9)
    assert [(item.kind, item.key) for item in clean_up()] == [
        ("model", old), ("model", young), ("run", old),
    ]  # fmt: skip
    assert clean_up() == []  # the deleted run counts as freed before it is purged
    assert exists(young)


@pytest.mark.parametrize("hosted", [False, True])
def test_pinned_models_go_last_and_only_in_a_hosted_thaw(configure, monkeypatch, hosted):
    monkeypatch.setenv("THAW_HOSTED", "1" if hosted else "")
    pinned, other = add_run(3, 2), add_run(1, 2)
    get_store().pin([pinned], ANN)
    configure(storage_limit_gb=0.001, keep_models_days=0, keep_runs_days=0)
    models = [item.key for item in list_expired() if item.kind == "model"]
    assert models == ([other, pinned] if hosted else [other])


def test_a_warning_comes_before_the_storage_is_full(configure):
    add_run(1, 9)
    configure(storage_limit_gb=0.01)
    clean_up()
    used, limit = get_storage_warning()
    assert limit == 0.01
    assert used == pytest.approx(0.009, rel=0.01)
    configure(storage_limit_gb=0.02)
    assert get_storage_warning() is None


def test_the_least_recently_used_weights_go_unless_another_program_has_them(
    configure, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name, ours, days in (("one/a", True, 9), ("one/b", True, 5), ("one/c", False, 50)):
        folder = tmp_path / f"models--{name.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "weights").write_bytes(bytes(MB))
        mark = folder / "refs" / ("thaw" if ours else "main")
        mark.write_text("x")
        age(mark, days)
    run = get_store().enqueue(Plan(data="finance", approach="none", backbone="minilm"), ANN)
    with get_store().engine.begin() as sql:  # a run that used the older one
        plan = get_store().get_run(run).job.as_json() | {"backbone": "hf:one/a"}
        sql.execute(update(runs).where(runs.c.id == run).values(job=plan))
    configure(weights_limit_gb=0.0015)
    assert deleted_keys() == [str(tmp_path / "models--one--b")]
    assert (tmp_path / "models--one--c").exists()


# --- lease, thread and leftovers ------------------------------------------------------------------


def test_one_of_several_apps_gets_the_lease_once_an_hour():
    assert [acquire_lease(), acquire_lease()] == [True, False]
    with get_store().engine.begin() as sql:
        sql.execute(update(cleanup_leases).values(expires_at=time.time() - 1))
    assert acquire_lease()


def test_the_thread_cleans_up(configure):
    configure(keep_runs_days=1)
    run = add_run(9)
    with CleanupThread(first_seconds=0.05):
        wait_until_deleted(run)


def test_the_thread_survives_errors(configure, monkeypatch, caplog):
    configure(keep_runs_days=1)
    run = add_run(9)

    def fail(*_):
        raise ValueError("too many values to unpack\nand more")

    monkeypatch.setattr(cleanup.object_store, "retry_pending", fail)
    with CleanupThread(first_seconds=0.05) as cleaner:
        wait_until_deleted(run)
        assert cleaner._thread.is_alive()
    assert "Not all could be tidied up (ValueError: too many values to unpack)." in caplog.text
    assert "and more" not in caplog.text


def test_shutdown_does_not_wait_for_a_slow_object_store(monkeypatch):
    started, release = threading.Event(), threading.Event()

    def block(*_):
        started.set()
        release.wait(10)

    monkeypatch.setattr(cleanup.object_store, "retry_pending", block)
    monkeypatch.setattr(cleanup, "JOIN_TIMEOUT_SECONDS", 0.05)
    try:
        with CleanupThread(first_seconds=0) as cleaner:
            assert started.wait(10)
        assert cleaner._thread.is_alive()
    finally:
        release.set()
    cleaner._thread.join()


def test_data_deleted_meanwhile_is_no_error(monkeypatch):
    expired = [retention.Expiry("data", "own-deleted-meanwhile", 1, "not used for 9 days")]
    monkeypatch.setattr(cleanup, "list_expired", lambda: expired)
    assert clean_up() == expired


def test_folders_without_a_run_go_after_a_day():
    add_run(days=9)
    names = ["lost", "fresh", "of another database"]
    for name, days in zip(names, (2, 0, 99), strict=True):
        folder = data_dir() / "runs" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x")
        age(folder, days)
    assert deleted_keys() == ["lost"]
    assert {folder.name for folder in (data_dir() / "runs").iterdir()} >= {*names[1:]}


def test_a_damaged_database_protects_folders_without_a_run():
    add_run(days=9)
    (data_dir() / "runs" / "lost").mkdir(parents=True)
    age(data_dir() / "runs" / "lost", days=2)
    damaged = data_dir() / "thaw.db.damaged-2026-01-01"
    damaged.touch()
    assert clean_up() == []
    age(damaged, days=8)
    assert deleted_keys() == [str(damaged)]
    assert not damaged.exists()
    assert deleted_keys() == ["lost"]


def test_copies_made_before_an_upgrade_go_after_a_week():
    copies = [data_dir() / f"thaw.db.before-{days}" for days in (6, 8)]
    for copy, days in zip(copies, (6, 8), strict=True):
        copy.touch()
        age(copy, days)
    # PostgreSQL has no such copies.
    expired = [] if get_store().engine.dialect.name == "postgresql" else [str(copies[1])]
    assert deleted_keys() == expired
    assert [str(copy) for copy in copies if not copy.exists()] == expired


def test_drafts_of_killed_processes_go_after_a_day():
    run = add_run(days=9, megabytes=1)
    old, new = (run_dir(run) / name for name in ("standing.safetensors.part", "new.part"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    age(old, days=2)
    assert deleted_keys() == [str(old)]
    assert new.exists()
    assert not old.exists()


def test_the_storage_command_lists_and_deletes_what_has_expired(configure, capsys):
    configure(keep_runs_days=1)
    run = add_run(9, 3)
    assert main(["storage"]) == 0
    output = capsys.readouterr().out
    assert "Models of runs" in output
    assert "3.0 MB" in output
    assert f"Will be deleted: run {run} (3.0 MB), older than 1 days" in output
    assert exists(run)
    assert main(["storage", "--now", "--json"]) == 0
    assert [item["key"] for item in json.loads(capsys.readouterr().out)["deleted"]] == [run]
    assert not exists(run)
    assert measure_disk_usage().models == 0


def test_a_wrong_setting_is_a_short_error(monkeypatch, capsys):
    monkeypatch.setenv("THAW_STORAGE_LIMIT_GB", "much")
    assert main(["storage"]) == 2
    assert "THAW_STORAGE_LIMIT_GB is 'much'" in capsys.readouterr().err
