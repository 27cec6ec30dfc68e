"""The page Learn before a real browser: words that explain themselves, topics, links to Run."""

import pytest
from playwright.sync_api import expect

from guide.glossary import GLOSSARY
from guide.topics import TOPICS

pytestmark = pytest.mark.browser
SLOW_MS = 60_000


def opened(page, address):
    page.goto(address)
    page.wait_for_selector("#thaw-word", state="attached", timeout=SLOW_MS)  # comes last
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def word(page, key):
    return page.locator(f'a[href="#word-{key}"]').first


def test_a_word_explains_itself_to_mouse_keyboard_and_escape(page):
    opened(page, "/learn?topic=hybrid")
    bubble = page.get_by_role("tooltip")
    word(page, "learning-rate").hover()
    expect(bubble).to_have_text(GLOSSARY["learning-rate"].definition)
    bubble.hover()
    page.wait_for_timeout(400)  # longer than it waits after the pointer has left
    expect(bubble).to_be_visible()
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    word(page, "head").focus()
    expect(bubble).to_have_text(GLOSSARY["head"].definition)
    expect(word(page, "head")).to_have_attribute("aria-describedby", "thaw-word")
    page.keyboard.press("Tab")
    expect(bubble).to_have_text(GLOSSARY["hybrid"].definition)
    assert page.url.endswith("/learn?topic=hybrid")


def test_a_word_explains_itself_to_a_finger(chromium, app):
    context = chromium.new_context(
        viewport={"width": 400, "height": 800}, has_touch=True, base_url=app
    )
    page = context.new_page()
    opened(page, "/learn?topic=hybrid")
    bubble = page.get_by_role("tooltip")
    word(page, "learning-rate").tap()
    expect(bubble).to_have_text(GLOSSARY["learning-rate"].definition)
    box = bubble.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 400
    page.touchscreen.tap(200, 90)
    expect(bubble).to_be_hidden()
    context.close()


def test_topics_follow_each_other_and_lead_to_run(page):
    opened(page, "/learn")
    page.get_by_role("link", name="Next: What a backbone knows").click()
    expect(page.get_by_role("heading", name=TOPICS["backbone"].heading)).to_be_visible()
    page.get_by_role("radio", name="LoRA").click()
    expect(page.get_by_role("heading", name=TOPICS["lora"].heading)).to_be_visible()
    assert page.url.endswith("topic=lora")
    page.reload()
    expect(page.get_by_role("heading", name=TOPICS["lora"].heading)).to_be_visible()
    page.get_by_role("link", name="See it on data").click()
    expect(page.get_by_role("heading", name="Run an approach")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=SLOW_MS)


def test_nothing_is_wider_than_a_phone(page):
    page.set_viewport_size({"width": 400, "height": 800})
    opened(page, "/learn")
    for topic in TOPICS.values():
        page.get_by_role("radio", name=topic.title).click()
        expect(page.get_by_role("heading", name=topic.heading)).to_be_visible()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        expect(page.locator(".thaw-plot, .cards, svg[aria-label]").first).to_be_visible()
        wider = page.evaluate(
            "() => Math.max(0, ...[...document.querySelectorAll('.thaw-plot, .cards')]"
            ".map(part => part.getBoundingClientRect().right - innerWidth))"
        )
        assert wider <= 0, topic.key
