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
from trainers.datasets import catalog
from trainers.events import Done, Event, Failed, from_json
from trainers.jobs import Fetch
from trainers.networks.download import NotFetched, download
from trainers.system.parent_process import wait_until_gone
from trainers.system.registry import pick_from

ROOT = Path(__file__).parents[2]
ASKED_SECONDS = 0.1  # between two looks at `stop`
END_SECONDS = 5.0  # that the child has to clear up


def found(key: str) -> Callable[[], Iterator[Event]]:
    """What downloads the backbone or the data set called `key`, in the process that calls it.
    Raises `UnknownKey`; when it is called, `NotFetched`."""
    if key in catalog.ONLINE:
        return partial(catalog.fetch, key)
    if not key.startswith("hf:"):
        pick_from({**backbones.BACKBONES, **catalog.ONLINE}, key, "backbone or data set")
    return partial(download, backbones.pick(key))


def fetch(job: Fetch, *, stop: Callable[[], bool], folder: Path | None = None) -> Iterator[Event]:
    """Download what `job` names, and yield how far it is; the last event is `Done`.

    When `stop` says so, or the generator is closed, the child is ended, and nothing half is left;
    it also ends with this process. Raises `UnknownKey` and `NotFetched`.
    """
    began = time.monotonic()
    found(job.key)
    command = [sys.executable, "-m", "trainers", "fetch", job.key, "--json"]
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
        threading.Thread(target=_listen, args=ear, daemon=True)
        for ear in ((child.stdout, lines), (child.stderr, errors))
    ]
    try:
        for ear in ears:
            ear.start()
        while not stop():
            try:
                line = lines.get(timeout=ASKED_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                raise NotFetched(f"The download broke off ({_last(errors, child)}). Try again.")
            event = from_json(json.loads(line))
            if isinstance(event, Failed):
                raise NotFetched(event.text)
            if isinstance(event, Done):
                yield Done(event.found, time.monotonic() - began)
                return
            yield event
        raise NotFetched("The download was stopped. Nothing of it was kept.")
    finally:
        _end(child)
        for ear in ears:
            ear.join(END_SECONDS)
        child.stdout.close()
        child.stderr.close()


def _listen(stream: TextIO, heard: queue.Queue) -> None:
    for line in stream:
        heard.put(line)
    heard.put(None)  # the end


def _last(errors: queue.Queue, child: subprocess.Popen) -> str:
    said = [line.strip() for line in iter(errors.get, None) if line.strip()]
    return said[-1] if said else f"its process ended with code {child.wait()}"


def _end(child: subprocess.Popen) -> None:
    child.terminate()
    try:
        child.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def end_with(parent: int) -> None:
    """Waits until the process numbered `parent` is gone, then interrupts this one."""
    wait_until_gone(parent)
    os.kill(os.getpid(), signal.SIGTERM)
