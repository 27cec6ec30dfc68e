"""Who a visitor is, and what an account takes over from a browser."""

import re
import time

import pytest

from tests.support.own_data import own_texts
from trainers.datasets import uploads
from trainers.hosting import accounts
from trainers.hosting.accounts import Had, account_id, had, leave, recalled, remember, take_over
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.store import QUEUED, store

pytestmark = pytest.mark.usefixtures("database")

BROWSER, OTHER = "a-browser-of-the-tests", "another-browser-0001"
ANN = account_id("https://a.example", "1", "secret")
DIGITS = Plan(data="digits", approach="none", per_class=1)


def test_an_account_is_always_the_same_visitor():
    assert account_id("https://a.example", "1", "secret") == ANN


@pytest.mark.parametrize(
    "other",
    [
        ("https://b.example", "1", "secret"),
        ("https://a.example", "2", "secret"),
        ("https://a.example", "1", "secret2"),
        ("https://a.example\0", "1", "secret"),
    ],
)
def test_another_account_or_secret_is_another_visitor(other):
    assert account_id(*other) != ANN


def test_an_account_cannot_be_read_from_its_visitor_nor_be_said_by_a_browser():
    assert "a.example" not in ANN
    assert not re.fullmatch(r"[\w-]{16,64}", ANN)  # what pages take from a cookie
    assert len(ANN) <= 64  # what the store keeps


def test_what_a_browser_had_is_taken_over_and_is_no_longer_the_browsers(tmp_path):
    data = own_texts(tmp_path, visitor=BROWSER)
    run = store().start(DIGITS, BROWSER)
    job = store().start(Comparison(data="digits", visitor=BROWSER), BROWSER)
    other = store().start(DIGITS, OTHER)
    assert had(BROWSER, ANN) == Had(runs=2, data=1)
    take_over(BROWSER, ANN)
    assert {store().find(one).visitor for one in (run, job)} == {ANN}
    assert store().find(job).plan.visitor == ANN
    assert store().find(run).state == QUEUED
    assert store().find(other).visitor == OTHER
    assert [one.key for one in uploads.of(ANN)] == [data]
    assert store().of_visitor(BROWSER) == uploads.of(BROWSER) == []


def test_a_comparison_at_work_starts_its_next_run_for_the_account():
    job = store().start(Comparison(data="digits", visitor=BROWSER), BROWSER)
    take_over(BROWSER, ANN)
    part = store().start(DIGITS, BROWSER, part_of=job)
    assert store().find(part).visitor == ANN


def test_it_is_asked_once():
    store().start(DIGITS, BROWSER)
    leave(BROWSER, ANN)
    assert had(BROWSER, ANN) == Had(0, 0)
    assert had(BROWSER, account_id("i", "2", "s")).runs == 1  # nobody asked them
    time.sleep(0.01)
    store().start(DIGITS, BROWSER)
    assert had(BROWSER, ANN).runs == 1  # and of this nobody was asked


@pytest.mark.parametrize("pair", [(ANN, ANN), (BROWSER, OTHER), (ANN, BROWSER)])
def test_only_an_account_takes_over_and_only_from_a_browser(pair):
    with pytest.raises(ValueError, match="Only an account"):
        take_over(*pair)


def test_the_way_back_is_remembered_once_and_not_for_long(monkeypatch):
    remember(BROWSER, "run", {"run": "x"})
    remember(BROWSER, "runs", {"a": "b"})
    assert recalled(OTHER) is None
    assert recalled(BROWSER) == ("runs", {"a": "b"})
    assert recalled(BROWSER) is None
    remember(BROWSER, "run", {})
    monkeypatch.setattr(accounts, "WANTED_SECONDS", -1)
    assert recalled(BROWSER) is None
