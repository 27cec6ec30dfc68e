"""Downloads, from a process that stays light: a child does the work, and is listened to."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from trainers import backbones
from trainers.datasets import catalog, downloads
from trainers.events import Event, JobDone, JobFailed, from_json
from trainers.jobs import Download
from trainers.networks.download import DownloadError, download
from trainers.system.processes import wait_for_exit
from trainers.system.registry import look_up

ROOT = Path(__file__).parents[2]
POLL_SECONDS = 0.1  # between two looks at `stop`
EXIT_TIMEOUT_SECONDS = 5.0  # that the child has to clear up


def find_downloader(key: str) -> Callable[[], Iterator[Event]]:
    """Return the function that downloads the backbone or dataset called `key`.

    Raises `UnknownKey`; the function raises `DownloadError`.
    """
    if key in catalog.CATALOG:
        return partial(downloads.download, key)
    if not key.startswith("hf:"):
        look_up({**backbones.BACKBONES, **catalog.CATALOG}, key, "backbone or data set")
    return partial(download, backbones.pick(key))


def run_download(
    job: Download, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Download what `job` names, and yield how far it is; the last event is `Done`.

    When `stop` says so, or the generator is closed, the child is ended, and nothing half is left;
    it also ends with this process. Raises `UnknownKey` and `NotFetched`.
    """
    began = time.monotonic()
    find_downloader(job.key)
    command = [sys.executable, "-m", "trainers", "download", job.key, "--json"]
    child = subprocess.Popen(
        [*command, "--parent", str(os.getpid())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C in the terminal is the app's to hear
    )
    lines, errors = queue.Queue(), queue.Queue()
    ears = [
        threading.Thread(target=_read_lines, args=ear, daemon=True)
        for ear in ((child.stdout, lines), (child.stderr, errors))
    ]
    try:
        for ear in ears:
            ear.start()
        while not should_stop():
            try:
                line = lines.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                raise DownloadError(
                    f"The download broke off ({_last_error(errors, child)}). Try again."
                )
            event = from_json(json.loads(line))
            if isinstance(event, JobFailed):
                raise DownloadError(event.text)
            if isinstance(event, JobDone):
                yield JobDone(event.result, time.monotonic() - began)
                return
            yield event
        raise DownloadError("The download was stopped. Nothing of it was kept.")
    finally:
        _terminate(child)
        for ear in ears:
            ear.join(EXIT_TIMEOUT_SECONDS)
        child.stdout.close()
        child.stderr.close()


def _read_lines(stream: TextIO, heard: queue.Queue) -> None:
    for line in stream:
        heard.put(line)
    heard.put(None)  # the end


def _last_error(errors: queue.Queue, child: subprocess.Popen) -> str:
    said = [line.strip() for line in iter(errors.get, None) if line.strip()]
    return said[-1] if said else f"its process ended with code {child.wait()}"


def _terminate(child: subprocess.Popen) -> None:
    child.terminate()
    try:
        child.wait(timeout=EXIT_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def exit_with_parent(parent: int) -> None:
    """Wait until the process numbered `parent` is gone, then interrupts this one."""
    wait_for_exit(parent)
    os.kill(os.getpid(), signal.SIGTERM)
