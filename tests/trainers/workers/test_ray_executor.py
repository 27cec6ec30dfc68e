"""What the Ray executor does about errors, lost nodes and settings; needs no cluster."""

import os
import threading
import time
from functools import partial

import numpy as np
import pytest

from tests.support import toys
from tests.support.ray_nodes import (
    QUICK,
    never,
    of,
    performed,
    stored,
    until,
)
from trainers.events import (
    KINDS,
    JobFailed,
    Notice,
    RunResumed,
    RunStarted,
    Stage,
    ValidationDone,
)
from trainers.jobs import Comparison
from trainers.store import RUNNING, Store, get_store, requeue
from trainers.store.tables import runs
from trainers.system.paths import run_dir
from trainers.system.settings import BadSetting
from trainers.tasks.compare import run_lanes
from trainers.workers import executor, worker
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
    # Ray's own; ours stay errors.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning:ray.*"),
]


def test_a_missing_extra_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setenv("THAW_EXECUTOR", "ray")
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(BadSetting, match=r'pip install "thaw\[ray\]"'):
        WorkerSupervisor(get_store())


def test_an_unknown_executor_is_refused(monkeypatch):
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


def test_what_a_run_reserves_fits_the_nodes(monkeypatch):
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


@pytest.mark.parametrize("name", EventDeduplicator.KEY_FIELDS)
def test_every_field_that_tells_events_apart_exists(name):
    assert any(hasattr(kind, name) or name in kind.__annotations__ for kind in KINDS.values())


def test_repeated_events_are_dropped_and_the_clock_stands_still_meanwhile():
    def look(step, seconds):
        return ValidationDone(0, step, 1.0, 0.5, 1.0, True, None, None, [], [], [], [], [], seconds)

    once = EventDeduplicator([look(5, 1.0), look(10, 2.0)])
    assert once.deduplicate(look(10, 1.9)) is None
    assert once.deduplicate(look(15, 1.95)).seconds == 2.0
    assert once.deduplicate(look(20, 2.5)).seconds == 2.5
    stage = Stage("phase", "Learning", 0.5)
    assert once.deduplicate(stage).seconds == once.deduplicate(stage).seconds == 2.5


def test_spare_slots_are_used_only_if_no_job_waits():
    waiting = [True]
    slots = Slots(lambda: waiting[0])
    slots.total = 2
    assert slots.acquire()
    assert not slots.acquire_spare()
    waiting[0] = False
    assert slots.acquire_spare()
    assert not slots.acquire()


def test_a_run_that_loses_every_node_fails(monkeypatch):
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


def test_the_loss_of_the_cluster_does_not_end_a_run(monkeypatch):
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
        requeue.requeue_runs(get_store(), "coordinator")
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


PERMANENT_ERRORS = {
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


@pytest.mark.parametrize("case", PERMANENT_ERRORS)
def test_an_error_that_any_node_would_repeat_is_not_retried(case):
    error, words = PERMANENT_ERRORS[case]
    fleet, tried = failing(error)
    (failed,) = performed(fleet, QUICK)
    assert tried == [1]
    assert all(word in failed.text for word in words)
    assert "Nothing is wrong with your data" in failed.text


def test_a_resumed_run_says_once_that_it_resumes():
    key = get_store().enqueue(QUICK, "ann", worker="test")
    began = RunStarted("transfer", "digits", "b", "images", ["a"], 1, 1, 1, 1, 1.0, 0.1, "cpu")
    get_store().append(key, [began, RunResumed("It goes on here.", 3.0)])
    fleet, _ = failing(lambda kinds: ValueError("enough"))
    told = list(performed(fleet, QUICK, key))
    assert [type(event) for event in told] == [JobFailed]


def test_a_database_out_of_reach_is_waited_for(monkeypatch):
    key = get_store().enqueue(QUICK, "ann", worker="test")
    fleet, tried = failing(lambda kinds: ValueError("enough"))
    toys.away_at_first(monkeypatch, Store, "read_events")
    with pytest.raises(ValueError, match="enough"):
        list(fleet.run_job(QUICK, should_stop=lambda: False, folder=run_dir(key)))
    assert tried


class SilentRay:
    """A fake of Ray that never has news."""

    def wait(self, refs, **_):
        return [], refs


def test_a_task_that_waits_for_a_node_says_why(monkeypatch):
    monkeypatch.setattr(remote, "PLACEMENT_NOTICE_SECONDS", 0)
    monkeypatch.setattr(remote, "NODE_CHECK_SECONDS", 0)
    ask, nodes = ResourceRequest(1, 1), {"a": {"CPU": 2.0, "GPU": 1.0}}
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: nodes)
    fleet = object.__new__(remote.RayExecutor)
    fleet.ray, fleet.slots, fleet.resources = SilentRay(), Slots(), ask
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


def test_a_message_of_a_lost_node_is_not_waited_for(monkeypatch):
    import ray

    nodes = {"a": {}, "b": {}}
    monkeypatch.setattr(remote, "NODE_CHECK_SECONDS", 0)
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: nodes)
    fleet = object.__new__(remote.RayExecutor)
    fleet.ray = SilentRay()
    fleet.ray.exceptions = ray.exceptions
    coming = fleet._fetch_message(None, "a")
    assert [next(coming) for _ in range(5)] == [None] * 5  # however long it takes
    del nodes["a"]
    with pytest.raises(ray.exceptions.NodeDiedError):
        next(coming)


def test_a_comparison_releases_its_spare_slots_when_a_job_waits():
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


def test_an_error_in_one_of_several_streams_releases_every_slot():
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


def test_visitor_and_operator_learn_that_no_node_has_what_is_reserved(monkeypatch, caplog):
    monkeypatch.setattr(cluster, "list_alive_nodes", lambda: {"a": {"CPU": 8.0, "GPU": 1.0}})
    monkeypatch.setattr(requeue, "data_dir_id", lambda: "here")
    key, other = (get_store().enqueue(QUICK, "ann") for _ in range(2))
    with get_store().engine.begin() as sql:  # it waits for the app server that has its files
        sql.execute(runs.update().where(runs.c.id == other).values(host_id="elsewhere"))
    said = ""
    for _ in range(3):
        said = coordinator.report_unschedulable(get_store(), ResourceRequest(2, 4), said)
    assert [event.text for event in stored(key)] == [remote.NO_NODE_TEXT]
    assert stored(other) == []
    (record,) = caplog.records
    assert "4 graphics cards" in record.message
    assert "'GPU': 1.0" in record.message
    assert "THAW_RAY_GPUS" in record.message


def test_slots_on_lost_nodes_do_not_count(monkeypatch):
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


def test_a_node_does_not_learn_whose_comparison_it_executes(monkeypatch):
    sent = []

    class Pool(executor.LocalExecutor):
        def submit(self, subtask, job, *, should_stop):
            sent.append(job)
            raise ValueError("enough")
            yield

    monkeypatch.setattr(executor, "_executor", Pool())
    with pytest.raises(ValueError, match="enough"):
        list(run_lanes(Comparison(data="digits", visitor="ann"), should_stop=never))
    assert "ann" not in str(sent)


def test_a_node_evicts_the_least_recently_used_files_but_none_in_use(monkeypatch, home):
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


def test_deleted_files_are_released_from_the_object_store(tmp_path):
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
def test_a_file_name_from_a_node_cannot_leave_its_folder(name, home):
    with pytest.raises(ValueError, match="A node sent"):
        shipping.save_artifact(shipping.Artifact(name.format("r"), np.zeros(1, np.uint8)), "r")
    shipping.save_artifact(shipping.Artifact("runs/another/x", np.zeros(1, np.uint8)), "r")
    assert not (home / "runs").exists()
