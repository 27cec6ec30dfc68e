"""Every page passes axe-core's rules of WCAG 2.2, A and AA; nothing of a page is beyond a phone.

No violation is excused: at Streamlit 1.67 none comes from its own parts.
"""

import base64

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, TimeoutError, expect

from guide.topics import TOPICS
from pages.parts.results import SECTIONS
from tests.browser.test_walk import SLOW_MS, settled
from tests.support import stored_runs as kept

pytestmark = pytest.mark.browser
AXE = Axe()
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ALL_RULES = {"type": "tag", "values": LEVELS}
# Widths change what there is and where, the scheme changes colours: each is met in one of the two.
VIEWS = [(1280, "light"), (400, "dark")]
PAGES = {
    "guide": "/?modality=images&data_volume=moderate&data_quality=mixed&specificity=specialised",
    "data": "/data",
    "data, class by class": "/data?way=classes",
    "a data set": "/data?data=digits",
    "run": "/run?data=digits",
    "claims": "/claims",
    "runs": "/runs",
    "room": "/room",
    **{f"learn, {topic}": f"/learn?topic={topic}" for topic in (*TOPICS, "words")},
    "compare, none yet": "/compare",
    "no such run": "/run?run=nothing",
    "no such link": "/run?shared=nothing",
    "no such comparison": "/compare?compare=nothing",
    "no such room": "/room?room=ABCDEF",
    "no such data": "/data?data=own-nothing",
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


def drawn(page: Page, address: str, whole: str = WHOLE) -> None:
    page.goto(address)
    page.wait_for_selector("#thaw-word", state="attached", timeout=SLOW_MS)  # comes last
    settled(page)
    page.wait_for_function(whole, timeout=SLOW_MS)


def barriers(page: Page) -> list[str]:
    """What axe-core finds wrong, wide in the light and narrow in the dark."""
    found = []
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"getComputedStyle(document.querySelector('[data-testid=stApp]'))"
                               f".colorScheme === '{scheme}'")  # fmt: skip
        page.evaluate(FADED)
        options = {"runOnly": ALL_RULES, "resultTypes": ["violations"]}
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


def unfolded(page: Page) -> None:
    page.evaluate(UNFOLD)
    page.wait_for_function(f"!{FOLDED}.length")
    settled(page)
    page.wait_for_function(WHOLE)


@pytest.mark.parametrize("name", [*PAGES, *KEPT])
def test_page_has_no_barrier(mine, addresses, name):
    place, _, section = name.partition(", ")
    address = PAGES.get(name) or addresses[place] + (f"&section={section}" if section else "")
    drawn(mine, address)
    unfolded(mine)
    assert not barriers(mine)


@pytest.mark.parametrize("name", ["shared run", "shared comparison"])
def test_what_a_guest_sees_by_a_link_has_no_barrier(page, addresses, name):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, addresses[name])
    expect(page.get_by_text("right in the test").or_(page.get_by_text("examples right")).first
           ).to_be_visible()  # fmt: skip
    unfolded(page)
    assert not barriers(page)


def test_a_comparison_at_work_has_no_barrier(mine, app, app_home):
    drawn(mine, kept.racing(app_home))
    assert mine.get_by_role("button", name="Cancel").is_visible()
    assert not barriers(mine)


def test_the_link_of_a_run_has_no_barrier(mine, addresses):
    drawn(mine, addresses["finished"])
    mine.get_by_role("button", name="Share").click()
    mine.get_by_role("button", name="Stop sharing").wait_for()
    assert not barriers(mine)


def test_a_search_that_finds_nothing_has_no_barrier(mine, addresses):
    drawn(mine, "/runs")
    mine.get_by_label("Search").fill("nothing is called so")
    mine.keyboard.press("Enter")
    mine.get_by_text("Nothing is called").wait_for()
    settled(mine)
    assert not barriers(mine)


def test_pictures_without_folders_are_refused_with_no_barrier(page):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, "/data")
    raw = base64.b64decode(kept.DOT.partition(",")[2])
    some = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": raw} for n in range(3)]
    page.get_by_label("Files to add").set_input_files(some)
    page.get_by_role("button", name="Add them class by class").wait_for(timeout=SLOW_MS)
    settled(page)
    assert not barriers(page)


def test_a_model_that_answers_and_explains_has_no_barrier(page):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, "/run?approach=hybrid&data=digits&per_class=20&seconds=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    run = page.url
    drawn(page, f"{run}&section=try")
    page.get_by_text("no. 1:").click(timeout=SLOW_MS)
    page.get_by_role("heading", name="Its answers").wait_for(timeout=SLOW_MS)
    settled(page)
    page.wait_for_function(WHOLE)
    assert not barriers(page)
    drawn(page, f"{run}&section=why")
    page.get_by_role("button", name="Show what it rests on").click()
    page.get_by_text("The numbers").wait_for(timeout=SLOW_MS)
    settled(page)
    unfolded(page)
    assert not barriers(page)
    drawn(page, f"{run}&section=take")
    page.get_by_role("button", name="Pack the model").click()
    page.get_by_text("Download the model").wait_for(timeout=SLOW_MS)
    settled(page)
    assert not barriers(page)


def test_what_a_model_forgot_has_no_barrier_asked_and_answered(mine, app, app_home):
    store = kept.store_of(app_home)
    run = kept.run(store, "hybrid")
    address = f"/run?run={run}&section=forgot"
    drawn(mine, address)
    assert mine.get_by_role("button", name="Ask it, before and after").is_visible()
    assert not barriers(mine)
    kept.forgot(store, run)
    drawn(mine, address)
    assert mine.get_by_text("Right before, wrong now").is_visible()
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
