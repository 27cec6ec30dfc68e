"""A room in real browsers: one leads, two take part, and each sees what is theirs to see."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect

from tests.browser.test_walk import SLOW_MS, opened, settled

pytestmark = pytest.mark.browser


@pytest.fixture
def visitor(chromium: Browser, app):
    """Makes browsers of other visitors, each with its own cookies."""
    made: list[BrowserContext] = []

    def new(**look) -> Page:
        made.append(chromium.new_context(base_url=app, **look))
        return made[-1].new_page()

    yield new
    for context in made:
        context.close()


def joined(page: Page, code: str, name: str) -> None:
    opened(page, "/room")
    page.get_by_label("Code").fill(f" {code.lower()} ")
    page.get_by_role("button", name="Join", exact=True).click()
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()
    page.get_by_role("button", name="Go and run it").wait_for()
    settled(page)


def test_a_class_runs_and_the_board_shows_it(page, visitor):
    opened(page, "/room")
    card = page.get_by_role("heading", name="Same data, three approaches").locator(
        "xpath=ancestor::*[@data-testid='stColumn'][1]"
    )
    card.get_by_role("button", name="Open a room with it").click()
    expect(page.get_by_role("img", name="QR code that leads into the room")).to_be_visible()
    code = re.search(r"room=([A-Z]{6})", page.url)[1]

    ana, ben = visitor(), visitor(viewport={"width": 400, "height": 800})
    received: list[bytes] = []
    ben.on("websocket", lambda socket: listen(socket, received))
    joined(ana, code, "Ana")
    joined(ben, code, "ana")
    expect(page.get_by_text("2 here")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("Ana, ana 2")).to_be_visible()

    # Pause blocks a start, and says so where people are.
    ana.get_by_role("button", name="Go and run it").click()
    # The last: for a moment the old one stands before the one that takes its place.
    start = ana.get_by_role("button", name="Start", exact=True).last
    expect(start).to_be_enabled(timeout=SLOW_MS)
    page.get_by_role("button", name="Pause").click()
    expect(start).to_be_disabled(timeout=SLOW_MS)
    expect(ana.get_by_text("The room is paused")).to_be_visible()
    expect(ben.get_by_text("Paused: please look up")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Go on").click()
    expect(start).to_be_enabled(timeout=SLOW_MS)

    start.click()
    expect(ana.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    right = ana.get_by_text(re.compile(r"^\d+%$")).first.inner_text()
    run = re.search(r"run=([\w-]+)", ana.url)[1]

    for other in (page, ben):  # on both boards, with the score that its owner saw
        row = other.get_by_role("row").filter(has_text="Transfer learning")
        expect(row).to_contain_text("Ana", timeout=SLOW_MS)
        expect(row).to_contain_text(right)
    assert any(b"Transfer learning" in frame for frame in received)
    assert not any(run.encode() in frame for frame in received)

    opened(page, f"/room?room={code}&wall=1")
    expect(page.get_by_text(code, exact=True)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Ana")).to_contain_text(right)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def listen(socket: WebSocket, received: list[bytes]) -> None:
    socket.on(
        "framereceived",
        lambda frame: received.append(frame if isinstance(frame, bytes) else frame.encode()),
    )


def test_the_charts_and_rows_of_a_live_board_are_not_made_anew(page, visitor):
    opened(page, "/room")
    page.get_by_role("button", name="Open a room with it").first.click()
    page.wait_for_selector(".thaw-plot .main-svg")
    page.evaluate("document.querySelector('.thaw-plot').dataset.mine = 'kept'")
    code = re.search(r"room=([A-Z]{6})", page.url)[1]
    joined(visitor(), code, "Ana")
    expect(page.get_by_text("1 here")).to_be_visible(timeout=SLOW_MS)
    page.wait_for_timeout(2_500)
    assert page.locator(".thaw-plot[data-mine=kept]").count() == 1
