"""A started app whose every process notes each address that it wants to reach, and a browser."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import (  # noqa: F401 - fixtures
    LEFT,
    ROOT,
    _wait_for,
    browsers,
    chromium,
    nothing_leaves,
)

# Read by every Python that is started with it on its path, before anything else of it.
NOTE = """
import os, sys
from _socket import SOCK_DGRAM as DATAGRAMS

FILE = os.environ["THAW_TEST_ADDRESSES"]
HERE = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0")


def noted(event, told):
    if event == "socket.getaddrinfo" or event.startswith("socket.gethostby"):
        host = told[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(told[1], tuple):
        host = told[1][0]
        if (event, told[1]) == ("socket.connect", ("8.8.8.8", 1)) and told[0].type == DATAGRAMS:
            return  # Streamlit's way to learn our address in the own network: it sends nothing
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if host not in HERE:
        write(event, host)


def write(*words):
    with open(FILE, "a") as out:
        print(os.getpid(), *words, *sys.argv[:4], file=out)


write("watched")
sys.addaudithook(noted)
"""


class App:
    """A running app."""

    def __init__(self, folder: Path) -> None:
        self.home, self.log, self.addresses = folder / "home", folder / "app.log", folder / "asked"
        self.home.mkdir()
        (folder / "path").mkdir()
        (folder / "path" / "sitecustomize.py").write_text(NOTE)
        self.environment = os.environ | {
            "THAW_HOME": str(self.home),
            "THAW_WORKERS": "1",
            "THAW_TEST_ADDRESSES": str(self.addresses),
            "PYTHONPATH": str(folder / "path"),
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"

    def noted(self) -> list[str]:
        """What the processes noted: "PID watched COMMAND", or "PID EVENT HOST COMMAND"."""
        return self.addresses.read_text().splitlines()


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    made = App(tmp_path_factory.mktemp("app"))
    options = ["--server.headless", "true", "--server.port", str(made.port)]
    with open(made.log, "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *options],
            cwd=ROOT,
            env=made.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        made.pid = process.pid
        try:
            _wait_for(f"{made.url}/_stcore/health", process, made.log)
            yield made
        finally:
            process.terminate()
            process.wait(timeout=30)
