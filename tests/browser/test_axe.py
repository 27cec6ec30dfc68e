"""Every page passes axe-core's rules of WCAG 2.2, A and AA; nothing of a page is beyond a phone.

No violation is excused: at Streamlit 1.67 none comes from its own parts.
"""

import kept
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, TimeoutError
from test_walk import SLOW_MS, settled

from pages.parts.closer import SECTIONS

pytestmark = pytest.mark.browser
AXE = Axe()
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ALL_RULES = {"type": "tag", "values": LEVELS}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
# What the colours do not touch is the same in the light and in the dark.
VIEWS = [(1280, "light", ALL_RULES), (1280, "dark", COLOURS),
         (400, "dark", ALL_RULES), (400, "light", COLOURS)]  # fmt: skip
PAGES = {
    "guide": "/?modality=images&data_volume=moderate&data_quality=mixed&specificity=specialised",
    "data": "/data",
    "data, class by class": "/data?way=classes",
    "a data set": "/data?data=digits",
    "run": "/run?data=digits",
    "claims": "/claims",
    "runs": "/runs",
    "room": "/room",
    "learn": "/learn",
    "learn, words": "/learn?topic=words",
}
KEPT = ["compare", "side", "led room", "wall", *(f"finished, {key}" for key in SECTIONS)]
# Charts are drawn, and nothing is still to come.
WHOLE = """() => !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('.thaw-plot')].every(one => one.querySelector('.main-svg'))"""

WIDER = "document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth"
# Colours fade into each other, if for a moment only.
FADED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    .then(() => Promise.allSettled(document.getAnimations()
        .filter(one => one instanceof CSSTransition).map(one => one.finished)))
    .then(() => true)"""
FOLDED = "document.querySelectorAll('details:not([open]) > summary')"
UNFOLD = f"{FOLDED}.forEach(one => one.click())"


@pytest.fixture(scope="session")
def addresses(app, app_home) -> dict[str, str]:
    return kept.filled(app_home)


@pytest.fixture
def mine(page: Page, app) -> Page:
    """The browser of who ran what is kept."""
    page.context.add_cookies([{"name": "thaw_visitor", "value": kept.VISITOR, "url": app}])
    page.emulate_media(reduced_motion="reduce")
    return page


def drawn(page: Page, address: str, whole: str = WHOLE) -> None:
    page.goto(address)
    page.wait_for_selector("#thaw-word", state="attached", timeout=SLOW_MS)  # comes last
    settled(page)
    page.wait_for_function(whole, timeout=SLOW_MS)


def barriers(page: Page) -> list[str]:
    """What axe-core finds wrong in both widths, in the light and in the dark."""
    found = []
    for width, scheme, rules in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"getComputedStyle(document.querySelector('[data-testid=stApp]'))"
                               f".colorScheme === '{scheme}'")  # fmt: skip
        page.evaluate(FADED)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        told = AXE.run(page, options=options).response
        if told["violations"]:  # a busy computer repaints late: what is a barrier stays one
            page.wait_for_timeout(2_000)
            told = AXE.run(page, options=options).response
        for rule in told["violations"]:
            for node in rule["nodes"]:
                why = [one["message"] for one in node["any"] + node["all"] + node["none"]]
                found.append(f"{width} {scheme}: {rule['id']} at {node['target']}: {why[:1]}")
        try:
            page.wait_for_function(f"{WIDER} <= 0", timeout=5_000)  # charts take the new width
        except TimeoutError:
            found.append(f"{width} {scheme}: {page.evaluate(WIDER)} px are beyond the window")
    return found


@pytest.mark.parametrize("name", [*PAGES, *KEPT])
def test_page_has_no_barrier(mine, addresses, name):
    place, _, section = name.partition(", ")
    address = PAGES.get(name) or addresses[place] + (f"&section={section}" if section else "")
    drawn(mine, address)
    mine.evaluate(UNFOLD)
    mine.wait_for_function(f"!{FOLDED}.length")
    settled(mine)
    mine.wait_for_function(WHOLE)
    assert not barriers(mine)


def test_a_run_at_work_has_no_barrier(mine, app, app_home):
    drawn(mine, kept.at_work(app_home))
    assert mine.get_by_role("button", name="Cancel").is_visible()
    assert not barriers(mine)


def test_what_can_be_done_with_a_chosen_run_has_no_barrier(mine, addresses):
    drawn(mine, "/runs")
    mine.get_by_role("checkbox").first.focus()
    mine.keyboard.press("Space")
    mine.get_by_role("button", name="Pin to the top").wait_for()
    assert not barriers(mine)


def test_a_room_has_no_barrier_for_who_joins_and_takes_part(page, app, app_home):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, f"/room?room={kept.room(kept.store_of(app_home))}")
    assert not barriers(page)
    page.get_by_label("Your name").fill("Cem")
    page.get_by_role("button", name="Join", exact=True).click()
    page.get_by_role("button", name="Go and run it").wait_for()
    settled(page)
    page.wait_for_function(WHOLE)
    assert not barriers(page)
    page.get_by_role("button", name="Go and run it").click()
    page.get_by_role("button", name="Leave the room").wait_for()
    settled(page)
    page.wait_for_function(WHOLE)
    assert not barriers(page)
