"""From click to score beside the features alone: `thaw bench --only click`.

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
from trainers.cli.bench import BenchRow, compare_slowdown, time_alternately
from trainers.networks.loading import shared_encoder
from trainers.plan import Plan
from trainers.store import FINISHED, get_store
from trainers.system.paths import data_dir
from trainers.training.inference import argsort_by_length, extract_features
from trainers.workers.supervisor import WorkerSupervisor

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
    plan = Plan(data=DATA, approach="transfer", examples_per_class=PER_CLASS, seconds=60, seed=seed)
    began = time.perf_counter()
    key = get_store().enqueue(plan, "bench")
    until(lambda: get_store().get_run(key).is_over)
    seconds = time.perf_counter() - began
    if (over := get_store().get_run(key)).state != FINISHED:
        raise SystemExit(f"The run did not finish: {over.result}")
    return seconds


def theirs(seed: int) -> float:
    data, body = datasets.get_dataset(DATA).load_splits(PER_CLASS, seed), shared_encoder("minilm")
    began = time.perf_counter()
    for split in (data.train, data.test):
        ready = body.prepare(split.inputs)
        for _ in extract_features(body, ready, argsort_by_length(ready, torch.arange(len(ready)))):
            pass
    return time.perf_counter() - began


def measure(rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:
    before = os.environ.get("THAW_HOME")

    def afresh(seed: int) -> float:
        shutil.rmtree(data_dir() / "features", ignore_errors=True)
        return ours(seed)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["THAW_HOME"] = folder
        get_store.cache_clear()
        try:
            with WorkerSupervisor(get_store(), 1):
                ours(0), theirs(0)  # the worker is warm from here on
                taken = time_alternately(rounds, afresh, theirs)
                again = time_alternately(rounds, lambda number: ours(rounds - 1), theirs)
        finally:
            get_store.cache_clear()
            os.environ.pop("THAW_HOME")
            if before is not None:
                os.environ["THAW_HOME"] = before
    what = f"from click to score, {DATA}, {8 * PER_CLASS} examples, transfer"
    against = "computing the features alone"
    yield BenchRow(what=what, against=against, **compare_slowdown(*taken, GOAL, PLUS_SECONDS))
    found = compare_slowdown(*again, GOAL, PLUS_SECONDS) | {"goal": "reported", "met": None}
    yield BenchRow(what=f"{what}, the same again (features on disk)", against=against, **found)
