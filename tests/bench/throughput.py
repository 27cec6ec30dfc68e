"""How many comparisons get done, by local workers and by a Ray cluster:
`python tests/bench/throughput.py --jobs 6`.

The same comparisons each time, queued at once by as many visitors: five approaches on a few
handwritten digits, with so much time that every run does all its steps, so the work is the same.
First 1 and 2 workers on this computer (they share its cores), then Ray with 1, 2 and 4 nodes on
this computer, each with one core and one thread. Every process does a comparison before, which does
not count. Nodes on one computer share its cores: beyond their number nothing can grow.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # all of it on the loopback

from trainers.jobs import Comparison
from trainers.store import FINISHED, Store
from trainers.system.paths import database_url
from trainers.workers.supervisor import WorkerSupervisor

APPROACHES = ("none", "simple", "transfer", "fine_tune", "hybrid")
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 100_000_000}
STUCK_SECONDS = 1800


class Crew(NamedTuple):
    kind: str  # "local" or "Ray"
    size: int  # workers, or nodes


@contextmanager
def working(crew: Crew) -> Iterator[Store]:
    """A Thaw of its own, whose crew is ready."""
    home, before = tempfile.mkdtemp(), dict(os.environ)
    cluster = None
    os.environ |= {"THAW_HOME": home, "THAW_WORKERS": str(crew.size), "THAW_EXECUTOR": "local"}
    os.environ.pop("THAW_DATABASE_URL", None)
    try:
        if crew.kind == "Ray":
            from ray.cluster_utils import Cluster

            head = {"num_cpus": 0, "include_dashboard": False, **NODE}
            cluster = Cluster(initialize_head=True, head_node_args=head)
            for _ in range(crew.size):
                cluster.add_node(num_cpus=1, **NODE)
            os.environ |= {"THAW_EXECUTOR": "ray", "RAY_ADDRESS": cluster.address}
        store = Store(database_url())
        with WorkerSupervisor(store):
            until(lambda: store.count_ready_workers() >= crew.size)
            yield store
        store.engine.dispose()
    finally:
        if cluster:
            cluster.shutdown()
        os.environ.clear()
        os.environ |= before
        shutil.rmtree(home, ignore_errors=True)


def until(condition) -> None:
    by = time.monotonic() + STUCK_SECONDS
    while not condition():
        if time.monotonic() > by:
            raise SystemExit("It took too long.")
        time.sleep(0.1)


def done(store: Store, count: int) -> float:
    """Seconds from queueing `count` comparisons to the end of the last."""
    began = time.monotonic()
    keys = [store.enqueue(comparison(f"visitor {n}"), f"visitor {n}") for n in range(count)]
    until(lambda: all(store.get_run(key).is_over for key in keys))
    took = time.monotonic() - began
    for key in keys:
        found = store.get_run(key)
        runs = (found.result or {}).get("runs", ())
        if found.state != FINISHED or len(runs) != len(APPROACHES):
            raise SystemExit(f"A comparison ended as {found.state}: {found.result}")
    return took


def comparison(visitor: str) -> Comparison:
    return Comparison(
        data="digits", visitor=visitor, approaches=APPROACHES, examples_per_class=10, seconds=600,
        article_advice="transfer", advice="transfer", pilot_seconds=0,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=6, help="comparisons each time (6)")
    parser.add_argument("--local", default="1,2", help="numbers of workers (1,2)")
    parser.add_argument("--ray", default="1,2,4", help="numbers of nodes (1,2,4)")
    given = parser.parse_args()
    crews = [Crew("local", int(n)) for n in given.local.split(",") if n]
    crews += [Crew("Ray", int(n)) for n in given.ray.split(",") if n]
    print(f"{os.cpu_count()} cores, {given.jobs} comparisons of {len(APPROACHES)} runs each time\n")
    print("| workers or nodes | seconds | comparisons a minute | runs a minute | against 1 |")
    print("|---|---|---|---|---|")
    first: dict[str, float] = {}
    for crew in crews:
        with working(crew) as store:
            done(store, crew.size)
            took = done(store, given.jobs)
        a_minute = 60 * given.jobs / took
        ratio = a_minute / first.setdefault(crew.kind, a_minute)
        name = f"{crew.size} local" if crew.kind == "local" else f"Ray, {crew.size}"
        print(f"| {name} | {took:.1f} | {a_minute:.1f} | {a_minute * len(APPROACHES):.0f} "
              f"| {ratio:.2f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
