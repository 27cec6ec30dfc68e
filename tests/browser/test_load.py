"""The load test's own client (tests/bench/tab.py), with three visitors at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from guide import APPROACHES, QUESTIONS
from tests.bench.tab import Tab, cookie

pytestmark = pytest.mark.browser
RUN = "approach=transfer&data=digits&per_class=5&seconds=5"
MODALITY = QUESTIONS["modality"]
IMAGES = MODALITY.options[0].title


def query_of(tab: Tab) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in tab.query.split("&"))


async def visit(address: str) -> tuple[str, Tab]:
    """Answers a question, starts a run, watches it to its end."""
    tab = Tab(address, await asyncio.to_thread(cookie, address))
    await tab.open()
    await tab.choose(MODALITY.title, IMAGES)
    (chosen,) = (radio for radio in tab.shown("radio") if radio.label.endswith(MODALITY.title))
    assert query_of(tab)[chosen.query_param_key] == IMAGES
    assert not tab.polls
    await tab.press("Run it on a sample like yours")
    assert (tab.page, query_of(tab)["approach"] in APPROACHES) == ("run", True)
    await tab.close()

    tab = Tab(address, tab.cookie)
    await tab.open("run", RUN)
    await tab.press("Start")
    run = query_of(tab)["run"]
    async with asyncio.timeout(120):  # the worker may still warm up
        while not any("Finished in" in bar.text for bar in tab.shown("progress")):
            await asyncio.sleep(0.05)
    await tab.settled()
    polls = tab.polls
    await asyncio.sleep(1.5)
    assert tab.polls == polls > 0, "A finished page must ask for nothing."
    assert any("Macro-F1" in metric.label for metric in tab.shown("metric"))
    await tab.close()
    return run, tab


def test_three_sessions_ask_the_guide_start_runs_and_watch_them_to_the_end(app):
    async def everyone() -> list[tuple[str, Tab]]:
        return await asyncio.gather(*(visit(app) for _ in range(3)))

    with ThreadPoolExecutor() as other:  # in this thread Playwright's loop may still run
        found = other.submit(lambda: asyncio.run(everyone())).result()
    runs, tabs = zip(*found, strict=True)
    assert len(set(runs)) == 3
    assert len({tab.cookie for tab in tabs}) == 3
    assert not any(tab.drops or tab.errors for tab in tabs)
    assert all(tab.received_bytes > 10_000 for tab in tabs)
