"""What one visitor may start and add, and what they are told."""

import time

import pytest
from sqlalchemy import update

from tests.support.own_data import own_texts
from trainers.datasets.uploads import inbox
from trainers.hosting import quotas
from trainers.hosting.quotas import NotYours, OverLimit, let_in, new_file, start
from trainers.jobs import Checkup, Comparison, Curve, Export, Fetch, Forgot, Reading
from trainers.plan import Plan
from trainers.store import QUEUED, runs, store
from trainers.store.tables import spent
from trainers.system.paths import run_folder
from trainers.system.settings import SETTINGS, BadSetting, checked, setting

pytestmark = pytest.mark.usefixtures("database")

ANN, BOB = "ann-the-visitor-1", "bob-the-visitor-2"
PLAN = Plan(data="digits", approach="none", per_class=1, seconds=30)
MB = 1024**2


@pytest.fixture
def limit(monkeypatch):
    """Sets limits by their variables."""

    def set_(**values: object) -> None:
        for key, value in values.items():
            monkeypatch.setenv(SETTINGS[key].variable, str(value))

    return set_


def ended(run: str, seconds: float) -> None:
    """The run was claimed, and was over so many seconds later."""
    now = time.time()
    with store().engine.begin() as sql:
        times = {"state": "finished", "claimed": now - seconds, "ended": now}
        sql.execute(update(runs).where(runs.c.id == run).values(times))


def ago(seconds: float) -> None:
    """All that was noted was so long ago."""
    with store().engine.begin() as sql:
        sql.execute(update(spent).values(at=spent.c.at - seconds))


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", SETTINGS)
def test_each_setting_is_a_number_of_the_environment(key, monkeypatch):
    name = SETTINGS[key].variable
    assert setting(key) == SETTINGS[key].own
    monkeypatch.setenv("THAW_HOSTED", "1")
    assert setting(key) == SETTINGS[key].hosted > 0
    monkeypatch.setenv(name, "1.5")
    assert setting(key) == 1.5
    monkeypatch.setenv(name, "0")
    assert setting(key) == 0
    for nonsense in ("many", "-1", "nan", "inf"):
        monkeypatch.setenv(name, nonsense)
        with pytest.raises(BadSetting, match=name):
            checked()


def test_every_setting_is_in_the_table_of_the_module():
    from trainers.system import settings

    rows = [line.split("|")[1:-1] for line in settings.__doc__.splitlines() if "| THAW" in line]
    told = {name.strip(): (float(hosted), float(own)) for name, _, hosted, own in rows}
    assert told == {row.variable: (row.hosted, row.own) for row in SETTINGS.values()}


def test_on_ones_own_computer_nothing_is_limited():
    for _ in range(70):
        start(PLAN, ANN)
    assert len(store().of_visitor(ANN, limit=100)) == 70


# --- each limit -----------------------------------------------------------------------------------


def test_runs_an_hour(limit):
    limit(runs_an_hour=2)
    start(PLAN, ANN)
    ago(1800)
    start(Comparison(data="digits", visitor=ANN), ANN)
    start(Checkup(data="digits"), ANN)  # no run
    with pytest.raises(OverLimit, match=r"2 of your runs an hour.*asked for 2.*in (29|30) minutes"):
        start(PLAN, ANN)
    start(PLAN, BOB)
    ago(1801)
    start(PLAN, ANN)


def test_deleting_gives_no_run_back(limit, monkeypatch):
    limit(runs_an_hour=1)
    run = start(PLAN, ANN)
    store().delete([run], ANN)
    monkeypatch.setattr("trainers.store.UNDO_SECONDS", -1)
    store().sweep()
    with pytest.raises(OverLimit):
        start(PLAN, ANN)


def test_what_waits_at_once(limit):
    limit(waiting=2)
    first = start(PLAN, ANN)
    start(Checkup(data="digits"), ANN)
    with pytest.raises(OverLimit, match=r"2 of your jobs may wait at once, and 2 do"):
        start(PLAN, ANN)
    start(PLAN, BOB)
    assert store().claim("test").id == first
    start(PLAN, ANN)


def test_seconds_of_training_count_what_was_used_not_what_was_asked(limit):
    limit(seconds_a_day=100)
    first = start(PLAN, ANN)
    start(Curve(data="digits", visitor=ANN, seconds=50), ANN)
    with pytest.raises(OverLimit, match=r"100 seconds? a day|2 minutes a day"):
        start(PLAN, ANN)
    ended(first, seconds=3.0)
    start(PLAN, ANN)
    with pytest.raises(OverLimit, match=r"fits in"):
        start(PLAN, ANN)
    ago(24 * 3600 - 120)
    with pytest.raises(OverLimit, match=r"fits in 2 minutes"):
        start(PLAN, ANN)
    ago(121)
    start(PLAN, ANN)


def test_a_run_that_was_never_claimed_used_nothing(limit):
    limit(seconds_a_day=40)
    run = start(PLAN, ANN)
    store().cancel(run)
    start(PLAN, ANN)


def test_more_than_a_day_allows_is_told_to_ask_for_less(limit):
    limit(seconds_a_day=20)
    with pytest.raises(OverLimit, match="shorter time budget"):
        start(PLAN, ANN)


def test_a_download_and_a_reading_are_no_training(limit):
    limit(seconds_a_day=1)
    start(Fetch(key="fashion_mnist"), ANN)
    start(Reading(path="/nowhere", title="x", visitor=ANN), ANN)


def test_uploads_a_day(limit):
    limit(uploads_a_day=2)
    start(Reading(path="/a", title="x", visitor=ANN), ANN)
    start(Reading(path="/a", title="x", visitor=ANN, text_column="b"), ANN)  # the same once more
    let_in(ANN)
    with pytest.raises(OverLimit, match=r"2 of your uploads a day are taken in, and you made 2\."):
        start(Reading(path="/b", title="x", visitor=ANN), ANN)
    with pytest.raises(OverLimit, match="2 of your uploads"):
        let_in(ANN)
    let_in(BOB)


def test_disk_counts_data_and_models_and_refuses_file_by_file(limit, tmp_path, monkeypatch):
    monkeypatch.setattr(quotas, "LOOK_SECONDS", 0)
    limit(disk_mb=3)
    place = inbox.draft(inbox.new_draft(ANN))
    new_file(place, MB).write_bytes(bytes(MB))
    with pytest.raises(OverLimit, match="3 MB here, and take 0 MB, and this is 4 MB more"):
        new_file(place, 3 * MB)
    run = start(PLAN, ANN)
    run_folder(run).mkdir(parents=True)
    (run_folder(run) / "model.safetensors").write_bytes(bytes(3 * MB))
    assert quotas.disk_of(ANN) == 3 * MB
    for refused in (lambda: start(PLAN, ANN), lambda: new_file(place, 10), lambda: let_in(ANN)):
        with pytest.raises(OverLimit, match=r"take 3 MB.*as soon as you delete some"):
            refused()
    start(PLAN, BOB)
    own_texts(tmp_path, visitor=BOB)
    assert 0 < quotas.disk_of(BOB) < MB


def test_nothing_that_runs_or_waits_is_touched(limit):
    waiting, running = start(PLAN, ANN), start(PLAN, ANN)
    store().claim("test")
    limit(runs_an_hour=1, waiting=1, seconds_a_day=1, disk_mb=0.001)
    with pytest.raises(OverLimit):
        start(PLAN, ANN)
    assert {store().find(run).state for run in (waiting, running)} == {QUEUED, "running"}
    assert not store().find(waiting).cancel


def test_a_terminal_has_no_limits(limit):
    limit(runs_an_hour=1, waiting=1, seconds_a_day=1)
    for _ in range(3):
        store().start(PLAN, "terminal", worker="terminal")


# --- whose it is ----------------------------------------------------------------------------------


@pytest.fixture
def anns(tmp_path):
    """Ann's data, and her run on it."""
    data = own_texts(tmp_path, visitor=ANN)
    return data, store().start(Plan(data=data, approach="simple"), ANN)


def test_what_is_somebody_elses_cannot_be_used(anns):
    data, run = anns
    jobs = [
        Plan(data=data, approach="simple"),
        Comparison(data=data, visitor=BOB),
        Curve(data=data, visitor=BOB),
        Checkup(data=data),
        Export(key=run, visitor=BOB),
        Forgot(key=run, visitor=BOB),
        Reading(path="/a", title="x", visitor=BOB, replaces=data),
    ]
    for job in jobs:
        with pytest.raises(NotYours):
            start(job, BOB)
        start(job, ANN)
