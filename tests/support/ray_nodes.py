"""A Ray cluster of several nodes on this machine, and runs on it."""

import time
from pathlib import Path

from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.workers.execute import execute

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


def performed(fleet, plan, key=None):
    """The events of a run on a node, kept in the store."""
    key = key or get_store().enqueue(plan, "ann", worker="test")
    return execute(get_store(), key, plan, fleet.run_job, run_dir(key))


def stored(key: str) -> list:
    return [event for _, event in get_store().read_events(key)]
