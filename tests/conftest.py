"""What every test gets: a home of its own, and no way out to the network."""

import os
import socket
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from trainers.store import get_store

LOCAL = {"127.0.0.1", "::1", "localhost"}

if "PYTEST_XDIST_WORKER" in os.environ:  # a test process for each core: more threads are in the way
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

# Tests that share what is dear to start (an app and a browser, a cluster) share a process, too.
TOGETHER = (
    "tests/browser/",
    "tests/faults/test_apps.py",
    "tests/security/test_shown_names.py",
    "tests/trainers/workers/test_ray.py",
    "tests/trainers/workers/test_workers.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """In the order in which they stand. The mark of xdist for this, `xdist_group`, is passed over
    under pytest 9.2 (pytest-xdist's issue 1386)."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((one for one in TOGETHER if nodeid.startswith(one)), nodeid)

    config.option.loadscopereorder = False
    return Scheduler(config, log)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """`THAW_HOME`, empty: no test sees the runs of another, or of whoever runs the tests."""
    folder = tmp_path / "home"
    monkeypatch.setenv("THAW_HOME", str(folder))
    monkeypatch.delenv("THAW_DATABASE_URL", raising=False)
    forget_store()
    yield folder
    forget_store()


def forget_store() -> None:
    if get_store.cache_info().currsize:
        get_store().engine.dispose()
        get_store.cache_clear()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Connections beyond this machine raise, in this process."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise AssertionError(f"A test wanted to talk to {address[0]}.")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def packages_are_looked_through_once():
    """Each `AppTest` would ask every installed package anew whether it brings a component, which
    takes longer than to draw a page."""
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def playwright():
    """Of a process there may be one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[1]
