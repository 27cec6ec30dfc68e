"""Ids of accounts, merging a browser's data into an account, and the way back from a sign-in."""

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


def test_an_account_has_a_stable_id():
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
def test_another_account_or_secret_has_another_id(other):
    assert account_id(*other) != ANN


def test_an_id_hides_the_account_and_cannot_come_from_a_cookie():
    assert "a.example" not in ANN
    assert not re.fullmatch(r"[\w-]{16,64}", ANN)  # what pages accept from a cookie
    assert len(ANN) <= 64  # the column's length


def test_merging_moves_runs_and_data_to_the_account(tmp_path):
    data = own_texts(tmp_path, visitor=BROWSER)
    run = get_store().enqueue(DIGITS, BROWSER)
    job = get_store().enqueue(Comparison(data="digits", visitor=BROWSER), BROWSER)
    other = get_store().enqueue(DIGITS, OTHER)
    assert count_anonymous_data(BROWSER, ANN) == AnonymousData(run_count=2, data_count=1)
    merge(BROWSER, ANN)
    assert {get_store().get_run(key).visitor for key in (run, job)} == {ANN}
    assert get_store().get_run(job).job.visitor == ANN
    assert get_store().get_run(run).state == QUEUED
    assert get_store().get_run(other).visitor == OTHER
    assert [upload.key for upload in uploads.list_uploads(ANN)] == [data]
    assert get_store().list_runs(BROWSER) == uploads.list_uploads(BROWSER) == []


def test_a_running_comparison_starts_its_next_run_for_the_account():
    job = get_store().enqueue(Comparison(data="digits", visitor=BROWSER), BROWSER)
    merge(BROWSER, ANN)
    part = get_store().enqueue(DIGITS, BROWSER, parent_id=job)
    assert get_store().get_run(part).visitor == ANN


def test_only_new_data_is_offered_again():
    get_store().enqueue(DIGITS, BROWSER)
    decline_merge(BROWSER, ANN)
    assert count_anonymous_data(BROWSER, ANN) == AnonymousData(0, 0)
    other_account = account_id("i", "2", "s")
    assert count_anonymous_data(BROWSER, other_account).run_count == 1
    time.sleep(0.01)
    get_store().enqueue(DIGITS, BROWSER)
    assert count_anonymous_data(BROWSER, ANN).run_count == 1


@pytest.mark.parametrize("pair", [(ANN, ANN), (BROWSER, OTHER), (ANN, BROWSER)])
def test_merging_needs_a_browser_and_an_account(pair):
    with pytest.raises(ValueError, match="Only an account"):
        merge(*pair)


def test_a_redirect_is_returned_once_and_expires(monkeypatch):
    save_redirect(BROWSER, "run", {"run": "x"})
    save_redirect(BROWSER, "runs", {"a": "b"})
    assert pop_redirect(OTHER) is None
    assert pop_redirect(BROWSER) == ("runs", {"a": "b"})
    assert pop_redirect(BROWSER) is None
    save_redirect(BROWSER, "run", {})
    monkeypatch.setattr(accounts, "REDIRECT_TTL_SECONDS", -1)
    assert pop_redirect(BROWSER) is None
