"""The executor whose jobs run on the nodes of a Ray cluster.

A job is a streaming remote generator (trainers/workers/ray/node.py). The files it needs travel to
the node, and its files and checkpoints come back (trainers/workers/ray/shipping.py). So a run whose
node is lost resumes on another one, and a run whose coordinator is lost resumes under the next.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainers import backbones, jobs
from trainers.datasets import uploads
from trainers.events import Event, JobDone, Notice, RunResumed, RunStarted
from trainers.jobs import DataCheck
from trainers.plan import Plan
from trainers.store import get_store
from trainers.store.engine import retry
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.system.paths import run_dir
from trainers.system.processes import get_worker_count
from trainers.workers.executor import SubtaskFunction, set_executor
from trainers.workers.ray import cluster, node, shipping
from trainers.workers.ray.slots import POLL_SECONDS, Slots, raise_if_abandoned
from trainers.workers.replay import (
    INTERRUPTED_TEXT,
    NODE_LOST_TEXT,
    EventDeduplicator,
    is_node_loss,
    restart_notice,
)

NODE_CHECK_SECONDS = 2.0  # between two checks which nodes are alive
PLACEMENT_NOTICE_SECONDS = 10.0  # a task that waits longer for its node says so
GET_TIMEOUT_SECONDS = 60.0  # to read an object that has arrived
CANCEL_TIMEOUT_SECONDS = 1.5  # a node that does not react to Cancel by then has its process ended
SANDBOX_CLEANUP_SECONDS = 15.0  # the node looks so long for files of the ended process
MAX_RETRIES = 3  # of a job whose node was lost
# Executed by the coordinator: they start other runs, or need a run's files and the database.
LOCAL_KINDS = ("compare", "curve", "export", "forgot")

NO_NODE_TEXT = (
    "No computer of the cluster can train at the moment. This waits for one, and starts by itself "
    "when it is there."
)
CLUSTER_BUSY_TEXT = (
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
    f"The computer that this ran on was lost {MAX_RETRIES + 1} times, so it was given up. Nothing "
    "is wrong with your data. Try again, with fewer examples or a smaller backbone if its memory "
    "was full; whoever looks after the cluster finds why in Ray's logs."
)

EventStream = Generator[Event | None, None, Any]  # None: no news, a moment to check for Stop


class RemoteError(RuntimeError):
    """An error that ended a job on a node, in words for the visitor."""


class ClusterLost(BaseException):
    """The cluster is gone; this does not end the run, which the next coordinator resumes."""


class RayExecutor:
    """Executes jobs on the cluster, with the methods of `executor.LocalExecutor`."""

    def __init__(self, slots: Slots) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.ray, self.slots = ray, slots
        self.node_affinity = NodeAffinitySchedulingStrategy
        self.object_cache, self._pack_lock = shipping.ObjectStoreCache(ray.put), threading.Lock()
        self._mismatched_nodes: set[str] = set()
        self.refresh()
        self.remote_task = ray.remote(node.run_task)
        here = self.node_affinity(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
        self.stop_signal = ray.remote(node.StopSignal).options(**options).remote()

    # --- nodes ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Count the nodes and slots again, and release objects that are no longer needed."""
        nodes = cluster.list_alive_nodes().values()
        self.resources = cluster.get_resource_request(nodes)
        self.slots.total = self.resources.count_fitting(nodes)
        with self._pack_lock:
            self.object_cache.evict()

    @property
    def max_concurrent(self) -> int:
        """Runs that the cluster executes at once, at least 1."""
        return max(1, self.slots.total)

    def is_alive(self) -> bool:
        """Return whether the cluster answers and has nodes."""
        try:
            return self.ray.is_initialized() and bool(cluster.list_alive_nodes())
        except Exception:  # Ray raises many kinds
            return False

    def warm_up(self) -> None:
        """Have every node import what its first run needs; return when the first has done so."""
        task = self.ray.remote(node.warm_up).options(
            num_cpus=self.resources.cpus,
            num_gpus=self.resources.gpus,
            max_retries=0,
            scheduling_strategy="SPREAD",
        )
        if tasks := [task.remote(int(self.resources.cpus)) for _ in range(self.slots.total)]:
            self.ray.wait(tasks, timeout=60)

    # --- one job --------------------------------------------------------------------------------

    def run_job(
        self, job: Any, *, should_stop: Callable[[], bool], folder: Path | None = None
    ) -> Iterator[Event | None]:
        """Return the events of `job`, like `trainers.jobs.run_job`."""
        if jobs.kind_of(job) in LOCAL_KINDS or not jobs.KINDS[jobs.kind_of(job)].needs_torch:
            return jobs.run_job(job, should_stop=should_stop, folder=folder)
        return self._run_job(job, should_stop, folder)

    def _run_job(
        self, job: Any, should_stop: Callable[[], bool], folder: Path | None
    ) -> Iterator[Event | None]:
        is_upload_check = isinstance(job, DataCheck) and job.data.startswith("own-")
        events = self._run_with_retries(
            node.run_job, job, should_stop, folder, with_cached_features=True
        )
        for event in events:
            if is_upload_check and isinstance(event, JobDone):
                uploads.save_check(job.data, event.result)
            yield event

    def run(
        self, plan: Plan, *, should_stop: Callable[[], bool], cache: Any, folder: Path | None = None
    ) -> Iterator[Event | None]:
        """Return the events of one of the runs that are compared."""
        return self._run_with_retries(node.run_plan, plan, should_stop, folder)

    def submit(
        self, subtask: SubtaskFunction, job: Any, *, should_stop: Callable[[], bool]
    ) -> EventStream:
        """Return the stream of `subtask`, executed on a node."""
        return self._run_with_retries(partial(node.run_subtask, subtask), job, should_stop, None)

    def map_streams(
        self, streams: Sequence[Callable[[], Iterator[Any]]]
    ) -> Iterator[tuple[int, Any] | None]:
        """Yield the items of all streams, as many at once as there are spare slots."""
        return self.slots.map_streams(streams)

    def _run_with_retries(
        self,
        call: node.TaskFunction,
        job: Any,
        should_stop: Callable[[], bool],
        folder: Path | None,
        *,
        with_cached_features: bool = False,
    ) -> EventStream:
        """Yield the events of `call` and return its result, across the loss of nodes."""
        run = folder.name if folder else ""
        stored = [event for _, event in retry(lambda: get_store().read_events(run))] if run else []
        deduplicator = EventDeduplicator(stored)
        # An earlier coordinator may have started the run; a last `RunResumed` has said so already.
        is_restart = any(isinstance(event, RunStarted) for event in stored)
        is_restart &= not isinstance(stored[-1] if stored else None, RunResumed)
        reason, losses = INTERRUPTED_TEXT, sum(is_node_loss(event) for event in stored)
        while True:
            if is_restart:
                if losses > MAX_RETRIES:
                    raise RemoteError(RETRIES_EXHAUSTED_TEXT)
                yield restart_notice(reason, folder, deduplicator.seconds)
            stream = self._run_once(
                call, job, should_stop, folder, with_cached_features=with_cached_features
            )
            try:
                while True:
                    try:
                        event = next(stream)
                    except StopIteration as end:
                        return end.value
                    if event is None or (event := deduplicator.deduplicate(event)):
                        yield event
            except self.ray.exceptions.OutOfMemoryError:
                raise MemoryError from None
            except self.ray.exceptions.RayError as error:
                if not self.is_alive():
                    raise ClusterLost from error
                if text := self._describe_permanent_error(error):
                    raise RemoteError(text) from error
                logging.warning("A node was lost: %s", str(error).splitlines()[0])
                is_restart, reason, losses = True, NODE_LOST_TEXT, losses + 1
            finally:
                stream.close()

    def _run_once(
        self,
        call: node.TaskFunction,
        job: Any,
        should_stop: Callable[[], bool],
        folder: Path | None,
        *,
        with_cached_features: bool,
    ) -> EventStream:
        """Execute `call` on one node. Raises Ray's errors if the node is lost."""
        if getattr(job, "backbone", ""):  # a node does not know which revision is here
            job = replace(job, backbone=backbones.pin_revision(job.backbone))
        run, token = folder.name if folder else "", secrets.token_hex(8)
        needed = shipping.list_needed_files(job, run, with_cached_features=with_cached_features)
        with self._pack_lock:
            files = self.object_cache.pack(needed)
        uses_gpu = getattr(job, "approach", "") != "simple"
        while True:
            request = self.resources
            task = self.remote_task.options(
                num_cpus=request.cpus,
                num_gpus=uses_gpu * request.gpus,
                max_retries=0,
                num_returns="streaming",
            )
            order = node.TaskOrder(run, token, int(request.cpus))
            stream = task.remote(call, job, order, files, self.stop_signal)
            node_id = ""
            try:
                if node_id := (yield from self._wait_for_placement(stream, request)):
                    return (yield from self._relay_messages(stream, node_id, order, should_stop))
            finally:
                self._end_task(stream, token, node_id)

    def _wait_for_placement(
        self, stream: Any, request: cluster.ResourceRequest
    ) -> Generator[Event | None, None, str]:
        """Wait until the task has started, and return the id of its node.

        Returns "" if the cluster has changed so that `request` may never be met.
        """
        started_at = checked_at = time.monotonic()
        is_notified = False
        while not self._has_message(stream):
            yield None
            now = time.monotonic()
            if now - checked_at > NODE_CHECK_SECONDS:
                checked_at = now
                self.refresh()
            if request != self.resources:
                return ""
            if now - started_at > PLACEMENT_NOTICE_SECONDS and not is_notified:
                is_notified = True
                text = CLUSTER_BUSY_TEXT if self.slots.total else NO_NODE_TEXT
                yield Notice(text, 0.0, is_limitation=False)
        started: node.TaskStarted = self.ray.get(next(stream), timeout=GET_TIMEOUT_SECONDS)
        self._check_torch_version(started)
        return started.node_id

    def _check_torch_version(self, started: node.TaskStarted) -> None:
        here = version("torch")
        if started.torch_version != here and started.node_id not in self._mismatched_nodes:
            self._mismatched_nodes.add(started.node_id)
            logging.warning(
                "Node %s has torch %s, here is %s.", started.node_id, started.torch_version, here
            )

    def _has_message(self, stream: Any) -> bool:
        """Wait a moment for the next message. Raises `RunAbandoned`."""
        raise_if_abandoned()
        return bool(self.ray.wait([stream], timeout=POLL_SECONDS, fetch_local=False)[0])

    def _relay_messages(
        self, stream: Any, node_id: str, order: node.TaskOrder, should_stop: Callable[[], bool]
    ) -> EventStream:
        requested_at = 0.0
        while True:
            # Repeated every second: the actor may have been restarted.
            if should_stop() and time.monotonic() - requested_at > 1:
                requested_at = time.monotonic()
                self.stop_signal.set_request.remote(order.token, "stop")
            if not self._has_message(stream):
                yield None
                continue
            message = yield from self._fetch_message(next(stream), node_id)
            match message:
                case Event():
                    yield message
                case shipping.Artifact():
                    yield from _save_artifact(message, order.run)
                case node.TaskResult():
                    return message.value
                case node.TaskError():
                    raise _to_exception(message, order.run)

    def _fetch_message(self, message: Any, node_id: str) -> Generator[None, None, Any]:
        """Wait for a message that may be large, as long as its node is alive, and return it."""
        checked_at = time.monotonic()
        while not self.ray.wait([message], timeout=POLL_SECONDS)[0]:
            yield None
            if time.monotonic() - checked_at > NODE_CHECK_SECONDS:
                checked_at = time.monotonic()
                if node_id not in cluster.list_alive_nodes():
                    raise self.ray.exceptions.NodeDiedError("Its message did not arrive.")
        return self.ray.get(message, timeout=GET_TIMEOUT_SECONDS)

    def _describe_permanent_error(self, error: Exception) -> str:
        """Return a sentence on an error that another node would repeat; "" for a lost node."""
        kinds = self.ray.exceptions
        cause = getattr(error, "cause", None) or error
        why = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        if isinstance(cause, kinds.ObjectStoreFullError | kinds.OutOfDiskError):
            return STORAGE_FULL_TEXT.format(why=why)
        is_task_error = isinstance(error, kinds.RayTaskError)
        is_ours = is_task_error and not isinstance(cause, kinds.RayError)
        if is_ours or isinstance(error, kinds.RuntimeEnvSetupError):
            return NODE_UNFIT_TEXT.format(why=why)
        return ""

    def _end_task(self, stream: Any, token: str, node_id: str) -> None:
        """End the task: send Cancel, then end its process on the node and remove its files."""
        try:
            self.stop_signal.set_request.remote(token, "cancel")
            ended = [stream.completed()]
            if not self.ray.wait(ended, timeout=CANCEL_TIMEOUT_SECONDS, fetch_local=False)[0]:
                self.ray.cancel(stream, force=True)
                if node_id:
                    there = self.node_affinity(node_id, soft=False)
                    clean = self.ray.remote(shipping.clean_sandboxes)
                    options = {"num_cpus": 0, "scheduling_strategy": there}
                    clean.options(**options).remote(SANDBOX_CLEANUP_SECONDS)
            self.stop_signal.discard.remote(token)
        except Exception:  # without a cluster there is no task
            logging.debug("A task could not be ended.", exc_info=True)


def _save_artifact(artifact: shipping.Artifact, run: str) -> Iterator[Event]:
    """Save a file that came back; if the disk refuses, the run keeps its score."""
    try:
        shipping.save_artifact(artifact, run)
    except OSError as error:
        if artifact.name.endswith("model.safetensors"):
            text = f"The trained model could not be kept on disk ({error.strerror})."
            yield Notice(text, 0.0)


def _to_exception(error: node.TaskError, run: str) -> Exception:
    if error.name == "BadData":
        from trainers.training.run import BadData

        return BadData(error.text)
    if error.name == "DivergenceError" and run:  # from its checkpoint it would diverge again
        (run_dir(run) / CHECKPOINT_FILE).unlink(missing_ok=True)
    return RemoteError(error.text)


def connect_executor() -> RayExecutor:
    """Use the cluster in this terminal's process until it ends. Raises `ClusterUnavailable`."""
    cluster.connect(get_worker_count())
    fleet = RayExecutor(Slots())
    fleet.slots.acquire()
    set_executor(fleet)
    return fleet
