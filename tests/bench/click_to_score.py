"""From click to score beside the features alone: `python -m trainers bench --only click`.

Ours: a run of transfer learning on 200 messages, put into the queue as the page does it, taken by
a warm worker, until its score can be read from the store. Theirs: nothing but the features of the
same examples, training and test, at the same precision, sorted by length, in this process. Features
that are kept on disk are deleted before each round; a second row runs the same again with them.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator

import torch

from trainers import datasets
from trainers.cli.bench import Row, in_turn, no_slower
from trainers.networks.loading import loaded
from trainers.plan import Plan
from trainers.store import FINISHED, store
from trainers.system.paths import home
from trainers.training.loop import by_length, computed
from trainers.workers.supervisor import Workers

DATA, PER_CLASS = "messages", 25  # of 8 classes: 200 examples
GOAL, PLUS_SECONDS = 1.3, 1.0
LOOK_SECONDS, PATIENCE_SECONDS = 0.01, 300


def until(condition) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit("It took too long: is the worker alive?")
        time.sleep(LOOK_SECONDS)


def ours(seed: int) -> float:
    plan = Plan(data=DATA, approach="transfer", per_class=PER_CLASS, seconds=60, seed=seed)
    began = time.perf_counter()
    key = store().start(plan, "bench")
    until(lambda: store().find(key).is_over)
    seconds = time.perf_counter() - began
    if (over := store().find(key)).state != FINISHED:
        raise SystemExit(f"The run did not finish: {over.result}")
    return seconds


def theirs(seed: int) -> float:
    data, body = datasets.pick(DATA).data(PER_CLASS, seed), loaded("minilm")
    began = time.perf_counter()
    for split in (data.train, data.test):
        ready = body.prepare(split.inputs)
        for _ in computed(body, ready, by_length(ready, torch.arange(len(ready)))):
            pass
    return time.perf_counter() - began


def measure(rounds: int) -> Iterator[Row]:
    before = os.environ.get("THAW_HOME")

    def afresh(seed: int) -> float:
        shutil.rmtree(home() / "features", ignore_errors=True)
        return ours(seed)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["THAW_HOME"] = folder
        store.cache_clear()
        try:
            with Workers(store(), 1):
                ours(0), theirs(0)  # the worker is warm from here on
                taken = in_turn(rounds, afresh, theirs)
                again = in_turn(rounds, lambda number: ours(rounds - 1), theirs)
        finally:
            store.cache_clear()
            os.environ.pop("THAW_HOME")
            if before is not None:
                os.environ["THAW_HOME"] = before
    what = f"from click to score, {DATA}, {8 * PER_CLASS} examples, transfer"
    against = "computing the features alone"
    yield Row(what=what, against=against, **no_slower(*taken, GOAL, PLUS_SECONDS))
    found = no_slower(*again, GOAL, PLUS_SECONDS) | {"goal": "reported", "met": None}
    yield Row(what=f"{what}, the same again (features on disk)", against=against, **found)
