"""Models and data that several computers share: complete or not there, and deleted is deleted."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fsspec
import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.own_data import own_texts
from trainers.datasets import uploads
from trainers.datasets.uploads import dataset, inbox, storage
from trainers.datasets.uploads.limits import BadUpload
from trainers.events import JobDone, Notice, RunFinished
from trainers.export.saved_model import load_model
from trainers.hosting import cleanup, erase
from trainers.hosting.own_data import list_own_data
from trainers.jobs import ImportData
from trainers.plan import Plan
from trainers.store import FINISHED, get_store
from trainers.store.runs import ImportedRun
from trainers.store.tables import runs
from trainers.system import object_store
from trainers.system.paths import bundle_path, data_dir, run_dir
from trainers.system.registry import UnknownKey
from trainers.system.remote_folder import MARKER, RemoteFolder, open_filesystem
from trainers.training.run import run as run_plan
from trainers.workers.execute import execute

ANN = "ann-the-visitor-1"
DELETIONS = [erase.erase_data, lambda _: erase.erase_visitor(ANN)]


@pytest.fixture(params=["file", "memory", "s3"])
def shared(request, tmp_path, monkeypatch):
    """The address where things are shared."""
    urls = {"file": f"file://{tmp_path}/shared", "memory": "memory://shared"}
    url = urls.get(request.param) or request.getfixturevalue("s3")
    monkeypatch.setenv("THAW_ARTIFACT_URL", url)
    object_store.reset()
    yield url
    files = fsspec.filesystem("memory")
    if files.exists("/shared"):
        files.rm("/shared", recursive=True)


@pytest.fixture
def shared_folder(tmp_path, monkeypatch):
    """The same as a folder, for tests of what all kinds of addresses have in common."""
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    object_store.reset()
    return tmp_path / "shared"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A function that switches to another computer, and back."""
    here = str(data_dir())

    def switch(back: bool = False) -> None:
        monkeypatch.setenv("THAW_HOME", here if back else str(tmp_path / "other"))
        object_store.reset()

    return switch


def list_remote(url: object) -> list[str]:
    files, root = fsspec.url_to_fs(str(url), use_listings_cache=False)
    paths = files.find(root) if files.exists(root) else []
    return sorted(path for path in paths if not path.endswith(MARKER))


def make_model(run: str = "a-run") -> Path:
    with suppress(IntegrityError):  # it is in the database already
        plan = Plan(data="digits", approach="none")
        get_store().import_run(
            ImportedRun(id=run, job=plan, visitor=ANN, events=[], created_at=0, finished_at=1)
        )
    folder = run_dir(run)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    (folder / "words.json").write_text('["a word"]')
    (folder / "take-away.zip").write_bytes(b"packed")
    return folder


def set_unavailable(monkeypatch, is_unavailable: bool = True) -> None:
    monkeypatch.setattr(object_store, "_is_unavailable", lambda: is_unavailable)


def delete_rows() -> None:
    with get_store().engine.begin() as sql:
        sql.execute(runs.delete())


# --- a folder is complete or not there ------------------------------------------------------------


def test_another_computer_gets_what_was_uploaded(shared, elsewhere):
    folder = make_model()
    object_store.upload("runs", "a-run")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    del files["take-away.zip"]
    elsewhere()
    assert not run_dir("a-run").exists()
    copy = object_store.fetch_run_dir("a-run")
    assert copy != folder
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == files


def test_without_an_address_nothing_is_uploaded():
    make_model()
    object_store.upload("runs", "a-run")
    assert not (data_dir() / "artifacts").exists()
    assert not object_store.download("runs", "a-run")


def remove_manifest(files, folder) -> None:
    files.rm_file(f"{folder}/manifest.json")


def damage_weights(files, folder) -> None:
    manifest = json.loads(files.cat_file(f"{folder}/manifest.json"))
    files.pipe_file(f"{folder}/{manifest['model.safetensors']['sha256']}", b"other weights")


def name_a_file_outside(files, folder) -> None:
    manifest = json.loads(files.cat_file(f"{folder}/manifest.json"))
    evil = json.dumps({"../../evil": manifest["words.json"]})
    files.pipe_file(f"{folder}/manifest.json", evil.encode())


@pytest.mark.parametrize(
    ("change", "warning"),
    [(remove_manifest, ""), (damage_weights, "is damaged"), (name_a_file_outside, "no name of")],
)
def test_no_model_comes_of_a_folder_that_is_incomplete_damaged_or_hostile(
    shared, elsewhere, caplog, change, warning
):
    make_model()
    object_store.upload("runs", "a-run")
    files, root = fsspec.url_to_fs(shared)
    change(files, f"{root}/runs/a-run")
    elsewhere()
    assert not object_store.download("runs", "a-run")
    assert not (object_store.fetch_run_dir("a-run") / "model.safetensors").exists()
    assert not list(data_dir().rglob("evil"))
    assert warning in caplog.text


def test_threads_that_want_the_same_folder_download_it_once(
    shared_folder, monkeypatch, elsewhere, caplog
):
    make_model()
    object_store.upload("runs", "a-run")
    elsewhere()
    files, _ = open_filesystem(object_store.storage_url())
    downloads, get_file = [], files.get_file

    def get_slowly(remote, local):
        downloads.append(local)
        time.sleep(0.05)
        get_file(remote, local)

    monkeypatch.setattr(files, "get_file", get_slowly)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: object_store.download("runs", "a-run"), range(4)))
    assert len(downloads) == 2  # two files
    assert caplog.text == ""
    assert not object_store._download_locks  # no lock stays for every folder that was asked for


# --- retries --------------------------------------------------------------------------------------


def test_an_upload_that_fails_is_repeated(shared_folder, elsewhere):
    shared_folder.write_text("a file, so no folder can be made")
    make_model()
    object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    shared_folder.unlink()
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    elsewhere()
    assert (object_store.fetch_run_dir("a-run") / "model.safetensors").exists()


def test_drafts_among_the_notes_and_notes_that_vanish_do_not_matter(shared_folder, monkeypatch):
    notes = data_dir() / "artifacts"
    notes.mkdir()
    for name in ("runs.a-run.json.4242.part", "put.runs.a-run", "put.runs.b-run"):
        (notes / name).touch()
    uploads_done = []

    def upload(folder):
        uploads_done.append(folder.key)
        (notes / "put.runs.b-run").unlink()

    monkeypatch.setattr(object_store, "_upload", upload)
    object_store.retry_pending()
    assert uploads_done == ["a-run"]
    left = [file.name for file in notes.iterdir() if not file.name.startswith("lock.")]
    assert left == ["runs.a-run.json.4242.part"]


def test_a_pending_upload_does_not_outlive_its_run(shared, elsewhere, monkeypatch):
    """Another app server deletes the run meanwhile."""
    make_model()
    set_unavailable(monkeypatch)
    object_store.upload("runs", "a-run")
    elsewhere()
    set_unavailable(monkeypatch, False)
    object_store.delete_run("a-run")
    delete_rows()
    elsewhere(back=True)
    assert object_store.is_pending("runs", "a-run")
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    assert list_remote(shared) == []


def during_upload(monkeypatch, action) -> None:
    write = RemoteFolder._write_manifest

    def act_and_write(self, manifest):
        action()
        write(self, manifest)

    monkeypatch.setattr(RemoteFolder, "_write_manifest", act_and_write)


def test_a_run_that_is_deleted_during_its_upload_leaves_nothing(shared, monkeypatch):
    make_model()
    during_upload(monkeypatch, delete_rows)
    object_store.upload("runs", "a-run")
    assert list_remote(shared) == []


def test_a_folder_that_changes_during_its_upload_is_uploaded_again(shared, monkeypatch):
    folder = make_model()

    def change() -> None:
        (folder / "words.json").write_text('["another"]')
        object_store.upload("runs", "a-run")

    with monkeypatch.context() as patch:
        during_upload(patch, change)
        patch.setattr(object_store, "LOCK_TIMEOUT_SECONDS", 0)
        object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    files, root = fsspec.url_to_fs(shared, use_listings_cache=False)
    assert any(b"another" in files.cat_file(path) for path in files.find(f"{root}/runs/a-run"))


def test_a_run_whose_deletion_is_pending_does_not_come_back(shared, monkeypatch):
    make_model()
    object_store.upload("runs", "a-run")
    set_unavailable(monkeypatch)
    object_store.delete_run("a-run")
    set_unavailable(monkeypatch, False)
    assert not (object_store.fetch_run_dir("a-run") / "model.safetensors").exists()
    object_store.retry_pending()
    assert list_remote(shared) == []


def test_a_deletion_that_fails_is_repeated(shared_folder, tmp_path, monkeypatch):
    make_model()
    object_store.upload("runs", "a-run")
    delete = RemoteFolder.delete

    def delete_if_mounted(self):
        if shared_folder.is_file():
            raise OSError("away")
        delete(self)

    monkeypatch.setattr(RemoteFolder, "delete", delete_if_mounted)
    shared_folder.rename(tmp_path / "away")
    shared_folder.write_text("no folder")
    object_store.delete_run("a-run")
    shared_folder.unlink()
    (tmp_path / "away").rename(shared_folder)
    object_store.retry_pending()
    assert list_remote(shared_folder) == []


# --- runs -----------------------------------------------------------------------------------------


def test_a_finished_run_is_uploaded_and_its_model_predicts_elsewhere(shared, elsewhere, toy):
    plan = Plan(data="colours", approach="fine_tune", seconds=5)
    key = get_store().enqueue(plan, ANN, worker="here")
    list(execute(get_store(), key, plan, run_plan, run_dir(key)))
    run = get_store().get_run(key)
    assert run.state == FINISHED
    elsewhere()
    assert load_model(run)
    assert (run_dir(key) / "model.safetensors").exists()


def test_a_run_finishes_although_the_address_is_out_of_reach(shared_folder):
    shared_folder.write_text("no folder")
    plan = Plan(data="digits", approach="transfer")
    key = get_store().enqueue(plan, ANN, worker="here")
    make_model(key)
    list(execute(get_store(), key, plan, finish_at_once, run_dir(key)))
    assert get_store().get_run(key).state == FINISHED
    assert object_store.is_pending("runs", key)


def finish_at_once(plan, *, should_stop, folder):
    yield Notice("at work", 0.1)
    yield RunFinished(
        "transfer", "digits", "small_resnet", ["a", "b"], 50, 60, 30, 0.5, 0.4, 0.6, 0.5,
        [[30, 0], [0, 30]], 1.0, 90, 990, 12.0, False, {}, 1, 1,
    )  # fmt: skip


def test_a_deleted_run_is_deleted_there_once_it_cannot_be_restored(shared, monkeypatch):
    key = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    make_model(key)
    object_store.upload("runs", key)
    deleted = get_store().delete([key], ANN)
    get_store().purge_deleted()
    assert list_remote(shared)
    get_store().restore(deleted, ANN)
    assert list_remote(shared)
    get_store().delete([key], ANN)
    monkeypatch.setattr("trainers.store.deletion.UNDO_SECONDS", -1)
    get_store().purge_deleted()
    assert list_remote(shared) == []


def test_a_copy_that_is_deleted_to_free_space_can_be_fetched_again(shared, monkeypatch):
    key = get_store().enqueue(Plan(data="digits", approach="none"), ANN)
    get_store().request_cancel(key)
    folder = make_model(key)
    object_store.upload("runs", key)
    monkeypatch.setenv("THAW_STORAGE_LIMIT_GB", "0.000001")
    assert [item.kind for item in cleanup.clean_up()][:1] == ["model"]
    assert not folder.exists()
    object_store.refresh_all()
    assert not folder.exists()
    assert (object_store.fetch_run_dir(key) / "model.safetensors").exists()


def test_a_share_that_is_not_mounted_deletes_nothing_and_is_not_made(
    shared_folder, tmp_path, caplog
):
    folder = make_model()
    object_store.upload("runs", "a-run")
    shared_folder.rename(tmp_path / "unmounted")
    for is_empty_folder in (False, True):  # as mount points often are
        if is_empty_folder:
            shared_folder.mkdir()
        object_store.reset()
        object_store.refresh_all()
        assert (folder / "model.safetensors").exists()
        object_store.reset()
        object_store.upload("runs", "a-run")
        assert object_store.is_pending("runs", "a-run")
        assert not shared_folder.exists() or not [*shared_folder.iterdir()]
        (data_dir() / "artifacts" / "put.runs.a-run").unlink()
    assert "if it is the right place, make one" in caplog.text
    object_store.reset()
    object_store.delete("runs", "a-run")
    shared_folder.rmdir()
    (tmp_path / "unmounted").rename(shared_folder)
    object_store.retry_pending()
    assert list_remote(shared_folder) == []


def test_another_address_does_not_delete_copies_of_the_first(shared_folder, tmp_path, monkeypatch):
    folder = make_model()
    object_store.upload("runs", "a-run")
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/mistyped")
    object_store.refresh_all()
    assert (folder / "model.safetensors").exists()


# --- uploaded data --------------------------------------------------------------------------------


def test_data_is_used_elsewhere_until_it_is_deleted(shared, elsewhere, tmp_path):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    elsewhere()
    assert uploads.get_upload(key).visitor == ANN
    assert len(uploads.get_upload(key).load_splits(None, 0, ()).train)
    elsewhere(back=True)
    erase.erase_data(key)
    elsewhere()
    object_store.refresh_all()
    assert uploads.get_upload(key).classes == 0  # runs on it can say that it was deleted
    local = [file for file in tmp_path.rglob("*") if file.is_file() and "home" in str(file)]
    local += [file for file in (tmp_path / "other").rglob("*") if file.is_file()]
    assert not [file for file in local if b"MARK-OF-DATA" in file.read_bytes()]
    files, root = fsspec.url_to_fs(shared)
    assert not [path for path in files.find(root) if b"MARK-OF-DATA" in files.cat_file(path)]


@pytest.mark.parametrize("deletion", DELETIONS)
def test_data_that_is_deleted_elsewhere_leaves_nothing_here(
    shared_folder, tmp_path, monkeypatch, deletion
):
    here = str(data_dir())
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "first"))
    key = own_texts(tmp_path / "a", ANN)
    monkeypatch.setenv("THAW_HOME", here)
    draft = inbox.create_draft(ANN)
    storage.dataset_dir(key)
    about = data_dir() / "data" / key.removeprefix("own-") / "about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"draft": draft}))
    run = get_store().enqueue(Plan(data=key, approach="transfer"), "bob-the-visitor-2")
    features = data_dir() / "features" / key / "a.npy"
    for file in (features, bundle_path(run)):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"of its examples")
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "first"))
    deletion(key)
    monkeypatch.setenv("THAW_HOME", here)
    object_store.refresh_all()
    assert not features.exists()
    assert not bundle_path(run).exists()
    assert inbox.find_draft(draft) is None


@pytest.fixture
def copied_data(shared, elsewhere, tmp_path):
    """Data from the first computer, of which a second one, where the test starts, has a copy."""
    key = own_texts(tmp_path / "a", ANN)
    elsewhere()
    uploads.get_upload(key)
    return key


@pytest.mark.parametrize("deletion", DELETIONS)
def test_a_stale_copy_does_not_replace_a_deletion(shared, copied_data, elsewhere, deletion):
    elsewhere(back=True)
    deletion(copied_data)
    remaining = list_remote(shared)
    elsewhere()
    object_store.upload("data", copied_data.removeprefix("own-"))
    assert list_remote(shared) == remaining
    assert not list((data_dir() / "data").rglob("examples.bin"))


def test_a_stale_copy_does_not_replace_a_newer_one(copied_data, elsewhere):
    elsewhere(back=True)
    uploads.save_check(copied_data, {"findings": [], "newer": True})
    elsewhere()
    object_store.upload("data", copied_data.removeprefix("own-"))
    assert uploads.load_check(copied_data)["newer"]


def test_a_deletion_replaces_a_newer_copy(shared, copied_data, elsewhere):
    elsewhere(back=True)
    uploads.save_check(copied_data, {"findings": []})
    elsewhere()
    uploads.delete(copied_data)
    assert len(list_remote(shared)) == 2  # about.json and the manifest
    elsewhere(back=True)
    object_store.refresh_all()
    assert uploads.get_upload(copied_data).classes == 0


def test_data_is_not_refreshed_while_it_is_being_deleted(copied_data, monkeypatch):
    write_text = dataset.write_text

    def write_and_refresh(*args, **options):
        write_text(*args, **options)
        object_store.refresh("data", copied_data.removeprefix("own-"))

    monkeypatch.setattr(dataset, "write_text", write_and_refresh)
    about = data_dir() / "data" / copied_data.removeprefix("own-") / "about.json"
    about.with_name("index.npz").unlink()  # so that a refresh would download the copy again
    uploads.delete(copied_data)
    assert json.loads(about.read_text())["deleted"]
    assert not about.with_name("examples.bin").exists()


def test_data_is_refreshed_before_it_is_used_but_not_every_time(
    copied_data, elsewhere, monkeypatch
):
    copy = uploads.get_upload(copied_data)
    elsewhere(back=True)
    uploads.delete(copied_data)
    elsewhere()
    with pytest.raises(BadUpload, match="deleted"):
        copy.load_splits()
    monkeypatch.setattr(object_store, "_refresh", lambda _: pytest.fail("It was just refreshed."))
    with pytest.raises(BadUpload, match="deleted"):
        copy.load_splits()


def test_a_change_of_owner_keeps_the_newest_data(copied_data, elsewhere):
    elsewhere(back=True)
    uploads.save_check(copied_data, {"findings": [], "newer": True})
    elsewhere()
    dataset.change_owner(copied_data, "bob-the-visitor-2")
    elsewhere(back=True)
    object_store.refresh_all()
    assert uploads.get_upload(copied_data).visitor == "bob-the-visitor-2"
    assert uploads.load_check(copied_data)["newer"]


@pytest.fixture
def imported_data(shared, elsewhere, tmp_path):
    """Data whose import the common database knows; its visitor comes to another app server."""
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    job = get_store().enqueue(
        ImportData(path="x", title="mine.csv", visitor=ANN), ANN, worker="here"
    )
    get_store().append(job, [JobDone({"data": key}, 1.0)])
    elsewhere()
    return key


def test_data_is_listed_elsewhere_and_deleted_from_there(
    shared, imported_data, elsewhere, tmp_path
):
    assert [upload.key for upload in list_own_data(ANN)] == [imported_data]
    assert list_own_data("bob-the-visitor-2") == []
    erase.erase_visitor(ANN)
    assert list_remote(shared) == []
    elsewhere(back=True)
    object_store.refresh_all()
    left = [*(data_dir() / "data").rglob("*"), *(tmp_path / "other" / "data").rglob("*")]
    assert not [file for file in left if file.is_file()]


def test_data_out_of_reach_is_deleted_once_it_is_in_reach(shared, imported_data, monkeypatch):
    set_unavailable(monkeypatch)
    erase.erase_visitor(ANN)
    assert list_remote(shared)
    set_unavailable(monkeypatch, False)
    with pytest.raises(UnknownKey):
        uploads.get_upload(imported_data)
    object_store.retry_pending()
    assert list_remote(shared) == []


def test_erasing_a_visitor_deletes_everything_there(shared, elsewhere, tmp_path):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    erase.erase_visitor(ANN)
    assert list_remote(shared) == []
    elsewhere()
    with pytest.raises(UnknownKey):
        uploads.get_upload(key)
