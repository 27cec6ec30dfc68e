"""Whatever a stranger called things: on no page does a name act, and no page asks anybody else.

A real browser walks over every page of a data folder full of hostile names: of files, classes,
texts, notes, findings, rooms, people, and of runs that came out of a file.
"""

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.browser.conftest import LEFT
from tests.support.hostile import AWAY, SHORT, SIGNS, TRAINED, filled

pytestmark = pytest.mark.browser
PATIENCE_MS = 120_000
WHOLE = """() => !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('.thaw-plot')].every(one => one.querySelector('.main-svg'))"""
UNFOLD = "document.querySelectorAll('details:not([open]) > summary').forEach(one => one.click())"
# What a name would have become, had it been taken for more than text; in shadow trees as well.
ACTED = """() => {
  const found = [];
  const look = root => root.querySelectorAll('*').forEach(one => {
    const tag = one.localName, given = [...one.attributes].map(a => [a.name, a.value]);
    if (given.some(([name]) => name.startsWith('on'))) found.push(`${tag} with a handler`);
    if (given.some(([name, value]) => ['src', 'href', 'srcset', 'data', 'action'].includes(name)
        && /javascript:|away[.]example|^[/][/]a[.]b/.test(value))) found.push(`${tag} leads away`);
    if (['iframe', 'object', 'embed', 'script'].includes(tag) && !one.closest('head')
        && one.id !== 'root' && tag !== 'script') found.push(tag);
    if (one.classList.contains('katex')) found.push('a formula');
    if (one.shadowRoot) look(one.shadowRoot);
  });
  look(document);
  return found;
}"""
TEXT = """() => {
  const all = root => [...root.querySelectorAll('*')].map(one =>
      (one.shadowRoot ? all(one.shadowRoot) : '') + ' ' + (one.value ?? '')).join('')
      + ' ' + (root.body ?? root).textContent;
  return all(document);
}"""
WITHOUT = {"guide", "claims", "learn", "somebody else's data set"}  # pages that show no such name


@pytest.fixture(scope="module")
def addresses(app, tmp_path_factory):
    return filled(tmp_path_factory.mktemp("texts"), app.home)


@pytest.fixture(scope="module")
def pages(app, chromium):
    """A page of a visitor's browser, one for each; what it complains of is in `said`."""
    made, said = {}, []

    def page_of(visitor: str):
        if visitor not in made:
            context = chromium.new_context(viewport={"width": 1280, "height": 900})
            context.add_cookies([{"name": "thaw_visitor", "value": visitor, "url": app.url}])
            page = made[visitor] = context.new_page()
            page.on("dialog", lambda told: (said.append(told.message), told.dismiss()))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("console", lambda told: said.append(told.text) if is_fault(told) else None)
        said.clear()
        return made[visitor], said

    yield page_of
    for page in made.values():
        page.context.close()


def is_fault(told) -> bool:
    """Not that Streamlit looks for its own address below the page's name first."""
    return told.type == "error" and not ("404" in told.text and "/_stcore/" in told.location["url"])


def walked(page, url: str) -> str:
    """Opens everything that there is on a page; its text."""
    page.goto(url)
    page.wait_for_selector("#thaw-word", state="attached", timeout=PATIENCE_MS)  # comes last
    return walked_on(page)


def walked_on(page) -> str:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.evaluate(UNFOLD)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function(WHOLE, timeout=PATIENCE_MS)
    return re.sub(r"\s+", " ", page.evaluate(TEXT).replace("\u2060", ""))


def test_names_stay_text_on_every_page(app, addresses, pages):
    shown, wrong = set(), []
    for name, (visitor, address) in addresses.items():
        page, said = pages(visitor)
        text = walked(page, app.url + address)
        if name == TRAINED:
            text = tried(page)
        wrong += [f"{name}: {what}" for what in [*page.evaluate(ACTED), *said, *LEFT]]
        LEFT.clear()
        seen = {sign for sign in (*SIGNS, SHORT) if sign in text}
        shown |= seen
        if bool(seen) == (name in WITHOUT):
            wrong.append(f"{name}: shows {seen or 'no name'}")
    assert not wrong, "\n".join(wrong)
    assert shown == {*SIGNS, SHORT}
    assert_nobody_was_asked(app)


def tried(page) -> str:
    """Asks the model that was trained meanwhile: an example of its test, and a text; its page."""
    example = page.get_by_role("radiogroup", name="Or take an example").or_(
        page.get_by_test_id("stButtonGroup").filter(has_text="no. 1")
    )
    example.get_by_text("no. 1").first.click(timeout=PATIENCE_MS)
    page.get_by_text("Its answers").wait_for(timeout=PATIENCE_MS)
    return walked_on(page)


def assert_nobody_was_asked(app) -> None:
    """Neither by the app nor by its workers, nor by what runs below Python in them."""
    watched, others = [], []
    for line in app.noted():
        (watched if line.split()[1] == "watched" else others).append(line)
    assert len(watched) >= 4  # the app, a worker, the light one, and the one that answers
    assert not others
    family = psutil.Process(app.pid)
    far = [
        line.raddr.ip
        for process in (family, *family.children(recursive=True))
        for line in process.net_connections("inet")
        if line.raddr and line.raddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    ]
    assert not far


def test_the_note_would_name_whoever_is_asked(app):
    done = subprocess.run(
        [sys.executable, "-c", "import socket\nsocket.getaddrinfo('away.example', 80)"],
        env=app.environment | {"THAW_TEST_ADDRESSES": f"{app.addresses}-of-another"},
        capture_output=True,
        check=False,
    )
    assert done.returncode
    noted = Path(f"{app.addresses}-of-another").read_text()
    assert "socket.getaddrinfo away.example" in noted


def test_the_walk_would_notice(app, pages):
    """A page on which the names do act."""
    page, said = pages("somebody-else-entirely")
    page.route(f"http://{AWAY}/**", lambda route: route.fulfill(status=404))
    page.goto(f"{app.url}/health")
    page.evaluate(
        "html => document.body.innerHTML = html",
        '<a href="javascript:alert(3)">y</a><span class="katex">x</span>'
        f'<img src="http://{AWAY}/a.png" onerror="alert(2)">',
    )
    page.wait_for_timeout(300)
    acted = page.evaluate(ACTED)
    assert {"a leads away", "img leads away", "img with a handler", "a formula"} <= set(acted)
    assert LEFT or said  # our policy, or the request
    LEFT.clear()
