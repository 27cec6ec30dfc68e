"""Tests share a browser, one after the other, and are each another visitor in it."""

import pytest

from tests.browser.conftest import new_visitor
from tests.browser.test_walk import opened

pytestmark = pytest.mark.browser
KEPT = "() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]"


def key(context) -> str:
    return next(one["value"] for one in context.cookies() if one["name"] == "thaw_visitor")


def test_a_new_visitor_has_nothing_of_the_one_before(context, app, page):
    opened(page, "/")
    page.evaluate("() => { localStorage.mine = 'local'; sessionStorage.ours = 'session' }")
    assert {"mine", "ours"} <= set(page.evaluate(KEPT))
    before = key(context)
    other = new_visitor(context, app)
    assert context.cookies() == []
    opened(other, "/")
    assert not {"mine", "ours"} & set(other.evaluate(KEPT))
    assert key(context) != before
