"""A worker: imports everything once, then claims job after job. `python -m trainers work`."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import psutil
from sqlalchemy.exc import SQLAlchemyError

from trainers import jobs
from trainers.store import Store, store
from trainers.system import memory_limit
from trainers.system.errors import said
from trainers.system.parent_process import wait_until_gone
from trainers.system.paths import run_folder
from trainers.workers.execute import execute

IDLE_SECONDS = 0.05  # between two looks at an empty queue
IDLE_LIGHT_SECONDS = 0.2  # no run waits for these
LIGHT_AT_ONCE = 2  # a long download should not keep a small table waiting
BEAT_SECONDS = 1.0
LAST_WORDS_SECONDS = 5.0
ENDED = "Thaw ended while this ran. Nothing is wrong with your data."


def work(
    name: str | None = None,
    threads: int | None = None,
    parent: int | None = None,
    light: bool = False,
    ray: bool = False,
) -> None:
    """Works until the process numbered `parent` is gone: a worker must not outlive its app.

    A `light` one never imports torch: it reads and downloads while the others train. With `ray` it
    has the nodes of a cluster train.
    """
    name = name or secrets.token_hex(8)
    if ray:
        _lead(name, parent)
        return
    _be_nice()
    state = {"ready": light, "heavy": not light}
    runs = store()
    threading.Thread(target=_beat, args=(runs, name, state), daemon=True).start()
    if parent is not None:
        threading.Thread(target=_end_with, args=(runs, name, parent), daemon=True).start()
    if light:
        for _ in range(LIGHT_AT_ONCE - 1):
            threading.Thread(target=_serve, args=(runs, name), daemon=True).start()
        _serve(runs, name)

    import torch

    import trainers.training.shared_cache  # noqa: F401, what the first run would wait for

    if not torch.cuda.is_available():  # its own memory is what counts there
        memory_limit.hold()
    if threads:
        torch.set_num_threads(threads)
    to_warm = [_warm_images, _warm_text]
    _warm(to_warm.pop(0))
    while True:
        if not _idle(runs, name, heavy=True):
            continue
        if to_warm:  # only once nobody waits: the first visitor may want pictures
            _warm(to_warm.pop(0))
        else:
            state["ready"] = True
            time.sleep(IDLE_SECONDS)


def _lead(name: str, parent: int | None) -> None:
    from trainers.workers.ray.coordinator import coordinate

    state = {"ready": False, "places": 1}
    runs = store()
    threading.Thread(target=_beat, args=(runs, name, state), daemon=True).start()
    if parent is not None:
        threading.Thread(target=_end_with, args=(runs, name, parent), daemon=True).start()
    coordinate(name, state)


def _one(runs: Store, name: str, *, heavy: bool) -> bool:
    """Executes the next job, if there is one."""
    claimed = runs.claim(name, heavy=heavy)
    if claimed:
        for _ in execute(runs, claimed.id, claimed.plan, jobs.perform, run_folder(claimed.id)):
            pass
    return claimed is not None


def _idle(runs: Store, name: str, *, heavy: bool) -> bool:
    """Whether there was nothing to do, or nothing could be done."""
    try:
        return not _one(runs, name, heavy=heavy)
    except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
        logging.warning("A job could not be claimed or written. %s", said(error) or error)
        time.sleep(BEAT_SECONDS)
        return True


def _serve(runs: Store, name: str) -> NoReturn:
    while True:
        if _idle(runs, name, heavy=False):
            time.sleep(IDLE_LIGHT_SECONDS)


def _warm(load: Callable[[], None]) -> None:
    """A head start, no more: what is broken is said by the run that needs it."""
    try:
        load()
    except Exception:
        logging.exception("A backbone could not be warmed up.")


def _warm_images() -> None:
    """Loads the bundled picture network and runs it once: the first run pays for its set-up."""
    import torch

    from trainers.networks.loading import fresh

    body = fresh("small_resnet", pretrained=True)
    with torch.inference_mode():
        body(torch.zeros(2, 3, 32, 32, device=next(body.parameters()).device))


def _warm_text() -> None:
    import torch

    from trainers.networks.loading import fresh

    body = fresh("minilm", pretrained=True)
    with torch.inference_mode():
        body(body.prepare(["warming up"]).batch(torch.tensor([0])))


def _be_nice() -> None:
    """Lower priority than the pages: answers come back at once while a run trains."""
    me = psutil.Process()
    # Never up: only an administrator may raise what was started nicer than this.
    me.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else max(10, me.nice()))


def _beat(runs: Store, name: str, state: dict) -> None:
    had = 1
    while True:
        told = dict(state)
        places = max(1, told.pop("places", 1))  # each counts as a worker
        try:
            for place in range(places):
                runs.beat(f"{name}-{place}" if place else name, os.getpid(), **told)
            for place in range(places, had):  # whose nodes are gone
                runs.gone(f"{name}-{place}", "")
            had = places
        except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
            logging.warning("The worker could not say that it lives. %s", said(error) or error)
        time.sleep(BEAT_SECONDS)


def _end_with(runs: Store, name: str, parent: int) -> None:
    wait_until_gone(parent)
    told = threading.Thread(target=runs.gone, args=(name, ENDED), daemon=True)
    told.start()  # where the database is locked: without a word, which the next Thaw finds
    told.join(LAST_WORDS_SECONDS)
    os._exit(0)
