"""The app as the README starts it, and a real browser before it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import kept
import pytest
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
# The flags keep Chromium from looking up its maker's hosts: a test fails on any such request.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def app_home(tmp_path_factory) -> Path:
    """The data folder of the app."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def app(app_home) -> str:
    """The address of a running app with a data folder of its own; ended after the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(app_home / "app.log", "w")  # noqa: SIM115 - the process writes to it until it ends
    options = ["--server.headless", "true", "--server.port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", *options],
        cwd=ROOT,
        env=os.environ | {"THAW_HOME": str(app_home)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://localhost:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", process, app_home / "app.log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert process.poll() is None, f"The app ended: {log.read_text()}"
            time.sleep(0.2)
    raise AssertionError(f"The app did not come up: {log.read_text()}")


@pytest.fixture(scope="session")
def browsers():
    """Starts Chromium with more flags."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("No chromium on this machine, and CI must not pass over the browser.")
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        yield lambda *more: playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more])


@pytest.fixture(scope="session")
def chromium(browsers):
    browser = browsers()
    yield browser
    browser.close()


@pytest.fixture
def chromium_with_camera(browsers):
    """Its camera shows a moving drawing, and it is allowed without asking."""
    browser = browsers("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    yield browser
    browser.close()


@pytest.fixture
def page(chromium, app) -> Page:
    """A visitor's first page; every request must stay on this machine, and no script may fail."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=app)
    page = context.new_page()
    strangers, errors = [], []
    page.on("request", lambda request: _note_stranger(request.url, app, strangers))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not strangers
    assert not errors


def _note_stranger(url: str, app: str, strangers: list[str]) -> None:
    if not url.startswith((app, "data:", "blob:", "about:", app.replace("http", "ws"))):
        strangers.append(url)


@pytest.fixture(scope="session")
def addresses(app, app_home) -> dict[str, str]:
    return kept.filled(app_home)


@pytest.fixture
def mine(page: Page, app) -> Page:
    """The browser of who ran what is kept."""
    page.context.add_cookies([{"name": "thaw_visitor", "value": kept.VISITOR, "url": app}])
    page.emulate_media(reduced_motion="reduce")
    return page
