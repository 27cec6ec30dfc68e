"""Thirty people at once: `python tests/bench/load.py --people 1,10,30,60 [--rounds 3]`.

For each number of people an app of its own is started, as users start it, with an empty data
folder. Each visitor has a cookie of their own and two tabs. In one they answer the guide, go to
Run, and all press Start at once (transfer on digits), the first visitor five times; they watch
until their run is over. In the other they go on answering the guide. Then all tabs are closed.
`--browsers` real browsers watch a run, too. With `--rounds` as many others come again to the same
app, to see whether it gives back what it took.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import psutil

from guide import QUESTIONS
from tests.bench.tab import Tab, cookie
from trainers.store import FAILED, FINISHED, Run, Store

ROOT = Path(__file__).parents[2]
THINKS_SECONDS = 5.0  # between two answers of a visitor, on average. Ours
ANSWERS = [
    (question.title, [option.title for option in question.options])
    for question in QUESTIONS.values()
    if question.depends_on is None
]
RUN = "approach=transfer&data=digits&per_class=50&seconds=30"
SHORT_RUN = "approach=transfer&data=digits&per_class=5&seconds=5"
GREEDY = 5  # presses of the first visitor
LOOK_SECONDS = 0.25


@dataclass
class Told:
    """What was measured for one number of people. Times in seconds, memory in megabytes."""

    people: int
    first_page: list[float] = field(default_factory=list)
    guide_idle: list[float] = field(default_factory=list)
    guide_training: list[float] = field(default_factory=list)
    pressed: list[float] = field(default_factory=list)  # Start until its page is there
    predicted: list[float] = field(default_factory=list)  # as the page of the run said first
    waited: list[float] = field(default_factory=list)  # each visitor's first run
    greedy_waited: list[float] = field(default_factory=list)
    all_finished: float = 0.0  # from the first press to the end of everyone's first run
    runs: int = 0
    finished: int = 0
    failed: int = 0
    dropped: int = 0
    errors: list[str] = field(default_factory=list)
    polls: int = 0
    page_seen: list[float] = field(default_factory=list)  # end of a run until its page says so
    app: dict[str, "Usage"] = field(default_factory=dict)
    workers: dict[str, "Usage"] = field(default_factory=dict)
    browsers: list[dict] = field(default_factory=list)


@dataclass
class Usage:
    """Of one process or several, while something lasted."""

    megabytes: float
    peak_megabytes: float
    files: int
    cpu: float  # share of one core


class Watch(threading.Thread):
    """Looks at processes until it is told to end."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.processes = [psutil.Process(pid) for pid in pids]
        self._over = threading.Event()
        self._peak, self._began = 0, time.monotonic()
        self._cpu = self._spent()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._peak = max(self._peak, self._bytes())

    def end(self) -> Usage:
        self._over.set()
        self.join()
        now = self._bytes()
        seconds = time.monotonic() - self._began
        return Usage(
            megabytes=now / 1e6,
            peak_megabytes=max(self._peak, now) / 1e6,
            files=sum(process.num_fds() for process in self.processes),
            cpu=(self._spent() - self._cpu) / seconds,
        )

    def _bytes(self) -> int:
        return sum(process.memory_info().rss for process in self.processes)

    def _spent(self) -> float:
        times = [process.cpu_times() for process in self.processes]
        return sum(one.user + one.system for one in times)


@dataclass
class App:
    address: str
    pid: int
    store: Store

    def workers(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.pid).children()]

    @contextmanager
    def watched(self, told: Told, when: str) -> Iterator[None]:
        """What the app and its workers take meanwhile goes to `told`."""
        app, workers = Watch([self.pid]), Watch(self.workers())
        app.start()
        workers.start()
        yield
        told.app[when], told.workers[when] = app.end(), workers.end()


@asynccontextmanager
async def running(ttl_seconds: int):
    """The app with an empty data folder, its workers warmed up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, home = f"http://localhost:{port}", tempfile.mkdtemp()
    options = ["--server.headless", "true", "--server.port", str(port)]
    options += ["--server.disconnectedSessionTTL", str(ttl_seconds)]
    with open(Path(home) / "app.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options],
            cwd=ROOT,
            env=os.environ | {"THAW_HOME": home},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            await until(lambda: process.poll() is not None or _ready(address))
            if process.poll() is not None:
                raise SystemExit((Path(home) / "app.log").read_text())
            store = Store(f"sqlite:///{Path(home) / 'thaw.db'}")
            yield App(address, process.pid, store)
            store.engine.dispose()
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(home)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as told:
            return json.load(told)["ready_workers"] > 0
    except OSError:
        return False


async def until(condition: Callable[[], bool], seconds: float = 900) -> None:
    by = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > by:
            raise SystemExit("It took too long.")
        await asyncio.sleep(0.2)


class Visitor:
    """One person: a cookie and two tabs."""

    def __init__(self, app: App, number: int) -> None:
        self.app, self.rng = app, random.Random(number)  # noqa: S311 - no secret
        self.presses = GREEDY if number == 0 else 1
        self.runs: list[str] = []
        self.last: dict[str, str] = {}  # what was chosen in the guide: the same is no answer

    async def arrive(self, told: Told) -> None:
        await asyncio.sleep(self.rng.uniform(0, THINKS_SECONDS))
        self.cookie = await asyncio.to_thread(cookie, self.app.address)
        self.guide, self.tab = (Tab(self.app.address, self.cookie) for _ in range(2))
        told.first_page.append(await self.guide.open())

    async def answer(self, latencies: list[float], times: int | None = None) -> None:
        """Answers the guide so many times, or until cancelled."""
        while times is None or times > 0:
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * THINKS_SECONDS)
            label, options = self.rng.choice(ANSWERS)
            there = [one for one in options if one != self.last.get(label)]
            self.last[label] = self.rng.choice(there)
            latencies.append(await self.guide.choose(label, self.last[label]))
            times = times and times - 1

    async def go_to_run(self) -> None:
        await self.tab.open("run", RUN)

    async def start(self, told: Told) -> None:
        """Presses Start, and again in other tabs; the first run is watched in this one."""
        for press in range(self.presses):
            tab = Tab(self.app.address, self.cookie) if press else self.tab
            if press:
                await tab.open("run", RUN)
            told.pressed.append(await tab.press("Start"))
            query = dict(pair.split("=", 1) for pair in tab.query.split("&"))
            self.runs.append(query["run"])
            if press:
                await tab.close()
            else:
                mine = self.cookie.partition("=")[2]
                wait = await asyncio.to_thread(self.app.store.estimate_wait, mine, self.runs[0])
                told.predicted.append(wait.seconds)

    async def watch(self, told: Told) -> None:
        """Until the page says that the run is over."""
        while not any("Finished in" in bar.text for bar in self.tab.shown("progress")):
            ended = ("without a score" in bar.text for bar in self.tab.shown("progress"))
            if self.tab.drops or any(ended):
                return
            await asyncio.sleep(0.05)
        run = await asyncio.to_thread(self.app.store.get_run, self.runs[0])
        told.page_seen.append(max(0.0, time.time() - run.finished_at))

    async def leave(self) -> None:
        await self.guide.close()
        await self.tab.close()


async def everyone(
    visitors: list[Visitor], told: Told, does: Callable[[Visitor], Awaitable]
) -> None:
    """All at once; who meets an error is told of, and the others go on."""
    results = await asyncio.gather(*(does(one) for one in visitors), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            told.errors.append(f"{type(result).__name__}: {result}")


async def passing_by(app: App, ttl_seconds: int) -> None:
    """A visitor who comes, runs something, and goes. Before the others: what the pages import is
    not theirs."""
    tab = Tab(app.address, await asyncio.to_thread(cookie, app.address))
    await tab.open("run", SHORT_RUN)
    await tab.press("Start")
    while not any("Finished in" in bar.text for bar in tab.shown("progress")) and not tab.drops:
        await asyncio.sleep(0.1)
    await tab.close()
    await asyncio.sleep(ttl_seconds + 2)


async def measured(people: int, browsers: int, ttl_seconds: int, rounds: int) -> list[Told]:
    """As many people come `rounds` times to one app, each time others."""
    async with running(ttl_seconds) as app:
        await passing_by(app, ttl_seconds)
        return [await _round(app, people, browsers, ttl_seconds) for _ in range(rounds)]


async def _round(app: App, people: int, browsers: int, ttl_seconds: int) -> Told:
    told = Told(people)
    with app.watched(told, "before"):
        await asyncio.sleep(2)
    visitors = [Visitor(app, number) for number in range(people)]
    with app.watched(told, "guide"):
        await everyone(visitors, told, lambda one: one.arrive(told))
        await everyone(visitors, told, lambda one: one.answer(told.guide_idle, ANSWERS_EACH))
    await everyone(visitors, told, Visitor.go_to_run)
    with app.watched(told, "runs"):
        answering = [asyncio.create_task(v.answer(told.guide_training)) for v in visitors]
        pressed = time.time()
        starting = asyncio.create_task(everyone(visitors, told, lambda one: one.start(told)))
        async with watching(app, visitors, browsers, told) if browsers else nullcontext():
            await starting
            await everyone(visitors, told, lambda one: one.watch(told))
        for one in answering:
            one.cancel()
        for result in await asyncio.gather(*answering, return_exceptions=True):
            if isinstance(result, Exception):
                told.errors.append(f"{type(result).__name__}: {result}")
    keys = [key for visitor in visitors for key in visitor.runs]
    await until(lambda: all(app.store.get_run(key).is_over for key in keys))
    runs = {key: app.store.get_run(key) for key in keys}
    _runs(told, visitors, runs, pressed)
    tabs = [tab for visitor in visitors for tab in (visitor.guide, visitor.tab)]
    told.dropped, told.polls = sum(tab.drops for tab in tabs), sum(tab.polls for tab in tabs)
    told.errors += [error for tab in tabs for error in tab.errors]
    await everyone(visitors, told, Visitor.leave)
    await asyncio.sleep(ttl_seconds + 1)
    await passing_by(app, ttl_seconds)  # Streamlit forgets old sessions when another one ends
    with app.watched(told, "after"):
        await asyncio.sleep(2)
    return told


ANSWERS_EACH = 8  # before anyone presses Start. Ours


def _runs(told: Told, visitors: list[Visitor], runs: dict[str, Run], pressed: float) -> None:
    first = [runs[visitor.runs[0]] for visitor in visitors if visitor.runs]
    told.runs = len(runs)
    told.finished = sum(run.state == FINISHED for run in runs.values())
    told.failed = sum(run.state == FAILED for run in runs.values())
    told.waited = [run.started_at - run.created_at for run in first]
    told.greedy_waited = [runs[key].started_at - runs[key].created_at for key in visitors[0].runs]
    told.all_finished = max(run.finished_at for run in first) - pressed


@asynccontextmanager
async def watching(app: App, visitors: list[Visitor], browsers: int, told: Told):
    """Real browsers, one after another of which watches the run of a visitor until it is over."""
    from playwright.async_api import async_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=flags
        )

        async def look(number: int) -> dict:
            visitor = visitors[-1 - number % len(visitors)]
            while not visitor.runs:
                await asyncio.sleep(0.1)
            page, failed = await (await browser.new_context()).new_page(), []
            page.on("pageerror", lambda error: failed.append(str(error)))
            began = time.perf_counter()
            await page.goto(f"{app.address}/run?run={visitor.runs[0]}")
            bar = page.get_by_role("progressbar").first
            await bar.wait_for(timeout=120_000)
            opened = time.perf_counter() - began
            await page.get_by_text("Finished in").first.wait_for(timeout=900_000)
            late = time.time() - app.store.get_run(visitor.runs[0]).finished_at
            return {"opened": opened, "seen_after_end": late, "errors": failed}

        looking = [asyncio.create_task(look(number)) for number in range(browsers)]
        yield
        told.browsers = list(await asyncio.gather(*looking))
        await browser.close()


def ms(seconds: list[float]) -> str:
    if not seconds:
        return "–"
    low, high = 1000 * np.quantile(seconds, [0.5, 0.95])
    return f"{low:.0f} / {high:.0f}"


def table(all_told: list[Told]) -> Iterator[str]:
    """The table, as Markdown: a column for each number of people."""
    yield "| " + " | ".join(["people", *(str(told.people) for told in all_told)]) + " |"
    yield "|---" * (len(all_told) + 1) + "|"
    for name, of in ROWS.items():
        yield "| " + " | ".join([name, *(of(told) for told in all_told)]) + " |"


def memory(usage: Callable[[Told], dict[str, Usage]]) -> Callable[[Told], str]:
    def words(told: Told) -> str:
        at = usage(told)
        peak = max(one.peak_megabytes for one in at.values())
        return f"{at['before'].megabytes:.0f} / {peak:.0f} / {at['after'].megabytes:.0f}"

    return words


ROWS: dict[str, Callable[[Told], str]] = {
    "guide answer, idle, p50 / p95 ms": lambda t: ms(t.guide_idle),
    "guide answer, runs training, p50 / p95 ms": lambda t: ms(t.guide_training),
    "answers while training": lambda t: f"{len(t.guide_training)}",
    "first page, p50 / p95 ms": lambda t: ms(t.first_page),
    "Start pressed until its page is there, p50 / p95 ms": lambda t: ms(t.pressed),
    "sessions dropped": lambda t: f"{t.dropped}",
    "runs: all / with a score / failed": lambda t: f"{t.runs} / {t.finished} / {t.failed}",
    "everyone's run finished after, s": lambda t: f"{t.all_finished:.1f}",
    "wait: median / max, s": lambda t: f"{median(t.waited):.1f} / {max(t.waited):.1f}",
    "wait told / waited, median, s": lambda t: (
        f"{median(t.predicted):.1f} / {median(t.waited):.1f}"
    ),
    "wait told and waited differ by, median / max, s": lambda t: _apart(t.predicted, t.waited),
    "waits of who pressed five times, s": lambda t: ", ".join(f"{w:.0f}" for w in t.greedy_waited),
    "end of a run until its page says so, p50 / p95 ms": lambda t: ms(t.page_seen),
    "polls": lambda t: f"{t.polls}",
    "app, MB before / peak / after": memory(lambda t: t.app),
    "workers, MB before / peak / after": memory(lambda t: t.workers),
    "app, open files before / runs / after": lambda t: " / ".join(
        str(t.app[when].files) for when in ("before", "runs", "after")
    ),
    "app, cores used: guide / runs / after": lambda t: " / ".join(
        f"{t.app[when].cpu:.2f}" for when in ("guide", "runs", "after")
    ),
    "workers, cores used while runs": lambda t: f"{t.workers['runs'].cpu:.2f}",
    "errors": lambda t: f"{len(t.errors)}",
}


def _apart(some: list[float], others: list[float]) -> str:
    apart = [abs(one - other) for one, other in zip(some, others, strict=True)]
    return f"{median(apart):.1f} / {max(apart):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", default="1,10,30,60")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--browsers", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="everything, as JSON, instead")
    parser.add_argument(
        "--ttl",
        type=int,
        default=5,
        help="seconds after which the app forgets a closed tab; 120 is what users have",
    )
    given = parser.parse_args()
    all_told = []
    for people in map(int, given.people.split(",")):
        all_told += asyncio.run(measured(people, given.browsers, given.ttl, given.rounds))
        print(f"{people} people: done", file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([asdict(told) for told in all_told]))
        return
    print(
        f"{os.cpu_count()} cores; a closed tab is forgotten after {given.ttl} s (120 s by default)"
    )
    print("\n".join(table(all_told)))
    for told in all_told:
        for one in told.browsers:
            print(f"{told.people} people, a real browser: {one}")
        for error in sorted(set(told.errors)):
            print(f"{told.people} people: {error}")


if __name__ == "__main__":
    main()
