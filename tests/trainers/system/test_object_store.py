"""Models and data that several computers share: whole or not at all, and deleted is deleted."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.own_data import own_texts
from trainers import store as store_module
from trainers.datasets import uploads
from trainers.datasets.uploads import dataset, inbox
from trainers.datasets.uploads.limits import BadUpload
from trainers.events import JobDone, Notice, RunFinished
from trainers.export.saved_model import load_model
from trainers.hosting import erase, retention
from trainers.jobs import ImportData
from trainers.plan import Plan
from trainers.store import FINISHED, get_store, runs
from trainers.system import object_store
from trainers.system.paths import bundle_path, data_dir, run_dir
from trainers.system.registry import UnknownKey
from trainers.training.run import run as run_plan
from trainers.workers.execute import execute

ANN = "ann-the-visitor-1"


@pytest.fixture(params=["file", "memory", "s3"])
def shared(request, tmp_path, monkeypatch):
    """The address where things are shared."""
    known = {"file": f"file://{tmp_path}/shared", "memory": "memory://shared"}
    address = known.get(request.param) or request.getfixturevalue("s3")
    monkeypatch.setenv("THAW_ARTIFACT_URL", address)
    object_store._missing_since.clear()
    yield address
    files = fsspec.filesystem("memory")
    if files.exists("/shared"):
        files.rm("/shared", recursive=True)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Goes to another computer, and back."""
    here = str(data_dir())

    def go(back: bool = False) -> None:
        monkeypatch.setenv("THAW_HOME", here if back else str(tmp_path / "other"))
        object_store._missing_since.clear()
        object_store._refreshed_at.clear()

    return go


def there(address: str) -> list[str]:
    files, root = fsspec.url_to_fs(address, use_listings_cache=False)
    found = files.find(root) if files.exists(root) else []
    return sorted(one for one in found if not one.endswith(object_store.MARKER))


def modelled(run: str = "a-run") -> Path:
    with suppress(IntegrityError):  # it has its row
        get_store().import_run(
            run, Plan(data="digits", approach="none"), ANN, [], created=0, ended=1
        )
    folder = run_dir(run)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    (folder / "words.json").write_text('["a word"]')
    (folder / "take-away.zip").write_bytes(b"packed")
    return folder


def test_another_computer_finds_what_was_put(shared, elsewhere):
    folder = modelled()
    object_store.upload("runs", "a-run")
    told = {file.name: file.read_bytes() for file in folder.iterdir()}
    elsewhere()
    assert not run_dir("a-run").exists()
    found = object_store.fetch_run_dir("a-run")
    assert found != folder
    assert {file.name: file.read_bytes() for file in found.iterdir()} | {
        "take-away.zip": b"packed"
    } == told


def test_without_an_address_nothing_is_put(monkeypatch):
    modelled()
    object_store.upload("runs", "a-run")
    assert not (data_dir() / "artifacts").exists()
    assert not object_store.download("runs", "a-run")


def test_without_its_manifest_nothing_is_there(shared, elsewhere):
    modelled()
    object_store.upload("runs", "a-run")
    files, root = fsspec.url_to_fs(shared)
    files.rm_file(f"{root}/runs/a-run/manifest.json")
    elsewhere()
    assert list(object_store.fetch_run_dir("a-run").parent.glob("*")) == []


def test_what_is_damaged_is_not_taken_for_a_model(shared, elsewhere, caplog):
    modelled()
    object_store.upload("runs", "a-run")
    files, root = fsspec.url_to_fs(shared)
    facts = json.loads(files.cat_file(f"{root}/runs/a-run/manifest.json"))["model.safetensors"]
    files.pipe_file(f"{root}/runs/a-run/{facts['sha256']}", b"other weights")
    elsewhere()
    folder = object_store.fetch_run_dir("a-run")
    assert not (folder / "model.safetensors").exists()
    assert "is damaged" in caplog.text


def test_threads_that_want_the_same_bring_it_once(tmp_path, monkeypatch, elsewhere, caplog):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    modelled()
    object_store.upload("runs", "a-run")
    elsewhere()
    files, _ = object_store._open_filesystem(object_store.storage_url())
    brought, get_file = [], files.get_file

    def slowly(there, draft):
        brought.append(draft)
        time.sleep(0.05)
        get_file(there, draft)

    monkeypatch.setattr(files, "get_file", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: object_store.download("runs", "a-run"), range(4)))
    assert len(brought) == 2  # two files
    assert caplog.text == ""
    assert not object_store._download_locks  # nothing is kept of each that was ever asked for


def test_a_name_that_leads_out_of_the_folder_is_refused(shared, elsewhere, caplog):
    modelled()
    object_store.upload("runs", "a-run")
    files, root = fsspec.url_to_fs(shared)
    place = f"{root}/runs/a-run/manifest.json"
    facts = json.loads(files.cat_file(place))
    files.pipe_file(place, json.dumps({"../../evil": facts["words.json"]}).encode())
    elsewhere()
    assert not object_store.download("runs", "a-run")
    assert not list(data_dir().rglob("evil"))


def test_what_cannot_be_reached_is_tried_again(tmp_path, monkeypatch, elsewhere, caplog):
    wall = tmp_path / "wall"
    wall.write_text("no folder")
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{wall}/shared")
    modelled()
    object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    wall.unlink()
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    elsewhere()
    assert (object_store.fetch_run_dir("a-run") / "model.safetensors").exists()


def test_a_draft_among_the_notes_and_one_that_vanished_hinder_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    notes = data_dir() / "artifacts"
    notes.mkdir()
    for name in ("runs.a-run.json.4242.part", "put.runs.a-run", "put.runs.b-run"):
        (notes / name).touch()
    done = []

    def put(kind, key):
        done.append(key)
        (notes / "put.runs.b-run").unlink()

    monkeypatch.setattr(object_store, "_upload", put)
    object_store.retry_pending()
    assert done == ["a-run"]
    left = [file.name for file in notes.iterdir() if not file.name.startswith("lock.")]
    assert left == ["runs.a-run.json.4242.part"]


def away(monkeypatch, is_away: bool = True) -> None:
    monkeypatch.setattr(object_store, "_is_unavailable", lambda: is_away)


def test_what_waits_does_not_outlive_the_run_that_another_server_ends(
    shared, elsewhere, monkeypatch
):
    modelled()
    away(monkeypatch)
    object_store.upload("runs", "a-run")
    elsewhere()
    away(monkeypatch, False)
    object_store.delete_run("a-run")
    with get_store().engine.begin() as sql:
        sql.execute(runs.delete())
    elsewhere(back=True)
    assert object_store.is_pending("runs", "a-run")
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    assert there(shared) == []


def test_nor_does_what_is_on_its_way(shared, monkeypatch):
    modelled()

    def write(*what):
        written(*what)
        with get_store().engine.begin() as sql:
            sql.execute(runs.delete())

    written = object_store._write_manifest
    monkeypatch.setattr(object_store, "_write_manifest", write)
    object_store.upload("runs", "a-run")
    assert there(shared) == []


def test_what_changes_on_its_way_goes_once_more(shared, monkeypatch):
    folder = modelled()

    def write(*what):
        (folder / "words.json").write_text('["another"]')
        object_store.upload("runs", "a-run")
        written(*what)

    written = object_store._write_manifest
    monkeypatch.setattr(object_store, "_write_manifest", write)
    monkeypatch.setattr(object_store, "LOCK_TIMEOUT_SECONDS", 0)
    object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    monkeypatch.setattr(object_store, "_write_manifest", written)
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    files, root = fsspec.url_to_fs(shared, use_listings_cache=False)
    assert any(b"another" in files.cat_file(one) for one in files.find(f"{root}/runs/a-run"))


def test_what_is_still_to_be_removed_does_not_come_back(shared, monkeypatch):
    modelled()
    object_store.upload("runs", "a-run")
    away(monkeypatch)
    object_store.delete_run("a-run")
    away(monkeypatch, False)
    assert not (object_store.fetch_run_dir("a-run") / "model.safetensors").exists()
    object_store.retry_pending()
    assert there(shared) == []


def test_what_was_removed_while_nothing_could_be_reached_goes_later(tmp_path, monkeypatch):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    modelled()
    object_store.upload("runs", "a-run")
    (tmp_path / "shared").rename(tmp_path / "away")
    (tmp_path / "shared").write_text("no folder")
    monkeypatch.setattr(object_store, "_delete", broken(object_store._delete, tmp_path / "shared"))
    object_store.delete_run("a-run")
    (tmp_path / "shared").unlink()
    (tmp_path / "away").rename(tmp_path / "shared")
    object_store.retry_pending()
    assert there(f"file://{tmp_path}/shared") == []


def broken(what, place):
    def does(kind, key):
        if place.is_file():
            raise OSError("away")
        what(kind, key)

    return does


def test_a_run_is_put_when_it_has_ended_and_its_model_answers_elsewhere(shared, elsewhere, toy):
    plan = Plan(data="colours", approach="fine_tune", seconds=5)
    key = get_store().enqueue(plan, ANN, worker="here")
    list(execute(get_store(), key, plan, run_plan, run_dir(key)))
    assert get_store().get_run(key).state == FINISHED
    found = get_store().get_run(key)
    elsewhere()
    assert load_model(found)
    assert (run_dir(key) / "model.safetensors").exists()


def test_where_nothing_can_be_reached_a_run_finishes_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "wall").write_text("no folder")
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/wall/shared")
    plan = Plan(data="digits", approach="transfer")
    key = get_store().enqueue(plan, ANN, worker="here")
    modelled(key)
    list(execute(get_store(), key, plan, told_of(), run_dir(key)))
    assert get_store().get_run(key).state == FINISHED
    assert object_store.is_pending("runs", key)


def told_of():
    def runner(plan, *, should_stop, folder):
        yield Notice("at work", 0.1)
        yield RunFinished(
            "transfer", "digits", "small_resnet", ["a", "b"], 50, 60, 30, 0.5, 0.4, 0.6, 0.5,
            [[30, 0], [0, 30]], 1.0, 90, 990, 12.0, False, {}, 1, 1,
        )  # fmt: skip

    return runner


def test_a_deleted_run_goes_there_too_once_it_cannot_come_back(shared, elsewhere, monkeypatch):
    key = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    modelled(key)
    object_store.upload("runs", key)
    undo = get_store().delete([key], ANN)
    get_store().purge_deleted()
    assert there(shared)
    get_store().restore(undo, ANN)
    assert there(shared)
    get_store().delete([key], ANN)
    monkeypatch.setattr(store_module, "UNDO_SECONDS", -1)
    get_store().purge_deleted()
    assert there(shared) == []


def test_a_copy_that_makes_room_is_still_there_and_comes_back(shared, monkeypatch):
    key = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    get_store().request_cancel(key)
    folder = modelled(key)
    object_store.upload("runs", key)
    monkeypatch.setenv("THAW_STORAGE_LIMIT_GB", "0.000001")
    assert [one.kind for one in retention.clean_up()][:1] == ["model"]
    assert not folder.exists()
    object_store.refresh_all()
    assert not folder.exists()
    assert (object_store.fetch_run_dir(key) / "model.safetensors").exists()


def test_a_share_that_is_not_mounted_deletes_nothing_and_is_not_made(tmp_path, monkeypatch, caplog):
    shared = tmp_path / "shared"
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{shared}")
    folder = modelled()
    object_store.upload("runs", "a-run")
    shared.rename(tmp_path / "unmounted")
    for empty in (False, True):  # a place to mount is often an empty folder
        if empty:
            shared.mkdir()
        monkeypatch.setattr(object_store, "_failed_at", {})
        object_store.refresh_all()
        assert (folder / "model.safetensors").exists()
        monkeypatch.setattr(object_store, "_failed_at", {})
        object_store.upload("runs", "a-run")
        assert object_store.is_pending("runs", "a-run")
        assert not shared.exists() or not [*shared.iterdir()]
        (data_dir() / "artifacts" / "put.runs.a-run").unlink()
    assert "if it is the right place, make one" in caplog.text
    monkeypatch.setattr(object_store, "_failed_at", {})
    object_store.delete("runs", "a-run")
    shared.rmdir()
    (tmp_path / "unmounted").rename(shared)
    object_store.retry_pending()
    assert there(f"file://{shared}") == []


def test_another_address_says_nothing_of_what_came_from_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    folder = modelled()
    object_store.upload("runs", "a-run")
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/mistyped")
    object_store.refresh_all()
    assert (folder / "model.safetensors").exists()


def test_own_data_is_used_elsewhere_until_it_is_deleted(shared, elsewhere, tmp_path):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    elsewhere()
    assert uploads.get_upload(key).visitor == ANN
    assert len(uploads.get_upload(key).load_splits(None, 0, ()).train)
    elsewhere(back=True)
    erase.erase_data(key)
    elsewhere()
    object_store.refresh_all()
    assert uploads.get_upload(key).classes == 0  # that it is gone is said to runs on it
    everywhere = [file for file in tmp_path.rglob("*") if file.is_file() and "home" in str(file)]
    everywhere += [file for file in (tmp_path / "other").rglob("*") if file.is_file()]
    assert not [file for file in everywhere if b"MARK-OF-DATA" in file.read_bytes()]
    files, root = fsspec.url_to_fs(shared)
    assert not [one for one in files.find(root) if b"MARK-OF-DATA" in files.cat_file(one)]


@pytest.mark.parametrize("end", [erase.erase_data, lambda _: erase.erase_visitor(ANN)])
def test_own_data_that_is_deleted_elsewhere_leaves_nothing_here(tmp_path, monkeypatch, end):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    here = str(data_dir())
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "first"))
    key = own_texts(tmp_path / "a", ANN)
    monkeypatch.setenv("THAW_HOME", here)
    draft = inbox.create_draft(ANN)
    dataset.dataset_dir(key)
    about = data_dir() / "data" / key.removeprefix("own-") / "about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"draft": draft}))
    run = get_store().enqueue(Plan(data=key, approach="transfer"), "bob-the-visitor-2")
    features = data_dir() / "features" / key / "a.npy"
    for file in (features, bundle_path(run)):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"of its examples")
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "first"))
    end(key)
    monkeypatch.setenv("THAW_HOME", here)
    object_store.refresh_all()
    assert not features.exists()
    assert not bundle_path(run).exists()
    assert inbox.find_draft(draft) is None


@pytest.fixture
def second(shared, elsewhere, tmp_path, monkeypatch):
    """Own data of which another computer, where this begins, has a copy."""
    key = own_texts(tmp_path / "a", ANN)
    elsewhere()
    uploads.get_upload(key)
    return key


@pytest.mark.parametrize("end", [erase.erase_data, lambda _: erase.erase_visitor(ANN)])
def test_a_stale_copy_is_not_put_over_a_deletion(shared, second, elsewhere, end):
    elsewhere(back=True)
    end(second)
    left = there(shared)
    elsewhere()
    object_store.upload("data", second.removeprefix("own-"))
    assert there(shared) == left
    assert not list((data_dir() / "data").rglob("examples.bin"))


def test_a_stale_copy_is_not_put_over_a_newer_one(second, elsewhere):
    elsewhere(back=True)
    uploads.save_check(second, {"findings": [], "newer": True})
    elsewhere()
    object_store.upload("data", second.removeprefix("own-"))
    assert uploads.load_check(second)["newer"]


def test_a_deletion_is_put_over_what_is_newer(shared, second, elsewhere):
    elsewhere(back=True)
    uploads.save_check(second, {"findings": []})
    elsewhere()
    uploads.delete(second)
    assert len(there(shared)) == 2  # about.json and the manifest
    elsewhere(back=True)
    object_store.refresh_all()
    assert uploads.get_upload(second).classes == 0


def test_what_is_being_deleted_is_not_renewed_meanwhile(second, monkeypatch):
    def write_text(*told, **how):
        written(*told, **how)
        object_store.refresh("data", second.removeprefix("own-"))

    written = dataset.write_text
    monkeypatch.setattr(dataset, "write_text", write_text)
    about = data_dir() / "data" / second.removeprefix("own-") / "about.json"
    about.with_name("index.npz").unlink()  # so that the copy would be brought anew
    uploads.delete(second)
    assert json.loads(about.read_text())["deleted"]
    assert not about.with_name("examples.bin").exists()


def test_what_is_to_be_used_is_looked_at_there_first(second, elsewhere, monkeypatch):
    copy = uploads.get_upload(second)
    elsewhere(back=True)
    uploads.delete(second)
    elsewhere()
    with pytest.raises(BadUpload, match="deleted"):
        copy.load_splits()
    monkeypatch.setattr(
        object_store, "_refresh", lambda known: pytest.fail("It was just looked at.")
    )
    with pytest.raises(BadUpload, match="deleted"):
        copy.load_splits()


def test_data_that_becomes_an_accounts_is_the_newest(second, elsewhere):
    elsewhere(back=True)
    uploads.save_check(second, {"findings": [], "newer": True})
    elsewhere()
    dataset.change_owner(second, "bob-the-visitor-2")
    elsewhere(back=True)
    object_store.refresh_all()
    assert uploads.get_upload(second).visitor == "bob-the-visitor-2"
    assert uploads.load_check(second)["newer"]


def read(key: str) -> None:
    """The job that read the data is in the database that all share."""
    job = get_store().enqueue(
        ImportData(path="x", title="mine.csv", visitor=ANN), ANN, worker="here"
    )
    get_store().append(job, [JobDone({"data": key}, 1.0)])


def test_own_data_is_listed_elsewhere_and_deleted_from_there(shared, elsewhere, tmp_path):
    """Its visitor may come to another app server the next day."""
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    read(key)
    elsewhere()
    assert [one.key for one in uploads.list_uploads(ANN)] == [key]
    assert uploads.list_uploads("bob-the-visitor-2") == []
    erase.erase_visitor(ANN)
    assert there(shared) == []
    elsewhere(back=True)
    object_store.refresh_all()
    left = [*(data_dir() / "data").rglob("*"), *(tmp_path / "other" / "data").rglob("*")]
    assert not [file for file in left if file.is_file()]


def test_own_data_that_came_in_elsewhere_goes_once_it_is_in_reach(
    shared, elsewhere, tmp_path, monkeypatch
):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    read(key)
    elsewhere()
    away(monkeypatch)
    erase.erase_visitor(ANN)
    assert there(shared)
    away(monkeypatch, False)
    with pytest.raises(UnknownKey):
        uploads.get_upload(key)
    object_store.retry_pending()
    assert there(shared) == []


def test_everything_of_a_visitor_is_gone_there(shared, elsewhere, tmp_path):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    erase.erase_visitor(ANN)
    assert there(shared) == []
    elsewhere()
    with pytest.raises(UnknownKey):
        uploads.get_upload(key)
