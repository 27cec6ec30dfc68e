"""A worker process: imports everything once, then executes one job after another. `thaw worker`."""

import logging
import os
import secrets
import threading
import time
from typing import Any, NoReturn

import psutil
from sqlalchemy.exc import SQLAlchemyError

from trainers import jobs
from trainers.store import Store, get_store
from trainers.system import memory_limit
from trainers.system.errors import user_message
from trainers.system.paths import run_dir
from trainers.system.processes import wait_for_exit
from trainers.workers import warmup
from trainers.workers.execute import execute

IDLE_SECONDS = 0.05  # between two queries of an empty queue
LIGHT_IDLE_SECONDS = 0.2  # no run waits for light jobs
LIGHT_THREADS = 2  # a long download must not delay the import of a small table
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
    """Execute jobs until the process with the id `parent` ends: a worker must not outlive its app.

    A `light` worker never imports torch: it imports data and downloads while the others train. With
    `ray`, the nodes of a cluster train and this process coordinates them.
    """
    name = name or secrets.token_hex(8)
    store = get_store()
    state = {"ready": light, "can_train": not light}
    if ray:
        state = {"ready": False, "places": 1}
    else:
        _lower_priority()
    threading.Thread(target=_send_heartbeats, args=(store, name, state), daemon=True).start()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(store, name, parent), daemon=True).start()
    if ray:
        from trainers.workers.ray.coordinator import run_coordinator

        run_coordinator(name, state)
    elif light:
        for _ in range(LIGHT_THREADS - 1):
            threading.Thread(target=_serve_light_jobs, args=(store, name), daemon=True).start()
        _serve_light_jobs(store, name)
    else:
        _serve_training_jobs(store, name, threads, state)


def _serve_training_jobs(
    store: Store, name: str, threads: int | None, state: dict[str, Any]
) -> NoReturn:
    warmup.preload_training()
    import torch

    if not torch.cuda.is_available():  # on a GPU, its own memory is what runs out
        memory_limit.apply()
    if threads:
        torch.set_num_threads(threads)
    warmup.warm_up_images()
    is_text_warm = False
    while True:
        if run_next_job(store, name, needs_torch=True):
            continue
        if not is_text_warm:  # only when nobody waits: the first visitor may want images
            warmup.warm_up_text()
            is_text_warm = True
        else:
            state["ready"] = True
            time.sleep(IDLE_SECONDS)


def _serve_light_jobs(store: Store, name: str) -> NoReturn:
    while True:
        if not run_next_job(store, name, needs_torch=False):
            time.sleep(LIGHT_IDLE_SECONDS)


def run_next_job(store: Store, name: str, *, needs_torch: bool) -> bool:
    """Claim and execute the next job; False if there is none, or the database takes nothing now."""
    try:
        claimed = store.claim(name, needs_torch=needs_torch)
        if claimed:
            for _ in execute(store, claimed.id, claimed.job, jobs.run_job, run_dir(claimed.id)):
                pass
        return claimed is not None
    except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
        logging.warning("A job could not be claimed or written. %s", user_message(error) or error)
        time.sleep(HEARTBEAT_SECONDS)
        return False


def _lower_priority() -> None:
    """Give the pages priority, so that they answer at once while a run trains."""
    process = psutil.Process()
    # Never raise it: only an administrator may, if this was started with a higher niceness.
    process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else max(10, process.nice()))


def _send_heartbeats(store: Store, name: str, state: dict[str, Any]) -> None:
    """Record every second that this worker is alive, once for each of its places."""
    previous = 1
    while True:
        values = dict(state)
        places = max(1, values.pop("places", 1))  # each counts as a worker
        try:
            for place in range(places):
                store.record_heartbeat(f"{name}-{place}" if place else name, os.getpid(), **values)
            for place in range(places, previous):  # places on lost nodes
                store.remove_worker(f"{name}-{place}", "")
            previous = places
        except (SQLAlchemyError, OSError) as error:  # locked, or the disk is full: that passes
            logging.warning("A heartbeat was not recorded. %s", user_message(error) or error)
        time.sleep(HEARTBEAT_SECONDS)


def _exit_with_parent(store: Store, name: str, parent: int) -> None:
    wait_for_exit(parent)
    # In a thread, with a timeout: if the database is locked, the next app removes this worker.
    remove = threading.Thread(target=store.remove_worker, args=(name, APP_ENDED_TEXT), daemon=True)
    remove.start()
    remove.join(SHUTDOWN_TIMEOUT_SECONDS)
    os._exit(0)
