"""Fixtures of every test: a home of its own, no network; how tests are distributed and marked."""

import os
import socket
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from trainers.store import get_store

LOCAL = {"127.0.0.1", "::1", "localhost"}

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: more threads get in the way
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

# Tests that share what is slow to start (an app and a browser, a cluster) share a process.
TOGETHER = (
    "tests/browser/",
    "tests/faults/test_apps.py",
    "tests/security/test_shown_names.py",
    "tests/trainers/export/test_bundle.py",
    "tests/trainers/workers/test_ray.py",
    "tests/trainers/workers/test_workers.py",
)


# What one runs while working: `pytest -m fast`. Together at most 90 seconds on two cores.
FAST = (
    "tests/guide/",
    "tests/test_layers.py",
    "tests/test_readme.py",
    "tests/test_settings.py",
    "tests/trainers/evaluation/",
    "tests/trainers/hosting/",
    "tests/trainers/reports/test_sentences.py",
    "tests/trainers/reports/test_wrong_advice.py",
    "tests/trainers/store/test_golden.py",
    "tests/trainers/store/test_history.py",
    "tests/trainers/store/test_queue.py",
    "tests/trainers/store/test_runs.py",
    "tests/trainers/test_plan.py",
    "tests/trainers/training/test_head.py",
    "tests/trainers/training/test_loop.py",
)


def pytest_collection_modifyitems(items):
    # The long groups first: at the end both processes should have work.
    items.sort(key=lambda item: item.nodeid.startswith(TOGETHER), reverse=True)
    for item in items:
        if item.nodeid.startswith(FAST) and "postgres" not in item.nodeid:
            item.add_marker("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand tests out one by one, those of a group to one process.

    xdist's own mark for this, `xdist_group`, is ignored under pytest 9.2 (pytest-xdist issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid)

    config.option.loadscopereorder = False
    return Scheduler(config, log)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty `THAW_HOME`: no test sees the runs of another, or of the person who runs them."""
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
def scan_packages_once():
    """Cache whether packages bring components: each `AppTest` asks every installed package."""
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def playwright():
    """Playwright, of which a process may have one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[1]
