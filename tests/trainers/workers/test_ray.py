"""Runs on a real Ray cluster of several nodes on this machine, each with a home of its own."""

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from tests.support import toys
from tests.support.own_data import own_texts
from trainers import datasets
from trainers.events import (
    ComparisonDone,
    ComparisonRunDone,
    ComparisonRunStarted,
    CurvePoint,
    JobCancelled,
    JobDone,
    JobFailed,
    LearningCurveDone,
    Notice,
    PhaseDone,
    PredictionsRecorded,
    Progress,
    RunFinished,
    RunResumed,
    RunStarted,
    Stage,
    Step,
    ValidationDone,
    WatchedExamples,
)
from trainers.export.saved_model import load_model
from trainers.jobs import Comparison, Export, LearningCurve
from trainers.plan import Plan
from trainers.store import CANCELLED, FINISHED, RUNNING, Store, get_store, runs
from trainers.system.paths import bundle_path, run_dir
from trainers.system.settings import BadSetting
from trainers.tasks.bench_advice import Grid, load_cells, measure_cells
from trainers.tasks.compare import run_lanes
from trainers.tasks.learning_curve import run_learning_curve
from trainers.training.checkpoint_file import read_checkpoint_header
from trainers.training.features import ComputationCache
from trainers.training.run import run
from trainers.workers import executor, supervisor, worker
from trainers.workers.execute import execute
from trainers.workers.ray import cluster, coordinator, fleet as remote, shipping
from trainers.workers.ray.cluster import (
    ClusterUnavailable,
    ResourceRequest,
    connect,
    get_resource_request,
    is_ray_enabled,
)
from trainers.workers.ray.fleet import Slots
from trainers.workers.replay import EventDeduplicator
from trainers.workers.supervisor import WorkerSupervisor

pytestmark = [
    pytest.mark.timeout(900),  # nodes are processes that import torch: on a busy machine that takes
    # Ray's own; ours stay errors.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning:ray.*"),
]
PATIENCE_SECONDS = 250  # a busy machine imports torch slowly
NODE = {"object_store_memory": 100_000_000, "node_ip_address": "127.0.0.1"}
QUICK = Plan(data="digits", approach="transfer", examples_per_class=5, seconds=20)
LONG = Plan(data="digits", approach="scratch", seconds=300)


def never() -> bool:
    return False


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


def until(condition, seconds: float = PATIENCE_SECONDS) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "It took too long."
        time.sleep(0.05)


def a_cluster(cpus: int, **how):
    """A head with so many processors."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": cpus, "include_dashboard": False, **NODE, **how}
    return Cluster(initialize_head=True, head_node_args=head)


class Nodes:
    """A head without processors, and nodes with one each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.homes = folder, {}
        self.cluster = a_cluster(0)
        self.address = self.cluster.address

    def add(self) -> None:
        home = self.folder / f"node-{len(self.homes)}"
        settings = {"THAW_HOME": str(home)}
        node = self.cluster.add_node(wait=False, num_cpus=1, env_vars=settings, **NODE)
        self.homes[node] = home

    def kill_the_busy_one(self) -> None:
        """As a power cut would: nobody says goodbye."""
        for node, home in list(self.homes.items()):
            if list(home.glob("nodes/*/runs")) and node in self.cluster.worker_nodes:
                self.cluster.remove_node(node, allow_graceful=False)
                return
        raise AssertionError("No node was busy.")


@pytest.fixture(scope="module", autouse=True)
def loopback():
    """Before Ray is imported: no statistics, and nothing beyond this computer. It looks after its
    nodes more often than every three seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_health_check_initial_delay_ms", "1000")
        patch.setenv("RAY_health_check_period_ms", "500")
        yield


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = Nodes(tmp_path_factory.mktemp("nodes"))
        made.add()
        made.add()
        made.cluster.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        made.cluster.shutdown()


@pytest.fixture(scope="module")
def joined(nodes):
    """The cluster as a terminal would use it."""
    import ray

    before = executor.get_executor()
    fleet = remote.connect_executor()
    fleet.warm_up()
    yield fleet
    executor.set_executor(before)
    ray.shutdown()


@pytest.fixture
def fleet(joined, nodes):
    executor.set_executor(joined)
    while len(nodes.cluster.worker_nodes) < 2:
        nodes.add()
    until = time.monotonic() + 60
    while joined.slots.count != 2 and time.monotonic() < until:  # a lost node is noticed late
        time.sleep(0.1)
        joined.look()
    assert joined.slots.count == 2
    yield joined
    executor.set_executor(executor.LocalExecutor())


def performed(fleet, plan, key=None):
    """The events of a run on a node, kept in the store."""
    key = key or get_store().enqueue(plan, "ann", worker="test")
    return execute(get_store(), key, plan, fleet.perform, run_dir(key))


def stored(key: str) -> list:
    return [event for _, event in get_store().read_events(key)]


# --- one run --------------------------------------------------------------------------------------


def told_once(events) -> None:
    """A story without a fact told twice, by a clock that never runs backwards."""
    looks = [(event.phase, event.step) for event in of(ValidationDone, events)]
    assert looks == sorted(set(looks))
    for kind in (RunStarted, WatchedExamples, PredictionsRecorded, RunFinished):
        assert len(of(kind, events)) == 1
    assert len(of(PhaseDone, events)) == len({event.phase for event in of(PhaseDone, events)})
    times = [event.seconds for event in events if hasattr(event, "seconds")]
    assert times == sorted(times)


def test_a_run_on_a_node_comes_to_what_it_comes_to_here(fleet, tmp_path):
    plan = Plan.from_json(list(run(QUICK))[-1].repeat)
    here = list(run(plan, folder=tmp_path / "here"))
    key = get_store().enqueue(plan, "ann", worker="test")
    there = list(performed(fleet, plan, key))
    assert get_store().get_run(key).state == FINISHED
    shown = [
        [type(event) for event in events if not isinstance(event, Step | Progress)]
        for events in (here, there)
    ]
    begun = shown[1].index(RunStarted)  # a node that is not ready yet is waited for, and it says so
    assert shown[0] == shown[1][begun:]
    assert of(PredictionsRecorded, here)[0].answers == of(PredictionsRecorded, there)[0].answers
    assert here[-1].confusion == there[-1].confusion
    assert [file.name for file in run_dir(key).iterdir()] == ["model.safetensors"]
    one, other = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "here", run_dir(key))
    )
    assert all((one[name] == other[name]).all() for name in one)
    told_once(there)


def test_stop_is_heard_in_the_middle_of_a_run_and_brings_a_score(fleet):
    key = get_store().enqueue(LONG, "ann", worker="test")
    asked = 0.0
    for event in performed(fleet, LONG, key):
        if isinstance(event, Step) and not asked:
            get_store().request_stop(key)
            asked = time.monotonic()
        if isinstance(event, Stage) and event.key == "test":
            assert time.monotonic() - asked < LONG.seconds / 5
    assert asked
    assert isinstance(event, RunFinished)
    assert event.stopped_by_user


@pytest.mark.parametrize("seconds", [30.0, 0.0])
def test_cancel_is_heard_or_ends_the_process_and_leaves_the_node_free(
    fleet, nodes, seconds, monkeypatch
):
    import ray

    monkeypatch.setattr(remote, "CANCEL_TIMEOUT_SECONDS", seconds)
    key = get_store().enqueue(LONG, "ann", worker="test")
    for event in performed(fleet, LONG, key):
        if isinstance(event, Step):
            get_store().request_cancel(key)
    assert isinstance(event, JobCancelled)
    assert get_store().get_run(key).state == CANCELLED
    until(lambda: ray.available_resources().get("CPU") == 2)
    until(lambda: not any(list(home.glob("nodes/*")) for home in nodes.homes.values()))


def test_an_error_on_a_node_is_said_in_its_own_words(fleet):
    plan = Plan(data="messages", approach="transfer", backbone="e5_small", seconds=5)
    (failed,) = of(JobFailed, performed(fleet, plan))
    assert "thaw download e5_small" in failed.text


def test_ones_own_data_arrives_and_nothing_of_it_stays(fleet, nodes, tmp_path, home):
    data = own_texts(tmp_path, "ann", marker="secretly")
    plan = Plan(data=data, approach="transfer", seconds=10)
    first, second = (list(performed(fleet, plan)) for _ in range(2))
    assert isinstance(first[-1], RunFinished), first[-1]
    assert of(PredictionsRecorded, first)[0].answers == of(PredictionsRecorded, second)[0].answers
    features = home / "features" / data
    assert list(features.glob("*.npy"))  # came back, for runs to come
    for node_home in nodes.homes.values():
        for file in node_home.rglob("*"):
            assert not file.is_file() or b"secretly" not in file.read_bytes(), file


def test_a_model_from_a_node_answers_on_another_computer_and_is_packed_there(
    fleet, tmp_path, monkeypatch
):
    monkeypatch.setenv("THAW_ARTIFACT_URL", f"file://{tmp_path}/shared")
    monkeypatch.setenv("THAW_DATABASE_URL", f"sqlite:///{tmp_path}/thaw.db")
    key = get_store().enqueue(QUICK, "ann", worker="test")
    (answered,) = of(PredictionsRecorded, performed(fleet, QUICK, key))
    monkeypatch.setenv("THAW_HOME", str(tmp_path / "another"))
    pictures = (
        datasets.get_dataset("digits").load_splits(QUICK.examples_per_class, QUICK.seed).test.inputs
    )
    answers = load_model(get_store().get_run(key)).predict_proba(pictures[:50]).argmax(1)
    assert answers.tolist() == answered.answers[:50]
    packed = list(performed(fleet, Export(key=key, visitor="ann")))
    assert isinstance(packed[-1], JobDone), packed[-1]
    assert bundle_path(key).is_file()


# --- several --------------------------------------------------------------------------------------


def test_a_comparison_over_two_nodes_has_the_verdict_that_it_has_here(fleet):
    job = Comparison(
        data="digits",
        visitor="ann",
        approaches=("none", "transfer", "simple"),
        examples_per_class=5,
        seconds=20,
        article_advice="transfer",
        pilot_seconds=0,
    )
    there = list(run_lanes(job, should_stop=never))
    executor.set_executor(executor.LocalExecutor())
    here = list(run_lanes(job, should_stop=never))
    found = [events[-1] for events in (here, there)]
    assert all(isinstance(one, ComparisonDone) for one in found)
    for name in ("verdict", "best", "outcome", "against_advised", "failed"):
        assert getattr(found[0], name) == getattr(found[1], name)
    scores = [[(one["approach"], one["test_right"]) for one in last.runs] for last in found]
    assert scores[0] == scores[1]
    moments = [
        type(event)
        for event in there
        if isinstance(event, ComparisonRunStarted | ComparisonRunDone)
    ]
    assert moments[:2] == [ComparisonRunStarted, ComparisonRunStarted]  # two at once
    assert {get_store().get_run(one["run"]).state for one in found[1].runs} == {FINISHED}
    assert fleet.slots.taken == 1  # the terminal's own


def test_who_gives_up_a_comparison_ends_its_runs(fleet):
    job = Comparison(
        data="digits",
        visitor="ann",
        approaches=("scratch", "fine_tune"),
        seconds=300,
        article_advice="transfer",
        pilot_seconds=0,
    )
    stream = run_lanes(job, should_stop=never)
    for event in stream:
        if isinstance(event, Step):
            break
    stream.close()
    assert {one.state for one in get_store().list_runs("ann")} == {CANCELLED}
    assert fleet.slots.taken == 1


def test_learning_curves_have_the_points_that_single_runs_have(fleet, monkeypatch):
    monkeypatch.setattr("trainers.tasks.learning_curve.MAX_DRAWS", 2)
    job = LearningCurve(
        data="digits", visitor="ann", approaches=("none",), examples_per_class=8, seconds=60
    )
    events = list(filter(None, run_learning_curve(job, should_stop=never)))
    points = of(CurvePoint, events)
    assert isinstance(events[-1], LearningCurveDone)
    assert len({(point.per_class, point.draw) for point in points}) == len(points) > 3
    for point in points:
        (plan,) = job.make_plans(examples_per_class=point.per_class, seed=point.draw)
        like = ComputationCache()
        like.test_count = point.tests  # a busy machine asks fewer
        assert list(run(plan, shared=like))[-1].test_correct == point.right


def test_a_bench_of_the_advice_is_measured_on_the_nodes(fleet):
    grid = Grid(["digits"], volumes=(5,), seeds=(0, 1), seconds=1.0, pilot_seconds=1.0)
    lines = list(measure_cells(grid))
    assert len(lines) == len(load_cells(grid)) == 2


# --- a lost node, after all that needs two --------------------------------------------------------


def test_a_run_whose_node_is_lost_goes_on_on_another(fleet, nodes):
    key = get_store().enqueue(LONG, "ann", worker="test")
    killed = went_on = False
    for event in performed(fleet, LONG, key):
        if isinstance(event, RunResumed):
            went_on = event
        if went_on and isinstance(event, Step) and event.step > went_on.step:
            get_store().request_stop(key)
        at = read_checkpoint_header(run_dir(key))
        if not killed and at and at["step"] and isinstance(event, Step):
            nodes.kill_the_busy_one()
            killed = True
    assert isinstance(event, RunFinished), event
    events = stored(key)
    (went_on,) = of(RunResumed, events)
    assert "lost" in went_on.text
    assert went_on.step > 0
    after = events[events.index(went_on) :]
    assert "features" not in [event.key for event in of(Stage, after)]  # which a new run begins by
    told_once(events)
    assert [file.name for file in run_dir(key).iterdir()] == ["model.safetensors"]


# --- the coordinator ------------------------------------------------------------------------------


@contextmanager
def an_app(monkeypatch):
    monkeypatch.setenv("THAW_EXECUTOR", "ray")
    with WorkerSupervisor(get_store()) as workers:
        yield workers


def test_a_run_outlives_its_coordinator_and_its_cluster(monkeypatch):
    """The app is there before the cluster, and that before its first node; then one after the
    other is killed."""
    monkeypatch.setattr(supervisor, "MIN_RESTART_SECONDS", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    made, step = None, 0

    def begun() -> bool:
        """Further than where it stood before."""
        at = read_checkpoint_header(run_dir(key))
        return bool(at) and at["step"] > step

    try:
        with an_app(monkeypatch) as workers:
            key = get_store().enqueue(LONG, "ann")
            until(lambda: stored(key))
            assert get_store().get_run(key).state == "queued"
            assert [event.text for event in stored(key)] == [coordinator.CLUSTER_UNREACHABLE_TEXT]
            assert get_store().count_ready_workers() == 0
            made = a_cluster(0, gcs_server_port=port)
            until(lambda: stored(key)[-1].text == remote.NO_NODE_TEXT)
            assert get_store().count_ready_workers() == 0
            made.add_node(num_cpus=1, **NODE)
            until(begun)
            (name,) = (name for name in workers.processes if not name.startswith("light-"))
            os.kill(workers.processes[name].pid, signal.SIGKILL)
            step = read_checkpoint_header(run_dir(key))["step"]
            until(begun)
            for node in made.list_all_nodes():
                node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
            until(lambda: get_store().get_run(key).state == "queued")
            made = a_cluster(1, gcs_server_port=port)
            until(lambda: len(of(RunResumed, stored(key))) == 2)
            get_store().request_stop(key)
            until(lambda: get_store().get_run(key).is_over)
    finally:
        if made:
            made.shutdown()
    assert get_store().get_run(key).state == FINISHED, get_store().get_run(key).result
    assert len(of(RunResumed, stored(key))) == 2
    told_once(stored(key))


def test_a_cluster_of_its_own_ends_with_the_app(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("THAW_WORKERS", "1")
    with an_app(monkeypatch) as workers:
        until(lambda: get_store().count_ready_workers() == 1)
        key = get_store().enqueue(QUICK, "ann")
        until(lambda: get_store().get_run(key).is_over)
        assert get_store().get_run(key).state == FINISHED
        family = [
            child
            for process in workers.processes.values()
            for child in psutil.Process(process.pid).children(recursive=True)
        ]
        assert any("raylet" in child.name() for child in family)
    until(lambda: not any(map(is_alive, family)))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- without a cluster ----------------------------------------------------------------------------


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("THAW_EXECUTOR", "ray")
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(BadSetting, match=r'pip install "thaw\[ray\]"'):
        WorkerSupervisor(get_store())


def test_an_engine_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("THAW_EXECUTOR", "spark")
    with pytest.raises(BadSetting, match="'spark'"):
        is_ray_enabled()
    monkeypatch.delenv("THAW_EXECUTOR")
    assert not is_ray_enabled()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:no", "nothing", "ray://head:10001"])
def test_a_wrong_address_is_named_with_what_to_do(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ClusterUnavailable, match=r"RAY_ADDRESS.*set\s+RAY_ADDRESS") as refused:
        connect(1)
    assert address in str(refused.value)


def test_what_a_run_asks_fits_the_nodes(monkeypatch):
    small, large, card = {"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}
    assert get_resource_request([small, small]) == ResourceRequest(1, 0)
    assert get_resource_request([small, large]) == ResourceRequest(2, 0)
    assert get_resource_request([large, card]) == ResourceRequest(2, 1)
    assert ResourceRequest(2, 0).count_fitting([small, large, large]) == 8
    assert ResourceRequest(2, 1).count_fitting([large, card]) == 2
    monkeypatch.setenv("THAW_RAY_GPUS", "0.5")
    assert get_resource_request([card]).count_fitting([card]) == 4
    assert ResourceRequest(1, 0.2).count_fitting([card]) == 8  # of the processors; of the cards 10
    assert ResourceRequest(0.1, 0.2).count_fitting([card]) == 10
    monkeypatch.setenv("THAW_RAY_GPUS", "1.5")
    with pytest.raises(BadSetting, match="whole one"):
        get_resource_request([card])
    monkeypatch.delenv("THAW_RAY_GPUS")
    monkeypatch.setenv("THAW_EXECUTOR", "ray")
    monkeypatch.setenv("THAW_RAY_CPUS", "many")
    with pytest.raises(BadSetting, match="THAW_RAY_CPUS"):
        is_ray_enabled()


def test_what_was_told_is_not_told_again_and_the_clock_stands_still_meanwhile():
    def look(step, seconds):
        return ValidationDone(0, step, 1.0, 0.5, 1.0, True, None, None, [], [], [], [], [], seconds)

    once = EventDeduplicator([look(5, 1.0), look(10, 2.0)])
    assert once.deduplicate(look(10, 1.9)) is None
    assert once.deduplicate(look(15, 1.95)).seconds == 2.0
    assert once.deduplicate(look(20, 2.5)).seconds == 2.5
    stage = Stage("phase", "Learning", 0.5)
    assert once.deduplicate(stage).seconds == once.deduplicate(stage).seconds == 2.5


def test_more_than_ones_own_place_is_taken_only_where_nobody_waits():
    waiting = [True]
    slots = Slots(lambda: waiting[0])
    slots.total = 2
    assert slots.acquire()
    assert not slots.acquire_spare()
    waiting[0] = False
    assert slots.acquire_spare()
    assert not slots.acquire()


def test_a_run_that_loses_every_node_is_given_up(monkeypatch):
    import ray

    key, tried = get_store().enqueue(QUICK, "ann", worker="test"), []

    def crashed(*_, **__):
        tried.append(1)
        yield RunStarted("transfer", "digits", "b", "images", ["a"], 1, 1, 1, 1, 1.0, 0.1, "cpu")
        raise ray.exceptions.WorkerCrashedError

    fleet = object.__new__(remote.RayExecutor)
    fleet.ray = ray
    monkeypatch.setattr(remote.RayExecutor, "_run_once", crashed)
    monkeypatch.setattr(remote.RayExecutor, "is_alive", lambda self: True)
    events = list(performed(fleet, QUICK, key))
    assert len(tried) == 1 + remote.MAX_RETRIES
    assert isinstance(events[-1], JobFailed)
    assert "given up" in events[-1].text
    assert len(of(RunStarted, events)) == 1
    assert len(of(Notice, events)) == remote.MAX_RETRIES


def test_a_cluster_that_is_lost_is_no_end_of_a_run(monkeypatch):
    import ray

    key = get_store().enqueue(QUICK, "ann", worker="coordinator")

    def crashed(*_, **__):
        yield RunStarted("transfer", "digits", "b", "images", ["a"], 1, 1, 1, 1, 1.0, 0.1, "cpu")
        raise ray.exceptions.WorkerCrashedError

    fleet = object.__new__(remote.RayExecutor)
    fleet.ray = ray
    monkeypatch.setattr(remote.RayExecutor, "_run_once", crashed)
    monkeypatch.setattr(remote.RayExecutor, "is_alive", lambda self: False)
    with pytest.raises(remote.ClusterLost):
        list(performed(fleet, QUICK, key))
    assert get_store().get_run(key).state == RUNNING
    for time_ in range(remote.MAX_RETRIES + 1):
        coordinator.requeue_runs(get_store(), "coordinator")
        again = get_store().claim("coordinator")
        assert (again is None) == (time_ == remote.MAX_RETRIES)  # not for ever
    assert get_store().get_run(key).state == RUNNING  # for `Store.gone` to end


def failing(error):
    """A fleet each of whose nodes ends a run with `error`; and how often one was tried."""
    import ray

    tried = []

    def once(*_, **__):
        tried.append(1)
        yield from ()
        raise error(ray.exceptions)

    fleet = object.__new__(remote.RayExecutor)
    fleet.ray, fleet._run_once, fleet.is_alive = ray, once, lambda: True
    return fleet, tried


NO_USE = {
    "not installed": (
        lambda kinds: kinds.RayTaskError("f", "", ModuleNotFoundError("No module named 'torch'")),
        ("No module named 'torch'", "same versions"),
    ),
    "not set up": (
        lambda kinds: kinds.RuntimeEnvSetupError("The code could not be unpacked."),
        ("could not be unpacked", "same versions"),
    ),
    "disk full": (lambda kinds: kinds.OutOfDiskError("Full."), ("no room left", "disk")),
    "full on a node": (
        lambda kinds: kinds.RayTaskError("f", "", kinds.ObjectStoreFullError("Full.")),
        ("no room left", "memory"),
    ),
}


@pytest.mark.parametrize("case", NO_USE)
def test_what_no_other_node_would_mend_is_said_at_once(case):
    error, words = NO_USE[case]
    fleet, tried = failing(error)
    (failed,) = performed(fleet, QUICK)
    assert tried == [1]
    assert all(word in failed.text for word in words)
    assert "Nothing is wrong with your data" in failed.text


def test_a_run_that_somebody_continued_says_once_that_it_goes_on():
    key = get_store().enqueue(QUICK, "ann", worker="test")
    began = RunStarted("transfer", "digits", "b", "images", ["a"], 1, 1, 1, 1, 1.0, 0.1, "cpu")
    get_store().append(key, [began, RunResumed("It goes on here.", 3.0)])
    fleet, _ = failing(lambda kinds: ValueError("enough"))
    told = list(performed(fleet, QUICK, key))
    assert [type(event) for event in told] == [JobFailed]


def test_a_database_that_is_away_when_a_run_goes_to_a_node_is_waited_for(monkeypatch):
    key = get_store().enqueue(QUICK, "ann", worker="test")
    fleet, tried = failing(lambda kinds: ValueError("enough"))
    toys.away_at_first(monkeypatch, Store, "read_events")
    with pytest.raises(ValueError, match="enough"):
        list(fleet.run_job(QUICK, should_stop=lambda: False, folder=run_dir(key)))
    assert tried


class Away:
    """Ray, of which nothing ever comes."""

    def wait(self, refs, **_):
        return [], refs


def test_who_waits_for_a_place_in_the_cluster_hears_why(monkeypatch):
    monkeypatch.setattr(remote, "PLACEMENT_NOTICE_SECONDS", 0)
    monkeypatch.setattr(remote, "NODE_CHECK_SECONDS", 0)
    ask, nodes = ResourceRequest(1, 1), {"a": {"CPU": 2.0, "GPU": 1.0}}
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: nodes)
    fleet = object.__new__(remote.RayExecutor)
    fleet.ray, fleet.slots, fleet.resources = Away(), Slots(), ask
    fleet.object_cache, fleet._pack_lock = shipping.ObjectStoreCache(None), threading.Lock()
    monkeypatch.setenv("THAW_RAY_CPUS", "1")
    waiting = fleet._wait_for_placement(None, ask)
    assert [event and event.text for event in (next(waiting) for _ in range(4))] == [
        None,
        remote.CLUSTER_BUSY_TEXT,
        None,
        None,
    ]
    nodes["a"] = {"CPU": 2.0}  # the graphics card is gone: nobody will ever have one
    with pytest.raises(StopIteration) as end:
        next(waiting)
    assert end.value.value == ""
    nodes.clear()
    fleet.refresh()
    waiting = fleet._wait_for_placement(None, fleet.resources)
    assert [next(waiting) for _ in range(2)][1].text == remote.NO_NODE_TEXT


def test_what_a_lost_node_sent_is_not_waited_for(monkeypatch):
    import ray

    nodes = {"a": {}, "b": {}}
    monkeypatch.setattr(remote, "NODE_CHECK_SECONDS", 0)
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: nodes)
    fleet = object.__new__(remote.RayExecutor)
    fleet.ray = Away()
    fleet.ray.exceptions = ray.exceptions
    coming = fleet._fetch_message(None, "a")
    assert [next(coming) for _ in range(5)] == [None] * 5  # however long it takes
    del nodes["a"]
    with pytest.raises(ray.exceptions.NodeDiedError):
        next(coming)


def test_a_comparison_gives_its_places_back_when_somebody_comes():
    waiting, at_work, most = [False], [], []
    fleet = object.__new__(remote.RayExecutor)
    fleet.slots = Slots(lambda: waiting[0])
    fleet.slots.total, fleet.slots.used = 3, 1

    def lane(number):
        at_work.append(number)
        most.append(len(at_work))
        yield number
        until(lambda: len(at_work) == 3 or waiting[0], 5)
        at_work.remove(number)

    heard = []
    for told in fleet.map_streams([partial(lane, number) for number in range(6)]):
        if told:
            heard.append(told[1])
            waiting[0] = len(heard) > 2
    assert sorted(heard) == list(range(6))
    assert max(most[:3]) == 3
    assert most[-2:] == [1, 1]
    assert fleet.slots.used == 1


def test_an_error_of_one_of_several_gives_every_place_back():
    fleet = object.__new__(remote.RayExecutor)
    fleet.slots = Slots()
    fleet.slots.total, fleet.slots.used = 3, 1

    def fails():
        yield 1
        raise ValueError("broken")

    def lasts():
        while True:
            time.sleep(0.01)
            yield None

    with pytest.raises(ValueError, match="broken"):
        list(fleet.map_streams([lasts, fails, lasts]))
    assert fleet.slots.used == 1


def test_where_no_node_has_what_is_asked_both_sides_are_told(monkeypatch, caplog):
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: {"a": {"CPU": 8.0, "GPU": 1.0}})
    monkeypatch.setattr(coordinator, "machine", lambda: "here")
    key, other = (get_store().enqueue(QUICK, "ann") for _ in range(2))
    with get_store().engine.begin() as sql:  # it waits for the app server that has its files
        sql.execute(runs.update().where(runs.c.id == other).values(machine="elsewhere"))
    said = ""
    for _ in range(3):
        said = coordinator.report_unschedulable(get_store(), ResourceRequest(2, 4), said)
    assert [event.text for event in stored(key)] == [remote.NO_NODE_TEXT]
    assert stored(other) == []
    (record,) = caplog.records
    assert "4 graphics cards" in record.message
    assert "'GPU': 1.0" in record.message
    assert "THAW_RAY_GPUS" in record.message


def test_places_that_are_no_more_count_no_more(monkeypatch):
    state, counts = {"ready": True, "places": 3}, []

    def sleep(seconds):
        counts.append(get_store().count_ready_workers())
        if len(counts) == 2:
            raise StopIteration
        state["places"] = 1

    monkeypatch.setattr(worker.time, "sleep", sleep)
    with pytest.raises(StopIteration):
        worker._send_heartbeats(get_store(), "coordinator", state)
    assert counts == [3, 1]
    get_store().record_heartbeat("coordinator-1", 1, ready=True)
    get_store().remove_worker("coordinator", "Ended.")
    assert get_store().count_ready_workers() == 0


def test_a_node_does_not_learn_whose_comparison_it_is(monkeypatch):
    sent = []

    class Pool(executor.LocalExecutor):
        def elsewhere(self, work, about, *, should_stop):
            sent.append(about)
            raise ValueError("enough")
            yield

    monkeypatch.setattr(executor, "_executor", Pool())
    with pytest.raises(ValueError, match="enough"):
        list(run_lanes(Comparison(data="digits", visitor="ann"), should_stop=never))
    assert "ann" not in str(sent)


def test_on_a_node_the_longest_unused_goes_and_what_a_run_uses_stays(monkeypatch, home):
    monkeypatch.setattr(shipping, "MAX_NODE_CACHE_BYTES", 25)
    carried = home / "carried"

    def brought(*names: str):
        parcels = [
            shipping.FileRef("home", f"online/{name}", False, 10, name, np.full(10, 7, np.uint8))
            for name in names
        ]
        return shipping.sandbox(parcels, lambda array: array)

    def unused_for(seconds: float, name: str) -> None:
        os.utime(carried / name, (time.time() - seconds,) * 2)

    def there() -> set[str]:
        return {file.name for file in carried.iterdir()}

    with brought("a", "b", "c") as place:
        for number, name in enumerate("abc"):
            unused_for(4000 - number, name)
        monkeypatch.setenv("THAW_HOME", str(home))  # as another process of this node
        with brought("a"):  # used again
            assert there() == {"a", "c"}
        assert (place / "online" / "b").read_bytes() == bytes([7] * 10)
    with brought("d"):
        assert there() == {"a", "d"}
    with brought("e", "f"):  # all of these were used just now
        assert there() == {"a", "d", "e", "f"}


def test_what_was_deleted_is_held_no_longer(tmp_path):
    file, put = tmp_path / "examples.bin", []
    file.write_bytes(b"mine")
    hold = shipping.ObjectStoreCache(lambda found: put.append(found.tobytes()))
    wanted = shipping.SourceFile(file, "home", "data/a/examples.bin", True)
    for _ in range(2):
        (parcel,) = hold.pack(iter([wanted]))
    assert put == [b"mine"]  # once
    assert parcel.digest == ""
    hold.evict()
    assert hold._refs
    file.unlink()
    hold.evict()
    assert not hold._refs
    assert hold.pack(iter([wanted])) == []


@pytest.mark.parametrize("name", ["runs/{}/../../x", "runs/{}/a/b", "runs/{}/..", "features/d/"])
def test_no_name_from_a_node_leads_out_of_a_folder(name, home):
    with pytest.raises(ValueError, match="A node sent"):
        shipping.save_artifact(shipping.Artifact(name.format("r"), np.zeros(1, np.uint8)), "r")
    shipping.save_artifact(shipping.Artifact("runs/another/x", np.zeros(1, np.uint8)), "r")
    assert not (home / "runs").exists()
