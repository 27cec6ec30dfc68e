"""Runs on a real Ray cluster of several nodes on this machine, each with its own data folder."""

import os
import signal
import socket
import time
from contextlib import contextmanager

import psutil
import pytest
from safetensors.numpy import load_file

from tests.support.own_data import own_texts
from tests.support.ray_nodes import (
    LONG,
    NODE,
    QUICK,
    Nodes,
    a_cluster,
    never,
    of,
    performed,
    stored,
    until,
)
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
from trainers.store import CANCELLED, FINISHED, get_store
from trainers.system.checkpoint_file import read_checkpoint_header
from trainers.system.paths import bundle_path, run_dir
from trainers.tasks.bench_advice import Grid, load_cells, measure_cells
from trainers.tasks.compare import run_lanes
from trainers.tasks.learning_curve import run_learning_curve
from trainers.training.features import ComputationCache
from trainers.training.run import run
from trainers.workers import executor, supervisor
from trainers.workers.ray import coordinator, fleet as remote
from trainers.workers.supervisor import WorkerSupervisor

pytestmark = [
    pytest.mark.timeout(900),  # nodes are processes that import torch: on a busy machine that takes
    # Ray's own; ours stay errors.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning:ray.*"),
]


@pytest.fixture(scope="module", autouse=True)
def loopback():
    """Set before Ray is imported: no statistics, loopback only, and nodes checked more often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_health_check_initial_delay_ms", "1000")
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "3")
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
    while joined.slots.total != 2 and time.monotonic() < until:  # a lost node is noticed late
        time.sleep(0.1)
        joined.refresh()
    assert joined.slots.total == 2
    yield joined
    executor.set_executor(executor.LocalExecutor())


# --- one run --------------------------------------------------------------------------------------


def assert_consistent(events) -> None:
    """No event is repeated, and time never runs backwards."""
    looks = [(event.phase, event.step) for event in of(ValidationDone, events)]
    assert looks == sorted(set(looks))
    for kind in (RunStarted, WatchedExamples, PredictionsRecorded, RunFinished):
        assert len(of(kind, events)) == 1
    assert len(of(PhaseDone, events)) == len({event.phase for event in of(PhaseDone, events)})
    times = [event.seconds for event in events if hasattr(event, "seconds")]
    assert times == sorted(times)


def test_a_run_on_a_node_has_the_same_result_as_here(fleet, tmp_path):
    plan = Plan.from_json(list(run(QUICK))[-1].repeat_plan)
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
    assert (
        of(PredictionsRecorded, here)[0].predictions
        == of(PredictionsRecorded, there)[0].predictions
    )
    assert here[-1].confusion_matrix == there[-1].confusion_matrix
    assert [file.name for file in run_dir(key).iterdir()] == ["model.safetensors"]
    one, other = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "here", run_dir(key))
    )
    assert all((one[name] == other[name]).all() for name in one)
    assert_consistent(there)


def test_stop_in_the_middle_of_a_run_brings_a_score(fleet):
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
def test_cancel_ends_the_run_or_its_process_and_frees_the_node(fleet, nodes, seconds, monkeypatch):
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


def test_an_error_on_a_node_is_reported_unchanged(fleet):
    plan = Plan(data="messages", approach="transfer", backbone="e5_small", seconds=5)
    (failed,) = of(JobFailed, performed(fleet, plan))
    assert "thaw download e5_small" in failed.text


def test_uploaded_data_is_used_on_a_node_and_deleted_there(fleet, nodes, tmp_path, home):
    data = own_texts(tmp_path, "ann", marker="secretly")
    plan = Plan(data=data, approach="transfer", seconds=10)
    first, second = (list(performed(fleet, plan)) for _ in range(2))
    assert isinstance(first[-1], RunFinished), first[-1]
    assert (
        of(PredictionsRecorded, first)[0].predictions
        == of(PredictionsRecorded, second)[0].predictions
    )
    features = home / "features" / data
    assert list(features.glob("*.npy"))  # came back, for runs to come
    for node_home in nodes.homes.values():
        for file in node_home.rglob("*"):
            assert not file.is_file() or b"secretly" not in file.read_bytes(), file


def test_a_model_from_a_node_predicts_and_is_exported_on_another_computer(
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
    assert answers.tolist() == answered.predictions[:50]
    packed = list(performed(fleet, Export(key=key, visitor="ann")))
    assert isinstance(packed[-1], JobDone), packed[-1]
    assert bundle_path(key).is_file()


# --- several --------------------------------------------------------------------------------------


def test_a_comparison_on_two_nodes_has_the_same_verdict_as_here(fleet):
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
    for name in ("verdict", "best_approach", "outcome", "differences_to_advice", "failures"):
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
    assert fleet.slots.used == 1  # the terminal's own


def test_closing_a_comparison_cancels_its_runs(fleet):
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
    assert fleet.slots.used == 1


def test_a_learning_curve_has_the_scores_of_single_runs(fleet, monkeypatch):
    monkeypatch.setattr("trainers.tasks.learning_curve.MAX_DRAWS", 2)
    job = LearningCurve(
        data="digits", visitor="ann", approaches=("none",), examples_per_class=8, seconds=60
    )
    events = list(filter(None, run_learning_curve(job, should_stop=never)))
    points = of(CurvePoint, events)
    assert isinstance(events[-1], LearningCurveDone)
    assert len({(point.examples_per_class, point.draw) for point in points}) == len(points) > 3
    for point in points:
        (plan,) = job.make_plans(examples_per_class=point.examples_per_class, seed=point.draw)
        assert list(run(plan, shared=ComputationCache()))[-1].test_correct == point.correct


def test_the_bench_of_the_advice_runs_on_the_nodes(fleet):
    grid = Grid(["digits"], volumes=(5,), seeds=(0, 1), seconds=1.0, pilot_seconds=1.0)
    lines = list(measure_cells(grid))
    assert len(lines) == len(load_cells(grid)) == 2


# --- a lost node, after all that needs two --------------------------------------------------------


def test_a_run_whose_node_is_lost_resumes_on_another(fleet, nodes):
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
    assert_consistent(events)
    assert [file.name for file in run_dir(key).iterdir()] == ["model.safetensors"]


# --- the coordinator ------------------------------------------------------------------------------


@contextmanager
def an_app(monkeypatch):
    monkeypatch.setenv("THAW_EXECUTOR", "ray")
    with WorkerSupervisor(get_store()) as workers:
        yield workers


def test_a_run_outlives_its_coordinator_and_its_cluster(monkeypatch):
    """The app starts before the cluster, the cluster before its first node; then all are killed."""
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
    assert_consistent(stored(key))


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
