"""The coordinator: claims jobs and executes them on a Ray cluster (trainers/workers/ray/fleet.py).

Only the coordinator uses the database and the data folder. If it is lost, the next one resumes its
runs.
"""

import logging
import os
import signal
import threading
import time
from importlib import import_module
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from trainers import jobs
from trainers.store import Run, Store, get_store, requeue
from trainers.system.paths import run_dir
from trainers.system.processes import get_worker_count
from trainers.workers.execute import execute
from trainers.workers.executor import set_executor
from trainers.workers.ray import cluster
from trainers.workers.ray.cluster import ClusterUnavailable
from trainers.workers.ray.fleet import (
    LOCAL_KINDS,
    NO_NODE_TEXT,
    NODE_CHECK_SECONDS,
    ClusterLost,
    RayExecutor,
)
from trainers.workers.ray.slots import Slots

IDLE_SECONDS = 0.1
RECONNECT_SECONDS = 5.0  # between two attempts to reach the cluster

CLUSTER_UNREACHABLE_TEXT = (
    "The cluster that trains cannot be reached at the moment. This waits for it, and starts by "
    "itself when it is back."
)


def run_coordinator(name: str, state: dict[str, Any]) -> None:
    """Claim and execute jobs until the process is ended, or until the cluster is lost.

    Keeps `state` up to date for the heartbeats: "ready", and how many "places" there are.
    """
    store = get_store()
    _connect(store)
    signal.signal(signal.SIGTERM, _shut_down)  # Ray's own handler logs a page
    fleet = RayExecutor(Slots(lambda: requeue.has_waiting_jobs(store)))
    set_executor(fleet)
    threading.Thread(target=_preload, daemon=True).start()
    fleet.warm_up()
    cluster_lost = threading.Event()
    last_text, checked_at = "", time.monotonic()
    while not cluster_lost.is_set():
        if time.monotonic() - checked_at > NODE_CHECK_SECONDS:
            checked_at = time.monotonic()
            if not fleet.is_alive():
                break
            fleet.refresh()
            if not fleet.slots.total:
                last_text = report_unschedulable(store, fleet.resources, last_text)
            state |= {"ready": fleet.slots.total > 0, "places": fleet.slots.total}
        if not _start_next_job(store, name, fleet, cluster_lost):
            time.sleep(IDLE_SECONDS)
    logging.error("The Ray cluster was lost. Thaw looks for it again and then resumes its runs.")
    requeue.requeue_runs(store, name)
    os._exit(1)  # Ray's library cannot be trusted any more


def _connect(store: Store) -> None:
    """Return once the cluster is reached; meanwhile tell the jobs that wait."""
    last_text = ""
    while True:
        try:
            return cluster.connect(get_worker_count())
        except ClusterUnavailable as error:
            if str(error) != last_text:
                logging.error("%s", last_text := str(error))
            _notify_waiting(store, CLUSTER_UNREACHABLE_TEXT)
            time.sleep(RECONNECT_SECONDS)


def _shut_down(*_: object) -> None:
    """End together with the app, and end the cluster if it was started here."""
    import ray

    ray.shutdown()
    cluster.remove_temp_dirs()
    os._exit(0)


def _preload() -> None:
    """Import what jobs need that run in this process."""
    for kind in LOCAL_KINDS:
        import_module(jobs.KINDS[kind].runner.partition(":")[0])


def _start_next_job(
    store: Store, name: str, fleet: RayExecutor, cluster_lost: threading.Event
) -> bool:
    """Execute the next job in a thread, if there is a job and a slot for it."""
    if not fleet.slots.acquire():
        return False
    job = None
    try:
        job = store.claim(name, needs_torch=True)
    except SQLAlchemyError:  # locked, or the disk is full: that passes
        logging.exception("A job could not be claimed.")
    if job is None:
        fleet.slots.release()
        return False
    threading.Thread(target=_execute, args=(store, job, fleet, cluster_lost), daemon=True).start()
    return True


def _execute(store: Store, job: Run, fleet: RayExecutor, cluster_lost: threading.Event) -> None:
    try:
        for _ in execute(store, job.id, job.job, fleet.run_job, run_dir(job.id)):
            pass
    except ClusterLost:
        cluster_lost.set()
    except Exception:  # most likely the database: without heartbeats the run fails
        logging.exception("A job could not be written.")
    finally:
        fleet.slots.release()


def report_unschedulable(store: Store, request: cluster.ResourceRequest, last_text: str) -> str:
    """Log that no node has what a run reserves, unless `last_text` says so; notify waiting jobs.

    Returns the logged text.
    """
    nodes = cluster.list_alive_nodes().values()
    present = [{kind: node.get(kind, 0) for kind in ("CPU", "GPU")} for node in nodes]
    text = (
        f"No node of the Ray cluster has what a run reserves: {request.cpus:g} processor cores and "
        f"{request.gpus:g} graphics cards. There are {present}. Add a node, or set THAW_RAY_CPUS "
        "and THAW_RAY_GPUS to what one has."
    )
    if text != last_text:
        logging.error("%s", text)
    _notify_waiting(store, NO_NODE_TEXT)
    return text


def _notify_waiting(store: Store, text: str) -> None:
    try:
        requeue.notify_waiting(store, text)
    except SQLAlchemyError:
        logging.exception("Waiting jobs could not be notified.")
