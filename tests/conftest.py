"""What every test gets: a home of its own, and no way out to the network."""

import socket
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from trainers.store import store

LOCAL = {"127.0.0.1", "::1", "localhost"}


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
    if store.cache_info().currsize:
        store().engine.dispose()
        store.cache_clear()


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
