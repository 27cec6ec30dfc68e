"""Toy bodies and toy samples in the registries, and the data sets that are only read in tests."""

import os
from pathlib import Path

import pytest
import torch

from tests.support import toys
from trainers import backbones, datasets
from trainers.networks import loading
from trainers.store import Store, get_store
from trainers.system.paths import database_url

torch.set_num_threads(1)  # toys are small, and several test processes share the cores


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    toys.forget()


@pytest.fixture
def toy(monkeypatch):
    """The registries hold toys alone."""
    monkeypatch.setattr(datasets.registry, "BUNDLED_DATASETS", toys.SAMPLES)
    monkeypatch.setattr(backbones, "BACKBONES", toys.BACKBONES)
    loading.shared_encoder.cache_clear()
    yield toys
    loading.shared_encoder.cache_clear()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of our own, and nobody else's."""
    from tests.support.postgres import served

    with served() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server():
    """A server on this machine that speaks S3, and may be ended and started again."""
    from tests.support.s3 import Server

    with Server() as made:
        yield made


@pytest.fixture
def s3(s3_server, monkeypatch):
    """An address of S3, of an empty bucket."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3_server.start()
    return s3_server.emptied()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, home, monkeypatch):
    """The address of an empty database, which is the store's: the test runs on each kind."""
    if request.param == "sqlite":
        yield database_url()
        return
    server = request.getfixturevalue("postgres")
    monkeypatch.setenv("THAW_DATABASE_URL", server.emptied(lambda url: Store(url).engine.dispose()))
    yield database_url()
    if get_store.cache_info().currsize:  # before the variable goes
        get_store().engine.dispose()
        get_store.cache_clear()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of data sets that tests only read. Missing under CI is an error."""
    where = os.environ.get("THAW_TEST_DATA")
    if where and Path(where).is_dir():
        return Path(where)
    if os.environ.get("CI"):
        pytest.fail(f"THAW_TEST_DATA is {where!r}, and no folder is there.")
    pytest.skip("THAW_TEST_DATA is not set")
