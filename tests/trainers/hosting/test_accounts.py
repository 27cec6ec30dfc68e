"""Who a visitor is, and what an account takes over from a browser."""

import re
import time

import pytest

from tests.support.own_data import own_texts
from trainers.datasets import uploads
from trainers.hosting import accounts
from trainers.hosting.accounts import (
    AnonymousData,
    account_id,
    count_anonymous_data,
    decline_merge,
    merge,
    pop_redirect,
    save_redirect,
)
from trainers.jobs import Comparison
from trainers.plan import Plan
from trainers.store import QUEUED, get_store

pytestmark = pytest.mark.usefixtures("database")

BROWSER, OTHER = "a-browser-of-the-tests", "another-browser-0001"
ANN = account_id("https://a.example", "1", "secret")
DIGITS = Plan(data="digits", approach="none", examples_per_class=1)


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
    run = get_store().enqueue(DIGITS, BROWSER)
    job = get_store().enqueue(Comparison(data="digits", visitor=BROWSER), BROWSER)
    other = get_store().enqueue(DIGITS, OTHER)
    assert count_anonymous_data(BROWSER, ANN) == AnonymousData(run_count=2, data_count=1)
    merge(BROWSER, ANN)
    assert {get_store().get_run(one).visitor for one in (run, job)} == {ANN}
    assert get_store().get_run(job).job.visitor == ANN
    assert get_store().get_run(run).state == QUEUED
    assert get_store().get_run(other).visitor == OTHER
    assert [one.key for one in uploads.list_uploads(ANN)] == [data]
    assert get_store().list_runs(BROWSER) == uploads.list_uploads(BROWSER) == []


def test_a_comparison_at_work_starts_its_next_run_for_the_account():
    job = get_store().enqueue(Comparison(data="digits", visitor=BROWSER), BROWSER)
    merge(BROWSER, ANN)
    part = get_store().enqueue(DIGITS, BROWSER, parent_id=job)
    assert get_store().get_run(part).visitor == ANN


def test_it_is_asked_once():
    get_store().enqueue(DIGITS, BROWSER)
    decline_merge(BROWSER, ANN)
    assert count_anonymous_data(BROWSER, ANN) == AnonymousData(0, 0)
    assert (
        count_anonymous_data(BROWSER, account_id("i", "2", "s")).run_count == 1
    )  # nobody asked them
    time.sleep(0.01)
    get_store().enqueue(DIGITS, BROWSER)
    assert count_anonymous_data(BROWSER, ANN).run_count == 1  # and of this nobody was asked


@pytest.mark.parametrize("pair", [(ANN, ANN), (BROWSER, OTHER), (ANN, BROWSER)])
def test_only_an_account_takes_over_and_only_from_a_browser(pair):
    with pytest.raises(ValueError, match="Only an account"):
        merge(*pair)


def test_the_way_back_is_remembered_once_and_not_for_long(monkeypatch):
    save_redirect(BROWSER, "run", {"run": "x"})
    save_redirect(BROWSER, "runs", {"a": "b"})
    assert pop_redirect(OTHER) is None
    assert pop_redirect(BROWSER) == ("runs", {"a": "b"})
    assert pop_redirect(BROWSER) is None
    save_redirect(BROWSER, "run", {})
    monkeypatch.setattr(accounts, "REDIRECT_TTL_SECONDS", -1)
    assert pop_redirect(BROWSER) is None
