"""Finished runs, and zips of their models."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trainers.events import (
    RunFinished,
)
from trainers.export import bundle
from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.workers.execute import execute

SECONDS = 1


def finished(data: str, approach: str, **settings) -> str:
    """The id of a run that was executed to its end."""
    plan = Plan(**{"data": data, "approach": approach, "seconds": SECONDS} | settings)
    key = get_store().enqueue(plan, visitor="ann", worker="test")
    *_, last = execute(get_store(), key, plan, run, run_dir(key))
    assert isinstance(last, RunFinished), last
    return key


def unpacked(key: str, to: Path) -> Path:
    """The folder in the zip of the run called `key`."""
    file = bundle.export_bundle(key, to / "model.zip")
    with zipfile.ZipFile(file) as packed:
        packed.extractall(to)
        (top,) = {name.partition("/")[0] for name in packed.namelist()}
    return to / top


class Alone:
    """A Python that has what a requirements.txt names, and what that needs, and nothing else: no
    Thaw. The packages are those of this environment, linked.

    One environment for each distinct requirements.txt. Importing torch takes seconds, so one
    process of it (SERVER) imports, and each question is answered by a fork of that process.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.servers = place, {}

    def install(self, requirements: Path) -> None:
        text = requirements.read_text()
        if text not in self.servers:
            self.servers[text] = self._start_server(text, self.place / str(len(self.servers)))
        self.server = self.servers[text]

    def _start_server(self, requirements: str, place: Path) -> subprocess.Popen:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", "--symlinks", place], check=True
        )
        (packages,) = place.glob("lib/python*/site-packages")
        wanted = [Requirement(line) for line in requirements.splitlines()]
        seen = set()
        while wanted:
            one = wanted.pop()
            name = canonicalize_name(one.name)
            if name in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
                continue
            seen.add(name)
            found = distribution(name)
            assert one.specifier.contains(found.version.partition("+")[0], prereleases=True), one
            wanted += [Requirement(line) for line in found.requires or []]
            for top in {file.parts[0] for file in found.files} - {"..", "__pycache__", "/"}:
                if not (packages / top).exists():
                    (packages / top).symlink_to(found.locate_file(top))
        return subprocess.Popen(
            [place / "bin" / "python", "-I", "-B", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )

    def _ask(self, script: Path | None, *arguments: str) -> subprocess.CompletedProcess:
        order = {"script": str(script or ""), "arguments": arguments, "env": dict(os.environ)}
        with tempfile.TemporaryDirectory() as folder:
            order |= {"cwd": str(script.parents[1] if script else folder), "to": folder}
            self.server.stdin.write(json.dumps(order) + "\n")
            self.server.stdin.flush()
            code = int(self.server.stdout.readline())
            out, err = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(arguments, code, out, err)

    def lacks(self, *modules: str) -> bool:
        """Whether none of the modules can be found there."""
        told = self._ask(None, *modules).stdout
        return told.strip() == str([None] * len(modules))

    def __call__(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
        """The exit code and the output of `python predict.py …`."""
        return self._ask(folder / "predict.py", *arguments)

    def close(self) -> None:
        for server in self.servers.values():
            server.kill()
            server.communicate()


# Each order is a line of JSON, answered with an exit code once a fork has executed it. The server
# imports large libraries, also the modules of theirs that forks before had imported.
SERVER = """
import importlib, importlib.util, json, os, runpy, sys
LARGE = "numpy", "torch", "torchvision", "transformers", "peft", "safetensors", "PIL"
def load(names):
    for name in names:
        try:
            importlib.import_module(name.strip())
        except ImportError:
            pass
load(LARGE)
def execute(order):
    os.environ.update(order["env"] | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
    os.chdir(order["cwd"])
    if not order["script"]:
        print([importlib.util.find_spec(name) for name in order["arguments"]])
        return
    sys.argv = [order["script"], *order["arguments"]]
    runpy.run_path(order["script"], run_name="__main__")
for line in sys.stdin:
    order = json.loads(line)
    loaded = os.path.join(order["to"], "loaded")
    pid = os.fork()
    if not pid:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(os.path.join(order["to"], name), os.O_WRONLY | os.O_CREAT), number)
        code = 0
        try:
            execute(order)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 1
        with open(loaded, "w") as file:
            file.writelines(n + "\\n" for n in list(sys.modules) if n.partition(".")[0] in LARGE)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    load(open(loaded))
    print(code, flush=True)
"""
