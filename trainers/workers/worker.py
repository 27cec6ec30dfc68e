"""A worker: imports everything once, then claims job after job. `thaw worker`."""

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
from trainers.store import Store, get_store
from trainers.system import memory_limit
from trainers.system.errors import user_message
from trainers.system.parent_process import wait_for_exit
from trainers.system.paths import run_dir
from trainers.workers.execute import execute

IDLE_SECONDS = 0.05  # between two looks at an empty queue
LIGHT_IDLE_SECONDS = 0.2  # no run waits for these
LIGHT_THREADS = 2  # a long download should not keep a small table waiting
HEARTBEAT_SECONDS = 1.0
SHUTDOWN_TIMEOUT_SECONDS = 5.0
APP_ENDED_TEXT = "Thaw ended while this ran. Nothing is wrong with your data."


def run_worker(
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
        _run_coordinator(name, parent)
        return
    _lower_priority()
    state = {"ready": light, "heavy": not light}
    runs = get_store()
    threading.Thread(target=_send_heartbeats, args=(runs, name, state), daemon=True).start()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(runs, name, parent), daemon=True).start()
    if light:
        for _ in range(LIGHT_THREADS - 1):
            threading.Thread(target=_serve_light_jobs, args=(runs, name), daemon=True).start()
        _serve_light_jobs(runs, name)

    import torch

    import trainers.training.shared_cache  # noqa: F401, what the first run would wait for

    if not torch.cuda.is_available():  # its own memory is what counts there
        memory_limit.apply()
    if threads:
        torch.set_num_threads(threads)
    to_warm = [_warm_up_images, _warm_up_text]
    _warm_up(to_warm.pop(0))
    while True:
        if not _run_next_or_idle(runs, name, heavy=True):
            continue
        if to_warm:  # only once nobody waits: the first visitor may want pictures
            _warm_up(to_warm.pop(0))
        else:
            state["ready"] = True
            time.sleep(IDLE_SECONDS)


def _run_coordinator(name: str, parent: int | None) -> None:
    from trainers.workers.ray.coordinator import run_coordinator

    state = {"ready": False, "places": 1}
    runs = get_store()
    threading.Thread(target=_send_heartbeats, args=(runs, name, state), daemon=True).start()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(runs, name, parent), daemon=True).start()
    run_coordinator(name, state)


def _run_next_job(runs: Store, name: str, *, heavy: bool) -> bool:
    """Executes the next job, if there is one."""
    claimed = runs.claim(name, heavy=heavy)
    if claimed:
        for _ in execute(runs, claimed.id, claimed.plan, jobs.run_job, run_dir(claimed.id)):
            pass
    return claimed is not None


def _run_next_or_idle(runs: Store, name: str, *, heavy: bool) -> bool:
    """Whether there was nothing to do, or nothing could be done."""
    try:
        return not _run_next_job(runs, name, heavy=heavy)
    except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
        logging.warning("A job could not be claimed or written. %s", user_message(error) or error)
        time.sleep(HEARTBEAT_SECONDS)
        return True


def _serve_light_jobs(runs: Store, name: str) -> NoReturn:
    while True:
        if _run_next_or_idle(runs, name, heavy=False):
            time.sleep(LIGHT_IDLE_SECONDS)


def _warm_up(load: Callable[[], None]) -> None:
    """A head start, no more: what is broken is said by the run that needs it."""
    try:
        load()
    except Exception:
        logging.exception("A backbone could not be warmed up.")


def _warm_up_images() -> None:
    """Loads the bundled picture network and runs it once: the first run pays for its set-up."""
    import torch

    from trainers.networks.loading import new_encoder

    body = new_encoder("small_resnet", pretrained=True)
    with torch.inference_mode():
        body(torch.zeros(2, 3, 32, 32, device=next(body.parameters()).device))


def _warm_up_text() -> None:
    import torch

    from trainers.networks.loading import new_encoder

    body = new_encoder("minilm", pretrained=True)
    with torch.inference_mode():
        body(body.prepare(["warming up"]).batch(torch.tensor([0])))


def _lower_priority() -> None:
    """Lower priority than the pages: answers come back at once while a run trains."""
    me = psutil.Process()
    # Never up: only an administrator may raise what was started nicer than this.
    me.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else max(10, me.nice()))


def _send_heartbeats(runs: Store, name: str, state: dict) -> None:
    had = 1
    while True:
        told = dict(state)
        places = max(1, told.pop("places", 1))  # each counts as a worker
        try:
            for place in range(places):
                runs.record_heartbeat(f"{name}-{place}" if place else name, os.getpid(), **told)
            for place in range(places, had):  # whose nodes are gone
                runs.remove_worker(f"{name}-{place}", "")
            had = places
        except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
            logging.warning(
                "The worker could not say that it lives. %s", user_message(error) or error
            )
        time.sleep(HEARTBEAT_SECONDS)


def _exit_with_parent(runs: Store, name: str, parent: int) -> None:
    wait_for_exit(parent)
    told = threading.Thread(target=runs.remove_worker, args=(name, APP_ENDED_TEXT), daemon=True)
    told.start()  # where the database is locked: without a word, which the next Thaw finds
    told.join(SHUTDOWN_TIMEOUT_SECONDS)
    os._exit(0)
