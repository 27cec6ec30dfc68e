"""Jobs, done on the nodes of a Ray cluster.

A job is a streaming remote generator (trainers/workers/ray/node.py); what it needs travels there, and
what it leaves comes back (trainers/workers/ray/shipping.py), also where a run stands. So a run whose node
is lost goes on from there on another, and one whose coordinator (trainers/workers/ray/coordinator.py) is lost,
under the next.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from trainers import backbones, jobs
from trainers.datasets import uploads
from trainers.events import Event, JobDone, Notice, RunResumed, RunStarted
from trainers.jobs import DataCheck
from trainers.plan import Plan
from trainers.store import get_store
from trainers.store.engine import retry
from trainers.system.paths import run_dir
from trainers.training.checkpoint_file import CHECKPOINT_FILE
from trainers.workers.ray import cluster, node, shipping
from trainers.workers.replay import (
    INTERRUPTED_TEXT,
    NODE_LOST_TEXT,
    EventDeduplicator,
    is_node_loss,
    restart_notice,
)

POLL_SECONDS = 0.2  # between two looks for Stop while nothing comes
NODE_CHECK_SECONDS = 2.0  # between two looks at the nodes
PLACEMENT_NOTICE_SECONDS = 10.0  # that a task may wait for its place before that is said. Ours
GET_TIMEOUT_SECONDS = 60.0  # for what has come already to be read
CANCEL_TIMEOUT_SECONDS = 1.5  # that a node has to hear Cancel; then its process is ended
SANDBOX_CLEANUP_SECONDS = 15.0  # in which that process is gone. Ours
MAX_RETRIES = 3  # of a job whose node was lost. Ours
# Done here: they lead other runs, or need the files of one and the database.
LOCAL_KINDS = ("compare", "curve", "export", "forgot")

NO_NODE_TEXT = (
    "No computer of the cluster can train at the moment. This waits for one, and starts by itself "
    "when it is there."
)
CLUSTER_BUSY_TEXT = (  # what else the cluster does is not known here
    "This waits for a place on the cluster: its computers are busy, or one is just getting ready. "
    "It starts by itself."
)
STORAGE_FULL_TEXT = (
    "The cluster has no room left for what this needs. Nothing is wrong with your data. Try again "
    "in a while, or with fewer examples; whoever looks after the cluster gives Ray more memory or "
    "disk ({why})."
)
NODE_UNFIT_TEXT = (
    "A computer of the cluster could not do this ({why}). Nothing is wrong with your data. Whoever "
    "looks after the cluster installs on each of its computers what Thaw needs, in the same "
    "versions."
)
RETRIES_EXHAUSTED_TEXT = (
    f"The computer that this ran on was lost {MAX_RETRIES + 1} times, so it was given up. Nothing is "
    "wrong with your data. Try again, with fewer examples or a smaller backbone if its memory was "
    "full; whoever looks after the cluster finds why in Ray's logs."
)


class RemoteError(RuntimeError):
    """What ended a job on a node, in words for the visitor."""


class RunAbandoned(KeyboardInterrupt):
    """Nobody waits for this run any more: it is cancelled, not failed."""


class ClusterLost(BaseException):
    """Not an end of the run: the next coordinator goes on with it."""


class Slots:
    """How many runs the cluster can make at once, and how many of these places are taken."""

    def __init__(self, waiting: Callable[[], bool] = lambda: False) -> None:
        self.total = self.used = 0
        self._has_waiting_jobs = waiting
        self._lock = threading.Lock()

    def acquire(self) -> bool:
        with self._lock:
            free = self.used < self.total
            self.used += free
            return free

    def acquire_spare(self) -> bool:
        """Takes a place beside one's own, where no other visitor waits for it."""
        return self.used < self.total and not self._has_waiting_jobs() and self.acquire()

    def release(self) -> None:
        with self._lock:
            self.used -= 1


_abandon_signal: ContextVar[threading.Event | None] = ContextVar("abandoned", default=None)


class RayExecutor:
    """The cluster as this process uses it; in the place of `trainers.workers.executor.LocalExecutor`."""

    def __init__(self, slots: Slots) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        self.ray, self.node_affinity, self.slots = ray, On, slots
        self.object_cache, self._pack_lock = shipping.ObjectStoreCache(ray.put), threading.Lock()
        self._mismatched_nodes: set[str] = set()  # nodes
        self.refresh()
        self.remote_task = ray.remote(node.run_task)
        here = On(ray.get_runtime_context().get_node_id(), soft=False)
        ears = ray.remote(node.StopSignal)
        self.stop_signal = ears.options(
            num_cpus=0, max_restarts=-1, scheduling_strategy=here
        ).remote()

    # --- the nodes ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """At how many nodes there are, and what need not be held any more."""
        nodes = cluster.list_alive_nodes().values()
        self.resources = cluster.get_resource_request(nodes)
        self.slots.total = self.resources.count_fitting(nodes)
        with self._pack_lock:
            self.object_cache.evict()

    @property
    def max_concurrent(self) -> int:
        return max(1, self.slots.total)

    def is_alive(self) -> bool:
        try:
            return self.ray.is_initialized() and bool(cluster.list_alive_nodes())
        except Exception:  # of many kinds
            return False

    def warm_up(self) -> None:
        """Has every node import what its first run would wait for; waits for the first."""
        ask = self.resources
        warm = self.ray.remote(node.warm_up).options(
            num_cpus=ask.cpus, num_gpus=ask.gpus, max_retries=0, scheduling_strategy="SPREAD"
        )
        warming = [warm.remote(int(ask.cpus)) for _ in range(self.slots.total)]
        if warming:
            self.ray.wait(warming, timeout=60)

    # --- one job --------------------------------------------------------------------------------

    def run_job(
        self, job: Any, *, should_stop: Callable[[], bool], folder: Path | None = None
    ) -> Iterator[Event | None]:
        """As `trainers.jobs.run_job`."""
        if jobs.kind_of(job) in LOCAL_KINDS or not jobs.KINDS[jobs.kind_of(job)].needs_torch:
            return jobs.run_job(job, should_stop=should_stop, folder=folder)
        return self._run_job(job, should_stop, folder)

    def _run_job(
        self, job: Any, should_stop: Callable[[], bool], folder: Path | None
    ) -> Iterator[Event | None]:
        for event in self._run_with_retries(node.run_job, job, should_stop, folder, known=True):
            if (
                isinstance(job, DataCheck)
                and isinstance(event, JobDone)
                and job.data.startswith("own-")
            ):
                uploads.save_check(job.data, event.result)
            yield event

    def run(
        self, plan: Plan, *, should_stop: Callable[[], bool], cache: Any, folder: Path | None = None
    ) -> Iterator[Event | None]:
        call = partial(node.run_plan, tests=cache.test_count)
        return self._run_with_retries(call, plan, should_stop, folder)

    def submit(
        self, work: Callable, about: Any, *, should_stop: Callable[[], bool]
    ) -> Generator[Event | None, None, Any]:
        return self._run_with_retries(partial(node.run_subtask, work), about, should_stop, None)

    def _run_with_retries(
        self,
        call: node.TaskFunction,
        about: Any,
        should_stop: Callable[[], bool],
        folder: Path | None,
        *,
        known: bool = False,
    ) -> Generator[Event | None, None, Any]:
        """What `call` tells, whatever nodes are lost meanwhile; what it hands back."""
        run = folder.name if folder else ""
        told = [event for _, event in retry(lambda: get_store().read_events(run))] if run else []
        once = EventDeduplicator(told)
        # A coordinator before this one had begun it already.
        lost = any(isinstance(event, RunStarted) for event in told)
        lost &= not (told and isinstance(told[-1], RunResumed))  # which says that already
        why, times = INTERRUPTED_TEXT, sum(is_node_loss(event) for event in told)
        while True:
            if lost:
                if times > MAX_RETRIES:
                    raise RemoteError(RETRIES_EXHAUSTED_TEXT)
                yield restart_notice(why, folder, once.seconds)
            stream = self._run_once(call, about, should_stop, folder, known=known)
            try:
                while True:
                    try:
                        event = next(stream)
                    except StopIteration as end:
                        return end.value
                    if event is None or (event := once.deduplicate(event)):
                        yield event
            except self.ray.exceptions.OutOfMemoryError:
                raise MemoryError from None
            except self.ray.exceptions.RayError as error:
                if not self.is_alive():
                    raise ClusterLost from error
                if text := self._describe_permanent_error(error):
                    raise RemoteError(text) from error
                logging.warning("A node was lost: %s", str(error).splitlines()[0])
                lost, why, times = True, NODE_LOST_TEXT, times + 1
            finally:
                stream.close()

    def _run_once(
        self,
        call: node.TaskFunction,
        about: Any,
        should_stop: Callable[[], bool],
        folder: Path | None,
        *,
        known: bool,
    ) -> Generator[Event | None, None, Any]:
        """The same on one node. Raises Ray's errors where that is lost."""
        if getattr(about, "backbone", ""):  # a node has no name of its own for what is newest
            about = replace(about, backbone=backbones.pin_revision(about.backbone))
        run, token = folder.name if folder else "", secrets.token_hex(8)
        with self._pack_lock:
            parcels = self.object_cache.pack(shipping.list_needed_files(about, run, known=known))
        cards = getattr(about, "approach", "") != "simple"
        while True:
            ask = self.resources
            task = self.remote_task.options(
                num_cpus=ask.cpus,
                num_gpus=cards * ask.gpus,
                max_retries=0,
                num_returns="streaming",
            )
            stream = task.remote(call, about, run, parcels, self.stop_signal, token, int(ask.cpus))
            where = ""
            try:
                if where := (yield from self._wait_for_placement(stream, ask)):
                    return (yield from self._relay_messages(stream, where, token, should_stop, run))
            finally:
                self._end_task(stream, token, where)

    def _wait_for_placement(
        self, stream: Any, ask: cluster.ResourceRequest
    ) -> Generator[Event | None, None, str]:
        """Waits until the task has begun: on which node. "" where the cluster is another by now,
        in which there may never be what was asked for."""
        began = looked = time.monotonic()
        said = False
        while not self._poll(stream):
            yield None
            now = time.monotonic()
            if now - looked > NODE_CHECK_SECONDS:
                looked = now
                self.refresh()
            if ask != self.resources:
                return ""
            if now - began > PLACEMENT_NOTICE_SECONDS and not said:
                said = True
                yield Notice(
                    CLUSTER_BUSY_TEXT if self.slots.total else NO_NODE_TEXT,
                    0.0,
                    is_limitation=False,
                )
        there: node.TaskStarted = self.ray.get(next(stream), timeout=GET_TIMEOUT_SECONDS)
        if (
            there.torch_version != (here := version("torch"))
            and there.node_id not in self._mismatched_nodes
        ):
            self._mismatched_nodes.add(there.node_id)
            logging.warning(
                "Node %s has torch %s, here is %s.", there.node_id, there.torch_version, here
            )
        return there.node_id

    def _poll(self, stream: Any) -> bool:
        """Whether there is something new, after a moment. Raises `Abandoned`."""
        if (over := _abandon_signal.get()) and over.is_set():
            raise RunAbandoned
        return bool(self.ray.wait([stream], timeout=POLL_SECONDS, fetch_local=False)[0])

    def _relay_messages(
        self, stream: Any, where: str, token: str, should_stop: Callable[[], bool], run: str
    ) -> Generator[Event | None, None, Any]:
        asked = 0.0
        while True:
            if (
                should_stop() and time.monotonic() - asked > 1
            ):  # again: the ears may have been replaced
                asked = time.monotonic()
                self.stop_signal.set_request.remote(token, "stop")
            if not self._poll(stream):
                yield None
                continue
            message = yield from self._fetch_message(next(stream), where)
            match message:
                case Event():
                    yield message
                case shipping.Artifact():
                    yield from _save_artifact(message, run)
                case node.TaskResult():
                    return message.value
                case node.TaskError():
                    raise _to_exception(message, run)

    def _fetch_message(self, message: Any, where: str) -> Generator[None, None, Any]:
        """The message itself: a large one has to come from its node, which may be gone by now.
        That of one that lives is waited for as long as Ray does."""
        looked = time.monotonic()
        while not self.ray.wait([message], timeout=POLL_SECONDS)[0]:
            yield None
            if time.monotonic() - looked > NODE_CHECK_SECONDS:
                looked = time.monotonic()
                if where not in cluster.list_alive_nodes():
                    raise self.ray.exceptions.NodeDiedError("What it sent did not come.")
        return self.ray.get(message, timeout=GET_TIMEOUT_SECONDS)

    def _describe_permanent_error(self, error: Exception) -> str:
        """What to say of an error that another node would not mend; "" where one was lost."""
        kinds = self.ray.exceptions
        cause = getattr(error, "cause", None) or error
        why = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        if isinstance(cause, kinds.ObjectStoreFullError | kinds.OutOfDiskError):
            return STORAGE_FULL_TEXT.format(why=why)
        ours = isinstance(error, kinds.RayTaskError) and not isinstance(cause, kinds.RayError)
        if ours or isinstance(error, kinds.RuntimeEnvSetupError):
            return NODE_UNFIT_TEXT.format(why=why)
        return ""

    def _end_task(self, stream: Any, token: str, where: str) -> None:
        """Sees to it that the task is over: it hears Cancel, or its process on the node `where` is
        ended, and what that left there removed."""
        try:
            self.stop_signal.set_request.remote(token, "cancel")
            over = [stream.completed()]
            if not self.ray.wait(over, timeout=CANCEL_TIMEOUT_SECONDS, fetch_local=False)[0]:
                self.ray.cancel(stream, force=True)
                if where:
                    there = {
                        "num_cpus": 0,
                        "scheduling_strategy": self.node_affinity(where, soft=False),
                    }
                    self.ray.remote(shipping.clean_sandboxes).options(**there).remote(
                        SANDBOX_CLEANUP_SECONDS
                    )
            self.stop_signal.discard.remote(token)
        except Exception:  # no cluster, no task
            logging.debug("A task could not be ended.", exc_info=True)

    # --- several --------------------------------------------------------------------------------

    def map_streams(
        self, streams: Sequence[Callable[[], Iterator[Any]]]
    ) -> Iterator[tuple[int, Any] | None]:
        """As many at once as there are places that nobody else waits for; one at the least."""
        waiting, heard = deque(enumerate(streams)), Queue()
        over, threads = threading.Event(), {}
        try:
            while waiting or threads:
                # The first has one's own place, each other one that was to spare.
                while waiting and (not threads or self.slots.acquire_spare()):
                    number, begin = waiting.popleft()
                    given = (number, begin, heard, over)
                    threads[number] = threading.Thread(
                        target=_consume_stream, args=given, daemon=True
                    )
                    threads[number].start()
                try:
                    number, item, error = heard.get(timeout=POLL_SECONDS)
                except Empty:
                    yield None
                    continue
                if item is not None:
                    yield number, item
                    continue
                del threads[number]
                if threads:  # given back, and taken again unless somebody came meanwhile
                    self.slots.release()
                if error:
                    raise error
        finally:
            over.set()
            for thread in threads.values():
                thread.join()
            for _ in range(len(threads) - 1):
                self.slots.release()


def _consume_stream(
    number: int, begin: Callable[[], Iterator], heard: Queue, over: threading.Event
) -> None:
    """One stream of several, in a thread of its own; None, and the error or None, at its end."""
    _abandon_signal.set(over)
    error = None
    stream = begin()
    try:
        for item in stream:
            if over.is_set():
                break
            if item is not None:
                heard.put((number, item, None))
    except RunAbandoned:
        pass
    except BaseException as raised:
        error = raised
    finally:
        stream.close()
        heard.put((number, None, error))


def _save_artifact(left: shipping.Artifact, run: str) -> Iterator[Event]:
    """Keeps what came back; a disk that refuses loses no score."""
    try:
        shipping.save_artifact(left, run)
    except OSError as error:
        if left.name.endswith("model.safetensors"):
            text = f"The trained model could not be kept on disk ({error.strerror})."
            yield Notice(text, 0.0)


def _to_exception(raised: node.TaskError, run: str) -> Exception:
    if raised.name == "BadData":
        from trainers.training.run import BadData

        return BadData(raised.text)
    if raised.name == "Diverged" and run:  # what was kept leads there again
        (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
    return RemoteError(raised.text)


# --- a terminal -----------------------------------------------------------------------------------


def connect_executor() -> RayExecutor:
    """The cluster, for a terminal, until its process ends. Raises `NoCluster`."""
    from trainers.workers import executor
    from trainers.workers.supervisor import get_worker_count

    cluster.connect(get_worker_count())
    fleet = RayExecutor(Slots())
    fleet.slots.acquire()
    executor.set_executor(fleet)
    return fleet
