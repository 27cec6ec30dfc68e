"""The charts of a run that is watched stay: made anew they would flicker and lose a zoom."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_walk import SLOW_MS, opened
from tests.support import stored_runs as kept
from trainers.events import Notice

pytestmark = pytest.mark.browser
DRAWN = "document.querySelectorAll('.thaw-plot .main-svg').length"
MARK = """() => {
    const all = [...document.querySelectorAll('.thaw-plot')]
    all.forEach(plot => plot.dataset.mine = 'kept')
    return all.length
}"""


def marked(page: Page) -> int:
    return page.locator(".thaw-plot[data-mine=kept]").count()


def test_a_notice_and_the_end_of_a_run_leave_its_charts_where_they_are(mine, app_home):
    address = kept.at_work(app_home)
    (run,) = parse_qs(urlsplit(address).query)["run"]
    opened(mine, address)
    mine.wait_for_function(f"{DRAWN} >= 4", timeout=SLOW_MS)
    charts = mine.evaluate(MARK)
    assert charts == marked(mine) == 4

    store = kept.store_of(app_home)
    store.append(run, [Notice("It goes more slowly than was timed.", 2.5)])
    expect(mine.get_by_text("It goes more slowly")).to_be_visible()
    assert marked(mine) == charts

    store.append(run, kept.tested("hybrid"))
    expect(mine.get_by_text("Finished in").first).to_be_visible()
    expect(mine.get_by_text("Which class was taken for which")).to_be_visible()
    assert marked(mine) == charts


def test_the_verdict_of_a_comparison_leaves_the_race_where_it_is(mine, app_home):
    address = kept.racing(app_home)
    (job,) = parse_qs(urlsplit(address).query)["compare"]
    opened(mine, address)
    mine.wait_for_function(f"{DRAWN} >= 1", timeout=SLOW_MS)
    assert mine.evaluate(MARK) == 1

    store = kept.store_of(app_home)
    runs = {a: kept.run(store, a, parent_id=job) for a in kept.COMPARED}
    store.append(job, [kept.compared(runs)])
    expect(mine.get_by_text("Hybrid is better")).to_be_visible()
    expect(mine.get_by_role("heading", name="Worth its time?")).to_be_visible()
    assert marked(mine) == 1
