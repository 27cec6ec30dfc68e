"""From the guide to a started run without a mouse; where the keyboard is can be seen."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_axe import drawn
from tests.browser.test_walk import SLOW_MS, settled

pytestmark = pytest.mark.browser
MOST_TABS = 60
ROUND_PX = 20  # a radio button is drawn beside what has the keyboard

# What has the keyboard, as a screen reader would call it, roughly.
AT = """const at = document.activeElement.shadowRoot?.activeElement ?? document.activeElement;"""
NAME = (
    f"() => {{ {AT}"
    + """
  if (['MAIN', 'BODY'].includes(at.tagName)) return ''
  return (at.getAttribute('aria-label') || at.closest('[role=radiogroup]')?.ariaLabel
    || at.closest('label')?.innerText || at.labels?.[0]?.innerText
    || at.innerText || '').trim() }"""
)


def tabbed_to(page: Page, name: str) -> None:
    """Presses Tab until the keyboard is at what is called so, and can be seen there."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        called = page.evaluate(NAME)
        if name in called and not called.startswith("Help for"):
            assert can_be_seen(page), f"At {name!r} the keyboard cannot be seen."
            return
    raise AssertionError(f"{MOST_TABS} times Tab did not come to {name!r}.")


def can_be_seen(page: Page) -> bool:
    """Whether what has the keyboard looks otherwise than without it."""
    place = page.evaluate(
        f"() => {{ {AT} const {{ x, y, width, height }} = at.getBoundingClientRect();"
        " return { x, y, width, height } }"
    )
    around = {
        "x": max(0, place["x"] - ROUND_PX),
        "y": max(0, place["y"] - ROUND_PX),
        "width": place["width"] + 2 * ROUND_PX,
        "height": place["height"] + 2 * ROUND_PX,
    }
    page.wait_for_timeout(300)  # what fades in has done so
    focused = page.screenshot(clip=around, caret="initial")
    page.evaluate(f"() => {{ {AT} window.had = at; at.blur() }}")
    page.wait_for_timeout(300)
    without = page.screenshot(clip=around)
    page.evaluate("() => window.had.focus({ focusVisible: true })")
    return focused != without


def test_from_the_guide_to_a_started_run_by_keyboard_alone(page):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, "/")
    tabbed_to(page, "What do you want to sort?")
    page.keyboard.press("ArrowUp")  # from "not sure", the last
    page.keyboard.press("ArrowUp")
    settled(page)
    expect(page.get_by_role("radio", name="Images")).to_be_checked()
    tabbed_to(page, "Run it on a sample like yours")
    page.keyboard.press("Enter")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_visible(timeout=SLOW_MS)  # and so is all above it
    settled(page)

    tabbed_to(page, "Time budget")
    page.keyboard.press("Home")
    settled(page)
    expect(page.get_by_text("5 seconds").first).to_be_visible()
    tabbed_to(page, "Start")
    page.keyboard.press("Space")
    page.wait_for_url("**run=**", timeout=SLOW_MS)
    tabbed_to(page, "Cancel")
    page.keyboard.press("Enter")
    over = page.get_by_text("Cancelled: no score.").or_(page.get_by_text("Finished in"))
    expect(over.first).to_be_visible(timeout=SLOW_MS)


def test_a_word_is_explained_by_keyboard_on_the_run_page(page):
    drawn(page, "/run?data=digits")
    tabbed_to(page, "checks progress")
    expect(page.get_by_role("tooltip")).to_contain_text("held back from training")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()


def test_own_pictures_are_brought_by_keyboard(page):
    # Listened for from the start: a key pressed at once would come before Chromium tells of it.
    page.on("filechooser", lambda _: None)
    page.emulate_media(reduced_motion="reduce")
    drawn(page, "/data")
    tabbed_to(page, "Choose a file")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    drawn(page, "/data?way=classes")
    tabbed_to(page, "Name of the class")
    page.keyboard.press("Control+a")
    page.keyboard.type("ants")
    page.keyboard.press("Enter")  # or leaving the field would draw anew what has the keyboard then
    settled(page)
    tabbed_to(page, "Add pictures")
    with page.expect_file_chooser():
        page.keyboard.press("Space")
    tabbed_to(page, "Add a class")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of the class")).to_have_count(3)


def test_a_finished_run_is_shared_and_looked_into_by_keyboard(mine, addresses):
    drawn(mine, addresses["finished"])
    tabbed_to(mine, "Share")
    mine.keyboard.press("Enter")
    mine.wait_for_function("document.activeElement.closest('[data-testid=stPopoverBody]')")
    tabbed_to(mine, "Stop sharing")
    mine.keyboard.press("Tab")
    assert mine.evaluate(NAME).endswith("expand_less")  # the button that it came from
    mine.keyboard.press("Enter")
    expect(mine.get_by_role("button", name="Stop sharing")).to_be_hidden()
    tabbed_to(mine, "What to look at")
    for heading in ("Try it", "What an answer rests on", "Is it right as often as it is sure?"):
        mine.keyboard.press("ArrowRight")
        mine.keyboard.press("Space")
        expect(mine.get_by_role("heading", name=heading)).to_be_visible()
        settled(mine)


def test_a_room_is_opened_joined_and_paused_by_keyboard(page, chromium, app):
    page.emulate_media(reduced_motion="reduce")
    drawn(page, "/room")
    tabbed_to(page, "Open a room with it")
    page.keyboard.press("Enter")
    page.wait_for_url("**room=**", timeout=SLOW_MS)
    tabbed_to(page, "Pause")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    context = chromium.new_context(base_url=app, reduced_motion="reduce")
    pupil = context.new_page()
    drawn(pupil, page.url)
    tabbed_to(pupil, "Your name")
    pupil.keyboard.type("Mia")
    pupil.keyboard.press("Enter")
    expect(pupil.get_by_text("You are Mia")).to_be_visible()
    context.close()
