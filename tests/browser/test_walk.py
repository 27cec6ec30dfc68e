"""A visitor's way through the app, in a real browser."""

import json
import urllib.request

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SLOW_MS = 90_000  # a worker warms up, a shared machine is busy

# Points drawn so far on the charts whose name begins with ours.
POINTS = """() => Math.max(0, ...[...document.querySelectorAll('.thaw-plot')]
    .flatMap(plot => (plot.data ?? []).map(trace => trace.y?.length ?? 0)))"""


def opened(page: Page, address: str) -> None:
    page.goto(address)
    ready = "[data-testid=stApp][data-test-connection-state=CONNECTED]"
    page.wait_for_selector(ready, timeout=SLOW_MS)
    settled(page)


def settled(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def answered(page: Page, question: str, answer: str) -> None:
    group = page.get_by_role("radiogroup", name=question)
    group.get_by_text(answer, exact=True).click()
    settled(page)


def test_visitor_asks_is_advised_runs_reloads_and_reads_the_score(page):
    opened(page, "/")
    answered(page, "What do you want to sort?", "Images")
    answered(page, "How many examples do you have?", "A few")
    answered(page, "How special is your task?", "Somewhat special")
    expect(page.get_by_role("heading", name="Transfer learning")).to_be_visible()
    assert "data_volume" in page.url

    page.get_by_role("button", name="Run it on a sample like yours").click()
    expect(page.get_by_role("heading", name="Run an approach")).to_be_visible()
    expect(page.get_by_text("Handwritten digits").first).to_be_visible()

    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function(f"({POINTS})() >= 2", timeout=SLOW_MS)
    assert "run=" in page.url

    page.reload()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("test examples right").first).to_be_visible()
    expect(page.get_by_text("Which class was taken for which")).to_be_visible()


def test_curve_grows_in_place_and_the_run_survives_a_reload(page):
    opened(page, "/run?approach=fine_tune&data=digits&per_class=100&seconds=20")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function(f"({POINTS})() >= 1", timeout=SLOW_MS)
    page.evaluate("document.querySelector('.thaw-plot').dataset.mine = 'kept'")
    before = page.evaluate(POINTS)
    # Or it is over by now: on a busy machine few steps fit into the budget.
    grown = f"({POINTS})() > {before} || document.body.innerText.includes('Finished in')"
    page.wait_for_function(grown, timeout=SLOW_MS)
    # Still the same chart; a finished run has others above it.
    assert page.locator(".thaw-plot[data-mine=kept]").count() == 1

    page.reload()
    page.wait_for_function(f"({POINTS})() >= {before}", timeout=SLOW_MS)
    stop = page.get_by_role("button", name="Stop and test the best so far")
    if stop.is_visible():  # a fast machine may be done by now
        stop.click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("test examples right").first).to_be_visible()


def test_cancelled_run_says_so(page):
    opened(page, "/run?approach=scratch&data=digits&per_class=100&seconds=60")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel").click(timeout=SLOW_MS)
    expect(page.get_by_text("Cancelled: no score.").first).to_be_visible(timeout=10_000)


def test_a_link_from_a_page_to_itself_is_told_to_the_browser(page):
    """Else a reload, Back and the next press of a button lead to where the link was."""
    opened(page, "/data")
    page.get_by_role("link", name="Handwritten digits").click()
    page.wait_for_url("**/data?data=digits")
    page.reload()
    expect(page.get_by_role("heading", name="Handwritten digits")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Your own data")).to_be_visible()


def test_answers_in_the_address_come_back(page):
    opened(page, "/?data_volume=moderate&data_quality=mixed&specificity=specialised")
    group = page.get_by_role("radiogroup", name="How clean are they?")
    expect(group.get_by_role("radio", name="Mixed")).to_be_checked()
    expect(page.get_by_role("heading", name="Hybrid")).to_be_visible()


@pytest.mark.parametrize("address", ["/", "/run"])
def test_nothing_is_cut_off_on_a_phone(page, address):
    page.set_viewport_size({"width": 400, "height": 800})
    opened(page, address)
    wider = page.evaluate(
        "() => document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth"
    )
    assert wider <= 0


def test_who_pressed_start_at_the_foot_sees_the_top_of_the_run(page):
    page.set_viewport_size({"width": 400, "height": 800})
    opened(page, "/run?approach=transfer&data=digits&per_class=20&seconds=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("Finished in").first).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_fits_on_a_phone_in_light_and_dark(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 400, "height": 800})
    opened(page, "/run?approach=transfer&data=digits&per_class=20&seconds=10")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("Which class was taken for which")).to_be_visible()
    wider = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.thaw-plot, .cards')]"
        ".map(part => part.getBoundingClientRect().right - innerWidth))"
    )
    assert wider <= 0


def test_app_process_never_imports_what_only_workers_need(page, app):
    opened(page, "/")
    opened(page, "/run?approach=none&data=messages&per_class=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    with urllib.request.urlopen(f"{app}/health", timeout=10) as answer:
        health = json.load(answer)
    assert health["heavy_modules"] == []


def test_a_comparison_ends_with_a_verdict_and_survives_a_reload(page):
    opened(page, "/run?data=digits&per_class=10&seconds=5")
    page.get_by_role("button", name="Compare all approaches instead").click()
    expect(page.get_by_role("heading", name="The lanes")).to_be_visible(timeout=SLOW_MS)
    page.reload()
    expect(page.get_by_role("heading", name="What came out")).to_be_visible(timeout=2 * SLOW_MS)
    expect(page.get_by_text("the article's rules point to")).to_be_visible()
    assert page.evaluate(POINTS) >= 2
