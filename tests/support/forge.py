"""Worker processes made in a blink: torch is imported once here, and each is a fork of this one.

One order a line comes in, as JSON, and one line goes out for each: {"pid": …} when the worker is
there, {"pid": …, "code": …} when it has ended, in whatever order they end. What a worker does is
what `thaw worker` does, on the registries of tests/support/toys.py; before that it
brings its fault upon itself (faults.py).
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

import trainers.training.shared_cache  # noqa: F401, what a worker has imported
from tests.support import faults, toys
from trainers import backbones, datasets
from trainers.store import get_store
from trainers.training import checkpoint
from trainers.workers import worker as work

torch.set_num_threads(1)  # a fork has only the thread that forked
datasets.registry.BUNDLED_DATASETS, backbones.BACKBONES = toys.SAMPLES, toys.BACKBONES
checkpoint.MIN_WRITE_INTERVAL_SECONDS, checkpoint.MAX_WRITE_TIME_SHARE = 0.0, float("inf")


def worker(order: dict) -> None:
    """Takes as many jobs as are wanted, waiting for them."""
    os.environ |= order["env"]
    sys.stdout = sys.stderr = open(order["log"], "a", buffering=1)  # noqa: SIM115
    for number in (1, 2):  # the forge's own pipe must end with the forge
        os.dup2(sys.stderr.fileno(), number)
    for name, value in order["faults"].items():
        getattr(faults, name)(value)
    runs, name, done = get_store(), order["name"], 0
    work.HEARTBEAT_SECONDS = 0.1
    threading.Thread(
        target=work._send_heartbeats,
        args=(runs, name, {"ready": True, "can_train": True}),
        daemon=True,
    ).start()
    while done < order["jobs"]:
        if work.run_next_job(runs, name, needs_torch=True):
            done += 1
        else:
            time.sleep(0.02)


def main() -> None:
    lock = threading.Lock()

    def say(**told) -> None:
        with lock:
            print(json.dumps(told), flush=True)

    def wait(pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        say(pid=pid, code=os.waitstatus_to_exitcode(status))

    say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        with lock:  # no thread holds it in the fork
            pid = os.fork()
        if not pid:
            try:
                worker(order)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        say(pid=pid)
        threading.Thread(target=wait, args=(pid,), daemon=True).start()


if __name__ == "__main__":
    main()
