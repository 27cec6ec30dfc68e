"""Signing in, in a real browser, with a provider of this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, _wait_for
from tests.browser.test_axe import barriers
from tests.support import stored_runs as kept
from tests.support.openid_provider import provider, secrets_toml

pytestmark = pytest.mark.browser
RUN = "Transfer learning on Handwritten digits"


@pytest.fixture(scope="module")
def oidc():
    with provider() as server:
        yield server


@pytest.fixture(scope="module")
def hosted_home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hosted")


@pytest.fixture(scope="module")
def hosted(oidc, hosted_home):
    """The address of an app that asks for a sign-in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    file = hosted_home / "secrets.toml"
    file.write_text(secrets_toml(oidc, address))
    options = ["--server.headless", "true", "--server.port", str(port)]
    told = {"THAW_HOME": str(hosted_home), "THAW_HOSTED": "1", "THAW_WORKERS": "1"}
    with open(hosted_home / "app.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options,
             "--secrets.files", str(file)],
            cwd=ROOT,
            env=os.environ | told,
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(f"{address}/_stcore/health", process, hosted_home / "app.log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def guest(chromium, hosted):
    """A new browser."""
    context = chromium.new_context(base_url=hosted)
    yield context.new_page()
    context.close()


def sign_in(page, oidc, sub: str, name: str) -> None:
    oidc.person = {"sub": sub, "name": name, "email": f"{name.casefold()}@example.org"}
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name=name)).to_be_visible(timeout=30_000)


def test_no_page_shows_anything_before_the_sign_in(guest):
    for page in ("", "data", "run", "compare", "claims", "runs", "learn"):
        guest.goto(f"/{page}")
        expect(guest.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
        shown = guest.get_by_test_id("stMain")
        expect(shown.get_by_role("heading")).to_have_count(1)
        expect(shown.get_by_test_id("stButton")).to_have_count(1)


def test_the_door_and_what_is_behind_it_have_no_barrier(guest, oidc, hosted, hosted_home):
    kept.run(kept.store_of(hosted_home))
    guest.context.add_cookies([{"name": "thaw_visitor", "value": kept.VISITOR, "url": hosted}])
    guest.emulate_media(reduced_motion="reduce")
    guest.goto("/runs")
    expect(guest.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
    assert not barriers(guest)
    sign_in(guest, oidc, "3", "Cem")
    expect(guest.get_by_text("this browser had 1 run.")).to_be_visible()
    guest.get_by_role("button", name="Cem").click()
    expect(guest.get_by_role("button", name="Sign out")).to_be_visible()
    assert not barriers(guest)
    guest.keyboard.press("Escape")
    guest.get_by_role("button", name="They are mine").click()
    expect(guest.get_by_text("this browser had")).to_have_count(0)


def test_a_sign_in_leads_back_and_a_sign_out_closes_the_door(guest, oidc):
    guest.goto("/run?approach=fine_tune&data=digits")
    sign_in(guest, oidc, "1", "Ann")
    expect(guest.get_by_role("heading", name="Run an approach")).to_be_visible()
    expect(guest.get_by_role("heading", name="Fine-tuning")).to_be_visible()
    guest.get_by_role("button", name="Ann").click()
    guest.get_by_role("button", name="Sign out").click()
    expect(guest.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
    expect(guest.get_by_role("heading", name="Run an approach")).to_have_count(0)


def test_an_account_is_the_same_in_every_browser_and_takes_over_once(
    guest, oidc, chromium, hosted, hosted_home
):
    kept.run(kept.store_of(hosted_home))  # of the browser that has this key
    guest.context.add_cookies([{"name": "thaw_visitor", "value": kept.VISITOR, "url": hosted}])
    guest.goto("/runs")
    sign_in(guest, oidc, "1", "Ann")
    expect(guest.get_by_text("this browser had 1 run.")).to_be_visible()
    guest.get_by_role("button", name="They are mine").click()
    expect(guest.get_by_text("this browser had")).to_have_count(0)
    expect(guest.get_by_role("link", name=RUN)).to_be_visible()
    again = chromium.new_context(base_url=hosted)
    other = again.new_page()
    try:
        other.goto("/runs")
        sign_in(other, oidc, "1", "Ann")
        expect(other.get_by_role("link", name=RUN)).to_be_visible()
        other.get_by_role("button", name="Ann").click()
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
        sign_in(other, oidc, "2", "Bob")
        other.goto("/runs")
        expect(other.get_by_text("Nothing was run")).to_be_visible(timeout=30_000)
    finally:
        again.close()
    visitors = {run.visitor for run in kept.store_of(hosted_home).list_runs(kept.VISITOR)}
    assert not visitors
    assert "ann@example.org" not in (hosted_home / "app.log").read_text()
