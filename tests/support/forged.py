"""Real processes and file systems to make faults with; what they are made of is in forge.py."""

import json
import os
import queue
import resource
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trainers.plan import Plan
from trainers.store import get_store

HERE = Path(__file__).parent
PATIENCE_SECONDS = 90  # a busy machine


def until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS):
    """What `condition` gives, once it holds; fails after `seconds`."""
    began = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - began < seconds, "It took too long."
        time.sleep(0.02)
    return found


class Worker(NamedTuple):
    name: str
    pid: int
    forge: "Forge"
    log: Path

    def ended(self) -> int:
        """Its exit code, once it has ended; negative: the signal."""
        return self.forge.code(self.pid)


class Forge:
    """Makes workers: see forge.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "forge.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.codes: dict[int, int] = {}
        self.workers: list[Worker] = []
        self.made: queue.Queue = queue.Queue()
        self.ear = threading.Thread(target=self._listen, daemon=True)
        self.ear.start()
        self.made.get(timeout=PATIENCE_SECONDS)

    def _listen(self) -> None:
        for line in self.process.stdout:
            told = json.loads(line)
            if "code" in told:
                self.codes[told["pid"]] = told["code"]
            else:
                self.made.put(told)

    def code(self, pid: int) -> int:
        return until(lambda: self.codes.get(pid, "") != "" and (self.codes[pid],))[0]

    def worker(self, home: Path, *, jobs: int = 1, **faults) -> Worker:
        name, log = f"worker-{secrets.token_hex(4)}", home.parent / "workers.log"
        order = {"name": name, "jobs": jobs, "faults": faults, "log": str(log)}
        order["env"] = {"THAW_HOME": str(home)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        made = Worker(name, self.made.get(timeout=PATIENCE_SECONDS)["pid"], self, log)
        self.workers.append(made)
        return made

    def end_workers(self) -> None:
        """Those that a test has left."""
        for worker in self.workers:
            if worker.pid not in self.codes:
                os.kill(worker.pid, signal.SIGKILL)
                worker.ended()
        self.workers.clear()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.ear.join()
        self.process.stdin.close()
        self.process.stdout.close()


def plan(**settings) -> Plan:
    return Plan(**{"data": "colours", "approach": "fine_tune", "seconds": 20, **settings})


def told(run: str) -> list:
    return [event for _, event in get_store().read_events(run)]


def texts(run: str) -> str:
    return " ".join(getattr(event, "text", "") for event in told(run))


# --- small disks ----------------------------------------------------------------------------------


def mounted(place: Path, options: str) -> bool:
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def unmounted(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


def may_mount() -> bool:
    """Whether this process may: as root, and not in a narrow container."""
    place = Path("/tmp") / f"thaw-{os.getpid()}"  # noqa: S108
    if may := mounted(place, "size=64k"):
        unmounted(place)
    place.rmdir()
    return may


MAY_MOUNT = sys.platform == "linux" and os.geteuid() == 0 and may_mount()


class SmallDisk:
    """The data folder on a file system of a few MB, really full; where none may be mounted, files
    that may not grow (a limit of the system on the worker's, which fails as a full disk does)."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        if kind == "tmpfs":
            assert mounted(folder, "size=4m")

    def fill(self, worker: Worker) -> None:
        if self.kind == "limit":
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        with open(self.folder / "filler", "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self, worker: Worker) -> None:
        if self.kind == "limit":
            most = resource.RLIM_INFINITY
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))
        else:
            (self.folder / "filler").unlink()

    def close(self) -> None:
        if self.kind == "tmpfs":
            unmounted(self.folder)
