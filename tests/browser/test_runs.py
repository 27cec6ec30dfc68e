"""The history in a real browser: two runs found, laid side by side, deleted and brought back."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_walk import SLOW_MS, opened, settled

pytestmark = pytest.mark.browser


def ran(page: Page, approach: str) -> None:
    opened(page, f"/run?approach={approach}&data=digits&per_class=5&seconds=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)


def ticked(page: Page, title: str) -> None:
    page.get_by_role("checkbox", name=f"Choose {title}").first.focus()
    page.keyboard.press("Space")
    settled(page)


def test_runs_are_compared_deleted_brought_back_and_taken_along(page, tmp_path):
    for approach in ("none", "simple"):
        ran(page, approach)
    titles = ["No training on Handwritten digits", "No pre-trained model on Handwritten digits"]
    opened(page, "/runs")
    for title in titles:
        ticked(page, title)
    page.get_by_role("button", name="Lay them side by side").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    expect(page.get_by_role("cell", name="points (")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible(timeout=SLOW_MS)

    opened(page, "/runs")
    ticked(page, titles[0])
    with page.expect_download() as going:
        page.get_by_role("button", name="Take it along").click()
    going.value.save_as(tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text())["plan"]["approach"] == "none"

    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=titles[0])).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name=titles[0])).to_have_count(1)

    page.get_by_text("Bring in a run from a file").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "run.json")
    expect(page.get_by_text("is among your runs now")).to_be_visible()
    expect(page.get_by_role("link", name=titles[0])).to_have_count(2)


def test_on_a_phone_nothing_is_wider_than_the_screen(page):
    page.set_viewport_size({"width": 400, "height": 800})
    ran(page, "simple")
    opened(page, "/runs")
    ticked(page, "No pre-trained model on Handwritten digits")
    expect(page.get_by_role("button", name="Take it along")).to_be_visible()
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth"
    assert page.evaluate(wide) <= 400
