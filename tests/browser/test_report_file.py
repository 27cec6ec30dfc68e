"""The report of a run before a real browser: readable by everyone, on a phone and on paper."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from trainers.events import RunFinished
from trainers.plan import Plan
from trainers.reports.report import render_report
from trainers.store import get_store
from trainers.training.run import run
from trainers.workers.execute import execute

pytestmark = pytest.mark.browser
LONG = ["<b>one</b>", "Mustererkennungsfehlerwahrscheinlichkeit" * 2, "two words"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def file(tmp_path):
    """The report of a real, short run, whose classes have names that are hard to show."""
    plan = Plan(data="digits", approach="transfer", examples_per_class=5, seconds=3)
    key = get_store().enqueue(plan, visitor="ann", worker="test")
    *told, end = execute(get_store(), key, plan, run)
    assert isinstance(end, RunFinished), end
    names = [*LONG, *end.classes[3:]]
    told[0] = replace(told[0], classes=names)
    to = tmp_path / "report.html"
    to.write_text(
        render_report(get_store().get_run(key), [*told, replace(end, classes=names)]), "utf-8"
    )
    return to


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_is_accessible_fits_and_asks_for_nothing(file, chromium, width, scheme):
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    )
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
    assert found.response["violations"] == [], found.generate_report()
    assert said == []
    context.close()


def test_without_javascript_and_on_paper_everything_is_there(file, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    for heading in ("The question", "The result", "What to do next", "Limits"):
        assert page.get_by_role("heading", name=heading).is_visible()
    assert page.locator(".curve:not(.sure)").is_visible()
    assert page.get_by_text("<b>one</b>", exact=True).first.is_visible()
    mark = page.locator(".curve:not(.sure) .at").last
    assert mark.locator("text").is_hidden()
    mark.locator(".hit").hover()
    assert mark.locator("text").is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("details").first.is_hidden()
    assert page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert page.pdf().startswith(b"%PDF")
    context.close()
