"""How long an answer takes: `python tests/bench/try_it.py`. No browser needed.

In an empty data folder the real workers train a model on bundled pictures and one on bundled texts;
then one picture or one text is asked at a time, as the page asks it: first while the workers idle,
then while every one of them trains. Prints the median and the 95th percentile in milliseconds, and
how long the first answer took, process and model not yet loaded.
"""

import argparse
import base64
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from trainers import serving
from trainers.events import Step
from trainers.plan import Plan
from trainers.serving.client import get_client
from trainers.store import FINISHED, Store, get_store
from trainers.workers.supervisor import WorkerSupervisor

ASKED = {"a picture": "vehicles", "a text": "messages"}
PATIENCE_SECONDS = 600


def until(condition) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit("It took too long.")
        time.sleep(0.05)


def trained(runs: Store, data: str, approach: str) -> str:
    key = runs.enqueue(
        Plan(data=data, approach=approach, examples_per_class=50, seconds=30), "bench"
    )
    until(lambda: runs.get_run(key).is_over)
    if (over := runs.get_run(key)).state != FINISHED:
        raise SystemExit(f"{data}, {approach}: {over.result}")
    return key


def measured(key: str, tries: int) -> np.ndarray:
    """Milliseconds of each of `tries` questions, each with another input."""
    some = serving.call_endpoint("starters", key)
    inputs = [one["text"] if "text" in one else base64.b64decode(one["picture"]) for one in some]
    took = []
    for number in range(tries):
        began = time.perf_counter()
        (answer,) = serving.predict(key, [inputs[number % len(inputs)]])
        took.append(1000 * (time.perf_counter() - began))
        assert answer.sureness, answer
    return np.array(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--approach", default="hybrid")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THAW_HOME"] = folder
        runs = get_store()
        with WorkerSupervisor(runs) as workers:
            until(lambda: runs.count_ready_workers() == workers.count)
            keys = {what: trained(runs, data, given.approach) for what, data in ASKED.items()}
            for what, key in keys.items():
                began = time.perf_counter()
                until(lambda key=key: serving.poll_loading(key).ready)
                print(f"{what}: opened in {time.perf_counter() - began:.1f} s")
            print(f"{workers.count} training workers, {os.cpu_count()} cores, {given.approach}")
            print("| what | workers | median | 95th percentile |\n|---|---|---|---|")
            for busy in (False, True):
                training = [
                    runs.enqueue(
                        Plan(data="cells", approach="scratch", seconds=600), f"visitor {n}"
                    )
                    for n in range(workers.count * busy)
                ]
                until(lambda training=training: all(map(learns(runs), training)))
                for what, key in keys.items():
                    took = measured(key, given.tries)
                    state = "all training" if busy else "idle"
                    print(f"| {what} | {state} | {np.median(took):.0f} ms | "
                          f"{np.quantile(took, 0.95):.0f} ms |", flush=True)  # fmt: skip
                assert not any(runs.get_run(key).is_over for key in training), "It ended too soon."
                for key in training:
                    runs.request_cancel(key)
        get_client().close()
        runs.engine.dispose()


def learns(runs: Store):
    return lambda key: any(isinstance(event, Step) for _, event in runs.read_events(key))


if __name__ == "__main__":
    main()
