"""Quotas of a visitor, their messages, and whose data and runs a job may use."""

import time

import pytest
from sqlalchemy import update

from tests.support.own_data import own_texts
from trainers.datasets.uploads import inbox
from trainers.hosting import quotas
from trainers.hosting.quotas import (
    NotOwner,
    QuotaExceeded,
    check_upload_quota,
    enqueue_job,
    new_file,
)
from trainers.jobs import (
    Comparison,
    DataCheck,
    Download,
    Export,
    ForgettingTest,
    ImportData,
    LearningCurve,
)
from trainers.plan import Plan
from trainers.store import QUEUED, get_store
from trainers.store.tables import runs, usage
from trainers.system.paths import run_dir
from trainers.system.settings import variables_of

pytestmark = pytest.mark.usefixtures("database")

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
PLAN = Plan(data="digits", approach="none", examples_per_class=1, seconds=30)
MB = 1024**2


@pytest.fixture
def limit(monkeypatch):
    """Set limits through their environment variables."""

    def limit(**values: object) -> None:
        for key, value in values.items():
            monkeypatch.setenv(variables_of(key)[0], str(value))

    return limit


def finish(run: str, seconds: float) -> None:
    """Mark the run as finished after so many seconds of work."""
    now = time.time()
    with get_store().engine.begin() as sql:
        times = {"state": "finished", "started_at": now - seconds, "finished_at": now}
        sql.execute(update(runs).where(runs.c.id == run).values(times))


def age_usage(seconds: float) -> None:
    """Move all recorded usage into the past."""
    with get_store().engine.begin() as sql:
        sql.execute(update(usage).values(started_at=usage.c.started_at - seconds))


def test_by_default_nothing_is_limited():
    for _ in range(70):
        enqueue_job(PLAN, ANN)
    assert len(get_store().list_runs(ANN, limit=100)) == 70


# --- each limit -----------------------------------------------------------------------------------


def test_runs_per_hour(limit):
    limit(runs_per_hour=2)
    enqueue_job(PLAN, ANN)
    age_usage(1800)
    enqueue_job(Comparison(data="digits", visitor=ANN), ANN)
    enqueue_job(DataCheck(data="digits"), ANN)  # does not count as a run
    with pytest.raises(
        QuotaExceeded, match=r"2 of your runs an hour.*asked for 2.*in (29|30) minutes"
    ):
        enqueue_job(PLAN, ANN)
    enqueue_job(PLAN, BOB)
    age_usage(1801)
    enqueue_job(PLAN, ANN)


def test_deleting_a_run_does_not_give_its_quota_back(limit, monkeypatch):
    limit(runs_per_hour=1)
    run = enqueue_job(PLAN, ANN)
    get_store().delete([run], ANN)
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    get_store().purge_deleted()
    with pytest.raises(QuotaExceeded):
        enqueue_job(PLAN, ANN)


def test_queued_jobs(limit):
    limit(max_queued_jobs=2)
    first = enqueue_job(PLAN, ANN)
    enqueue_job(DataCheck(data="digits"), ANN)
    with pytest.raises(QuotaExceeded, match=r"2 of your jobs may wait at once, and 2 do"):
        enqueue_job(PLAN, ANN)
    enqueue_job(PLAN, BOB)
    assert get_store().claim("test").id == first
    enqueue_job(PLAN, ANN)


def test_training_seconds_count_as_used_once_a_run_is_over(limit):
    limit(training_seconds_per_day=100)
    first = enqueue_job(PLAN, ANN)
    enqueue_job(LearningCurve(data="digits", visitor=ANN, seconds=50), ANN)
    with pytest.raises(QuotaExceeded, match=r"100 seconds? a day|2 minutes a day"):
        enqueue_job(PLAN, ANN)
    finish(first, seconds=3.0)
    enqueue_job(PLAN, ANN)
    with pytest.raises(QuotaExceeded, match=r"fits in"):
        enqueue_job(PLAN, ANN)
    age_usage(24 * 3600 - 120)
    with pytest.raises(QuotaExceeded, match=r"fits in 2 minutes"):
        enqueue_job(PLAN, ANN)
    age_usage(121)
    enqueue_job(PLAN, ANN)


def test_a_run_cancelled_in_the_queue_used_nothing(limit):
    limit(training_seconds_per_day=40)
    run = enqueue_job(PLAN, ANN)
    get_store().request_cancel(run)
    enqueue_job(PLAN, ANN)


def test_a_budget_above_the_daily_limit_is_refused(limit):
    limit(training_seconds_per_day=20)
    with pytest.raises(QuotaExceeded, match="shorter time budget"):
        enqueue_job(PLAN, ANN)


def test_downloads_and_imports_are_no_training(limit):
    limit(training_seconds_per_day=1)
    enqueue_job(Download(key="fashion_mnist"), ANN)
    enqueue_job(ImportData(path="/nowhere", title="x", visitor=ANN), ANN)


def test_uploads_per_day(limit):
    limit(uploads_per_day=2)
    enqueue_job(ImportData(path="/a", title="x", visitor=ANN), ANN)
    enqueue_job(ImportData(path="/a", title="x", visitor=ANN, text_column="b"), ANN)  # the same
    check_upload_quota(ANN)
    with pytest.raises(
        QuotaExceeded, match=r"2 of your uploads a day are taken in, and you made 2\."
    ):
        enqueue_job(ImportData(path="/b", title="x", visitor=ANN), ANN)
    with pytest.raises(QuotaExceeded, match="2 of your uploads"):
        check_upload_quota(ANN)
    check_upload_quota(BOB)


def test_the_disk_quota_counts_data_and_models_and_checks_each_file(limit, tmp_path, monkeypatch):
    monkeypatch.setattr(quotas, "DISK_CACHE_SECONDS", 0)
    limit(disk_mb=3)
    draft = inbox.find_draft(inbox.create_draft(ANN))
    new_file(draft, MB).write_bytes(bytes(MB))
    with pytest.raises(QuotaExceeded, match="3 MB here, and take 0 MB, and this is 4 MB more"):
        new_file(draft, 3 * MB)
    run = enqueue_job(PLAN, ANN)
    run_dir(run).mkdir(parents=True)
    (run_dir(run) / "model.safetensors").write_bytes(bytes(3 * MB))
    assert quotas.measure_visitor_disk_usage(ANN) == 3 * MB
    for attempt in (
        lambda: enqueue_job(PLAN, ANN),
        lambda: new_file(draft, 10),
        lambda: check_upload_quota(ANN),
    ):
        with pytest.raises(QuotaExceeded, match=r"take 3 MB.*as soon as you delete some"):
            attempt()
    enqueue_job(PLAN, BOB)
    own_texts(tmp_path, visitor=BOB)
    assert 0 < quotas.measure_visitor_disk_usage(BOB) < MB


def test_a_new_limit_touches_no_queued_or_running_job(limit):
    queued, running = enqueue_job(PLAN, ANN), enqueue_job(PLAN, ANN)
    get_store().claim("test")
    limit(runs_per_hour=1, max_queued_jobs=1, training_seconds_per_day=1, disk_mb=0.001)
    with pytest.raises(QuotaExceeded):
        enqueue_job(PLAN, ANN)
    assert {get_store().get_run(run).state for run in (queued, running)} == {QUEUED, "running"}
    assert not get_store().get_run(queued).cancel_requested


def test_the_terminal_has_no_limits(limit):
    limit(runs_per_hour=1, max_queued_jobs=1, training_seconds_per_day=1)
    for _ in range(3):
        get_store().enqueue(PLAN, "terminal", worker="terminal")


# --- ownership ------------------------------------------------------------------------------------


@pytest.fixture
def anns_data_and_run(tmp_path):
    data = own_texts(tmp_path, visitor=ANN)
    return data, get_store().enqueue(Plan(data=data, approach="simple"), ANN)


def test_only_the_owner_may_use_data_and_runs(anns_data_and_run):
    data, run = anns_data_and_run
    jobs = [
        Plan(data=data, approach="simple"),
        Comparison(data=data, visitor=BOB),
        LearningCurve(data=data, visitor=BOB),
        DataCheck(data=data),
        Export(key=run, visitor=BOB),
        ForgettingTest(key=run, visitor=BOB),
        ImportData(path="/a", title="x", visitor=BOB, replaced_data=data),
    ]
    for job in jobs:
        with pytest.raises(NotOwner):
            enqueue_job(job, BOB)
        enqueue_job(job, ANN)
