"""Sharing through S3: missing buckets, wrong keys, servers that go away or do not answer.

What holds at every address is in test_object_store.py, which includes S3.
"""

import socket
import time
from contextlib import suppress

import fsspec
import pytest
from sqlalchemy.exc import IntegrityError

from trainers.plan import Plan
from trainers.store import get_store
from trainers.store.runs import ImportedRun
from trainers.system import object_store, remote_folder
from trainers.system.paths import run_dir

ANN = "ann-the-visitor-1"


@pytest.fixture(autouse=True)
def address(s3, monkeypatch):
    monkeypatch.setenv("THAW_ARTIFACT_URL", s3)
    forget()
    yield s3
    forget()


def forget() -> None:
    """As in another process, or later."""
    object_store.reset()
    remote_folder.open_filesystem.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def make_model(run: str = "a-run") -> None:
    with suppress(IntegrityError):  # it is in the database already
        plan = Plan(data="digits", approach="none")
        get_store().import_run(
            ImportedRun(id=run, job=plan, visitor=ANN, events=[], created_at=0, finished_at=1)
        )
    folder = run_dir(run)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)


def list_buckets() -> list[str]:
    return fsspec.filesystem("s3", use_listings_cache=False).ls("")


def test_no_bucket_is_made_and_the_upload_waits(address, monkeypatch, caplog):
    monkeypatch.setenv("THAW_ARTIFACT_URL", "s3://somebody-mistyped-this/a")
    existing = list_buckets()
    make_model()
    object_store.upload("runs", "a-run")
    assert list_buckets() == existing
    assert object_store.is_pending("runs", "a-run")
    assert "bucket does not exist" in caplog.text
    assert caplog.text.count("\n") == 1


def test_without_keys_the_upload_waits_with_a_warning(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))  # ~/.aws
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    make_model()
    object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    assert "credentials" in caplog.text


def test_a_server_that_was_away_gets_the_upload_later(s3_server, address):
    s3_server.stop()
    make_model()
    object_store.upload("runs", "a-run")
    assert object_store.is_pending("runs", "a-run")
    assert not object_store.download("runs", "another")
    s3_server.start()
    s3_server.emptied()
    object_store.retry_pending()
    assert not object_store.is_pending("runs", "a-run")
    names = fsspec.url_to_fs(f"{address}/runs/a-run")[0].ls(f"{address}/runs/a-run", detail=False)
    assert len(names) == 2


def test_a_server_that_does_not_answer_is_waited_for_once(monkeypatch):
    monkeypatch.setitem(remote_folder.S3_CONFIG, "read_timeout", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started_at = time.monotonic()
        assert not object_store.download("runs", "one")
        assert time.monotonic() - started_at < 5
        requests = []
        monkeypatch.setattr(object_store, "_download", lambda folder: requests.append(folder))
        monkeypatch.setattr(object_store, "_upload", lambda folder: requests.append(folder))
        make_model()
        assert not object_store.download("runs", "other")
        object_store.upload("runs", "a-run")
        assert requests == []
        assert object_store.is_pending("runs", "a-run")
