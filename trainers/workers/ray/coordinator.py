"""The coordinator: claims jobs and has them done on a Ray cluster (trainers/workers/ray/fleet.py).

It alone touches the database and the data folder. When it is lost, the next goes on with its runs.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from trainers import jobs
from trainers.events import Event, JobCancelled, Notice
from trainers.store import QUEUED, RUNNING, Run, Store, get_store, resume, runs
from trainers.system.paths import data_dir_id, run_dir
from trainers.workers.execute import execute
from trainers.workers.ray import cluster
from trainers.workers.ray.cluster import ClusterUnavailable
from trainers.workers.ray.fleet import (
    MAX_RETRIES,
    NO_NODE_TEXT,
    NODE_CHECK_SECONDS,
    ClusterLost,
    RayExecutor,
    Slots,
)

IDLE_SECONDS = 0.1
RECONNECT_SECONDS = 5.0  # until a cluster that could not be reached is tried again

CLUSTER_UNREACHABLE_TEXT = (
    "The cluster that trains cannot be reached at the moment. This waits for it, and starts by "
    "itself when it is back."
)
COORDINATOR_ENDED_TEXT = (
    "The process that looked after this was ended. It waits for the next one, and goes on."
)


def run_coordinator(name: str, tell: dict[str, Any]) -> None:
    """Works until it is ended. `tell` is for the thread that says that it lives: "ready", and how
    many "places" there are. Ends by itself where the cluster is lost: the next one starts anew."""
    from trainers.workers import executor
    from trainers.workers.supervisor import get_worker_count

    kept, said = get_store(), ""
    while True:
        try:
            cluster.connect(get_worker_count())
            break
        except ClusterUnavailable as error:
            if str(error) != said:
                logging.error("%s", said := str(error))
            _notify_waiting(kept, CLUSTER_UNREACHABLE_TEXT)
            time.sleep(RECONNECT_SECONDS)
    signal.signal(signal.SIGTERM, _shut_down)  # Ray's own writes a page about it
    fleet = RayExecutor(Slots(lambda: _has_waiting_jobs(kept)))
    executor.set_executor(fleet)
    threading.Thread(target=_preload, daemon=True).start()
    fleet.warm_up()
    gone = threading.Event()
    looked = time.monotonic()
    while not gone.is_set():
        if time.monotonic() - looked > NODE_CHECK_SECONDS:
            looked = time.monotonic()
            if not fleet.is_alive():
                break
            fleet.refresh()
            if not fleet.slots.total:
                said = report_unschedulable(kept, fleet.resources, said)
            tell |= {"ready": fleet.slots.total > 0, "places": fleet.slots.total}
        if not _start_next_job(kept, name, fleet, gone):
            time.sleep(IDLE_SECONDS)
    logging.error("The Ray cluster was lost. Thaw looks for it again; what ran goes on then.")
    requeue_runs(kept, name)
    os._exit(1)  # Ray's library cannot be trusted any more


def _shut_down(*_: object) -> None:
    """The app is over: so is a cluster that it started."""
    import ray

    ray.shutdown()
    cluster.remove_temp_dirs()
    os._exit(0)


def _preload() -> None:
    """What a comparison, or packing a model, would wait for here."""


def _start_next_job(kept: Store, name: str, fleet: RayExecutor, gone: threading.Event) -> bool:
    """Begins the next job, where there is one and a place for it."""
    if not fleet.slots.acquire():
        return False
    claimed = None
    try:
        claimed = kept.claim(name, heavy=True)
    except SQLAlchemyError:  # locked, or the disk is full: that passes
        logging.exception("A job could not be claimed.")
    if claimed is None:
        fleet.slots.release()
        return False
    threading.Thread(target=_execute, args=(kept, claimed, fleet, gone), daemon=True).start()
    return True


def _execute(kept: Store, claimed: Run, fleet: RayExecutor, gone: threading.Event) -> None:
    try:
        for _ in execute(kept, claimed.id, claimed.plan, fleet.run_job, run_dir(claimed.id)):
            pass
    except ClusterLost:
        gone.set()
    except Exception:  # the database, most likely: the run is buried by its heart
        logging.exception("A job could not be written.")
    finally:
        fleet.slots.release()


def _has_waiting_jobs(kept: Store) -> bool:
    with kept.engine.connect() as sql:
        return bool(sql.scalar(select(func.count()).where(_is_waiting())))


def report_unschedulable(kept: Store, ask: cluster.ResourceRequest, said: str) -> str:
    """Says that no node has what a run asks for: to those who wait, and, where that was not `said`
    last, to who looks after the cluster."""
    nodes = cluster.list_alive_nodes().values()
    has = [{kind: node.get(kind, 0) for kind in ("CPU", "GPU")} for node in nodes]
    text = (
        f"No node of the Ray cluster has what a run asks for: {ask.cpus:g} processor cores and "
        f"{ask.gpus:g} graphics cards. There are {has}. Add a node, or set THAW_RAY_CPUS and "
        "THAW_RAY_GPUS to what one has."
    )
    if text != said:
        logging.error("%s", text)
    _notify_waiting(kept, NO_NODE_TEXT)
    return text


def _notify_waiting(kept: Store, text: str) -> None:
    """Says to each that waits why it does; once."""
    try:
        with kept.engine.connect() as sql:
            keys = sql.scalars(select(runs.c.id).where(_is_waiting())).all()
        for key in keys:
            told = [event for _, event in kept.read_events(key)]
            if not told or getattr(told[-1], "text", "") != text:
                kept.append(key, [Notice(text, _last_seconds(told), is_limitation=False)])
    except SQLAlchemyError:
        logging.exception("Those who wait could not be told.")


def requeue_runs(kept: Store, worker: str) -> None:
    """Puts the runs of a coordinator that is no more back into the queue, where the next one goes
    on with them, some times. Comparisons, curves and the like stay as they are: they cannot."""
    had = (runs.c.worker == worker) & (runs.c.state == RUNNING) & (runs.c.kind == "run")
    with kept.engine.connect() as sql:
        those = sql.execute(select(runs.c.id, runs.c.cancel).where(had)).all()
    for key, cancel in those:
        if cancel:  # who waits for nothing must not wait for a cluster
            kept.append(key, [cancelled := JobCancelled(0.0)])
            resume.discard_checkpoint(kept, key, cancelled)
            continue
        told = [event for _, event in kept.read_events(key)]
        if (
            sum(getattr(event, "text", "") == COORDINATOR_ENDED_TEXT for event in told)
            >= MAX_RETRIES
        ):
            continue
        kept.append(key, [Notice(COORDINATOR_ENDED_TEXT, _last_seconds(told), is_limitation=False)])
        with kept.engine.begin() as sql:
            waits = update(runs).where(runs.c.id == key, runs.c.state == RUNNING)
            sql.execute(waits.values(state=QUEUED, worker=None))


def _last_seconds(told: Sequence[Event]) -> float:
    return max((getattr(event, "seconds", 0.0) for event in told), default=0.0)


def _is_waiting() -> Any:
    """Of a job: it waits, for a process such as this."""
    heavy = runs.c.kind.in_([name for name, kind in jobs.KINDS.items() if kind.needs_torch])
    here = runs.c.machine.is_(None) | (runs.c.machine == data_dir_id())
    return (runs.c.state == QUEUED) & heavy & here
