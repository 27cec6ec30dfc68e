"""The app as the README starts it, and a real browser before it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    TimeoutError,
    expect,
)

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=30_000)  # a busy machine draws slowly
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
    told = (app_home / "app.log").read_text()
    assert "Traceback" not in told, told  # of the app, or of a process that it started


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
def browsers(playwright):
    """Starts Chromium with more flags."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("No chromium on this machine, and CI must not pass over the browser.")
        pytest.skip("no chromium on this machine")

    def launched(*more: str) -> Browser:
        made = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more])
        new_context = made.new_context
        made.new_context = lambda **settings: _watched(new_context(**settings))
        return made

    return launched


LEFT: list[str] = []  # what pages asked of other machines, and what our policy kept from loading


def _watched(context: BrowserContext) -> BrowserContext:
    context.on(
        "request", lambda request: None if _is_here(request.url) else LEFT.append(request.url)
    )
    context.on("console", lambda told: LEFT.append(told.text) if POLICY in told.text else None)
    return context


def _until(page: Page, expression: str, *, arg=None, timeout: float = 30_000) -> None:
    """Playwright's own looks again and again by `eval`, which our policy forbids in the page."""
    until = time.monotonic() + timeout / 1000
    while True:
        try:
            if page.evaluate(expression, arg):
                return
        except Error as error:
            if "context was destroyed" not in str(error):  # the page goes elsewhere
                raise
        if time.monotonic() > until:
            raise TimeoutError(f"Not within {timeout:.0f} ms: {expression}")
        page.wait_for_timeout(50)


Page.wait_for_function = _until

POLICY = "Content Security Policy"  # in the words of the browser


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in HERE or parts.hostname in ("localhost", "127.0.0.1")


HERE = ("data", "blob", "about", "file")


@pytest.fixture(autouse=True)
def nothing_leaves():
    """No page of any browser asks anybody but this machine for anything, and our own policy is in
    the way of nothing of ours."""
    LEFT.clear()
    yield
    assert not LEFT


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


@pytest.fixture(scope="session")
def context(chromium, app) -> BrowserContext:
    """Its cache keeps the app's scripts: to fetch and compile them is half of opening a page."""
    return chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=app)


def new_visitor(context: BrowserContext, app: str) -> Page:
    """The first page of somebody of whom the browser knows nothing."""
    page = context.new_page()
    everything = {"origin": app, "storageTypes": "all"}  # cookies, too; not the cache of scripts
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", everything)
    return page


@pytest.fixture
def page(context, app) -> Page:
    """A visitor's first page; no script may fail."""
    page = new_visitor(context, app)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    for one in context.pages:
        one.close()
    assert not errors


@pytest.fixture(scope="session")
def addresses(app, app_home) -> dict[str, str]:
    from tests.support import (
        # here: tests/security borrows fixtures of this module, and does not find it
        stored_runs as kept,
    )

    return kept.filled(app_home)


@pytest.fixture
def mine(page: Page, app) -> Page:
    """The browser of who ran what is kept."""
    from tests.support import stored_runs as kept

    page.context.add_cookies([{"name": "thaw_visitor", "value": kept.VISITOR, "url": app}])
    page.emulate_media(reduced_motion="reduce")
    return page
