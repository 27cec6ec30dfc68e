"""The door before the pages, without a browser."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from trainers.hosting.accounts import account_id
from trainers.plan import Plan
from trainers.store import get_store

FRAME = Path(__file__).parents[2] / "pages" / "frame.py"
PAGES = ("guide", "data", "run", "compare", "claims", "runs", "learn")
SIGNED_WITH = "a-cookie-secret-of-the-tests"
ISSUER = "https://a.example"
BROWSER = "a-browser-of-the-tests"


def words(at) -> str:
    kinds = ("title", "markdown", "caption", "warning", "info")
    return "\n".join(element.value for kind in kinds for element in getattr(at, kind))


def app(**claims) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = BROWSER
    at.secrets["auth"] = {"cookie_secret": SIGNED_WITH}
    at.user = {"is_logged_in": bool(claims)} | claims
    return at


@pytest.fixture
def hosted(monkeypatch):
    monkeypatch.setenv("THAW_HOSTED", "1")


@pytest.mark.parametrize("page", PAGES)
def test_a_hosted_thaw_shows_a_door_and_nothing_else(hosted, page):
    at = app().run()
    at.switch_page(f"{page}.py").run()
    assert not at.exception
    assert [button.label for button in at.button] == ["Sign in"]
    assert [title.value for title in at.title] == ["Thaw"]
    assert not at.radio
    assert not at.selectbox


def test_who_signed_in_is_led_in_and_can_leave(hosted):
    at = app(iss=ISSUER, sub="1", name="<b>Ann</b>", email="ann@example.org").run()
    assert not at.exception
    assert at.title[0].value != "Thaw"
    assert "Sign out" in [button.label for button in at.button]
    assert "\\<b\\>Ann" in words(at)


def test_an_identity_without_issuer_or_subject_stays_outside(hosted):
    at = app(sub="1", name="Ann").run()
    assert [title.value for title in at.title] == ["Thaw"]
    assert "did not say who you are" in words(at)


def test_hosted_without_a_sign_in_says_what_is_missing(hosted):
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    assert not at.exception
    assert "none is set up" in words(at)
    assert not at.button


def test_where_nothing_is_set_up_nothing_of_it_is_shown():
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    assert "Sign in" not in [button.label for button in at.button]


def test_an_account_sees_its_own_runs_and_is_offered_those_of_the_browser():
    plan = Plan(data="digits", approach="none", examples_per_class=1)
    theirs = get_store().enqueue(plan, account_id(ISSUER, "1", SIGNED_WITH))
    before = get_store().enqueue(plan, BROWSER)
    at = app(iss=ISSUER, sub="1", name="Ann").run()
    at.switch_page("runs.py").run()
    boxes = [box.key for box in at.checkbox if str(box.key).startswith("chosen-")]
    assert boxes == [f"chosen-{theirs}"]
    assert "this browser had 1 run." in words(at)
    at.button(key="take-over").click().run()
    boxes = {box.key for box in at.checkbox if str(box.key).startswith("chosen-")}
    assert boxes == {f"chosen-{theirs}", f"chosen-{before}"}
    assert "this browser had" not in words(at)


def test_what_was_left_is_not_offered_again():
    before = get_store().enqueue(
        Plan(data="digits", approach="none", examples_per_class=1), BROWSER
    )
    at = app(iss=ISSUER, sub="1", name="Ann").run()
    at.button(key="leave-them").click().run()
    assert "this browser had" not in words(at)
    assert "this browser had" not in words(app(iss=ISSUER, sub="1", name="Ann").run())
    assert get_store().get_run(before).visitor == BROWSER
