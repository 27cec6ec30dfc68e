"""What a finished run had right and wrong, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_walk import SLOW_MS, opened, settled

pytestmark = pytest.mark.browser

# The place on the page of the middle of a cell, [row, column], and how often it came.
CELL = """([row, column]) => {
  const plot = document.querySelector('.thaw-plot.clickable')
  plot.scrollIntoView({ block: 'center' })
  const box = plot.querySelector('.nsewdrag').getBoundingClientRect()
  const many = plot.data[0].x.length
  return { x: box.x + box.width * (column + 0.5) / many,
           y: box.y + box.height * (row + 0.5) / many, count: plot.data[0].z[row][column] }
}"""


def test_a_click_on_the_matrix_shows_those_examples_and_so_does_the_keyboard(page):
    opened(page, "/run?approach=transfer&data=digits&per_class=5&seconds=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("Click a square of the matrix")).to_be_visible()
    page.wait_for_selector(".thaw-plot.clickable .nsewdrag")

    cell = page.evaluate(CELL, [4, 4])
    page.wait_for_timeout(300)  # until it has scrolled
    cell = page.evaluate(CELL, [4, 4])
    page.mouse.click(cell["x"], cell["y"])
    said = page.get_by_text(re.compile(r"examples of 4 are right"))
    expect(said).to_be_visible(timeout=SLOW_MS)
    expect(said).to_contain_text(f"{cell['count']} of ")
    settled(page)
    cards = page.locator("ul.cards").nth(1)  # the first are those watched in training
    labels = cards.locator(".label").all_inner_texts()
    assert labels
    assert set(labels) == {"4"}
    assert all("% sure" in one for one in cards.locator(".answer").all_inner_texts())

    truth = page.get_by_role("combobox", name=re.compile("It was"))
    truth.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"examples of 7 (was|were) taken for 4"))).to_be_visible()
    page.wait_for_function(
        "document.querySelector('.thaw-plot.clickable').layout.shapes[0].y0 + 0.5 === 7"
    )


def test_the_sections_fit_on_a_phone_in_light_and_dark(page):
    page.set_viewport_size({"width": 400, "height": 800})
    opened(page, "/run?approach=none&data=digits&per_class=5&seconds=5")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    run = page.url
    for section, title in SECTIONS.items():
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            opened(page, f"{run}&section={section}")
            expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=SLOW_MS)
            page.wait_for_timeout(1000)  # until the chart is drawn
            wider = page.evaluate(
                "() => Math.max(...[...document.querySelectorAll('.thaw-plot, .cards, table')]"
                ".map(part => part.getBoundingClientRect().right - innerWidth))"
            )
            assert wider <= 0, (section, scheme)


SECTIONS = {"mistakes": "Which class was taken for which", "fair": "Each class"}
