"""How long a visitor waits: `python tests/bench/first_point.py`. Needs chromium.

Starts the app with an empty data folder and prints, in seconds: start to first page, click to
first point on the chart (cold: the worker still warms up; then warm, five times), and what the app
and its worker hold in memory.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
RUN = "/run?approach=transfer&data=digits&per_class=50&seconds=30"
DRAWN = """() => [...document.querySelectorAll('.thaw-plot')]
    .some(plot => (plot.data ?? []).some(trace => (trace.y ?? []).length))"""


def pressed(page: Page, address: str) -> float:
    """Seconds from the click on Start to a value on a chart."""
    page.goto(address + RUN)
    button = page.get_by_role("button", name="Start", exact=True)
    button.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    began = time.perf_counter()
    button.click()
    page.wait_for_function(DRAWN, timeout=60_000, polling=20)
    seconds = time.perf_counter() - began
    page.get_by_text("Finished in").first.wait_for(timeout=60_000)
    return seconds


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, home = f"http://localhost:{port}", tempfile.mkdtemp()
    options = ["--server.headless", "true", "--server.port", str(port)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        began = time.perf_counter()
        app = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options],
            cwd=ROOT,
            env=os.environ | {"THAW_HOME": home},
            stdout=subprocess.DEVNULL,
        )
        try:
            while True:
                try:
                    page.goto(address)
                    break
                except Exception:
                    time.sleep(0.1)
            page.get_by_role("radiogroup").first.wait_for()
            print(f"start to first page: {time.perf_counter() - began:.1f} s")
            print(f"click to first point, cold: {pressed(page, address):.1f} s")
            time.sleep(5)  # until the worker has warmed up for text too
            warm = [pressed(page, address) for _ in range(5)]
            each = ", ".join(f"{seconds:.2f}" for seconds in sorted(warm))
            print(f"click to first point, warm: median {median(warm):.2f} s of {each}")
            process = psutil.Process(app.pid)
            print(f"app: {process.memory_info().rss / 1e6:.0f} MB")
            for worker in process.children():
                print(f"worker: {worker.memory_info().rss / 1e6:.0f} MB")
        finally:
            app.terminate()
            app.wait()
            browser.close()


if __name__ == "__main__":
    main()
