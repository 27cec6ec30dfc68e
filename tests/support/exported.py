"""Finished runs, and zips of their models."""

import os
import subprocess
import sys
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

SECONDS = 3


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
    Thaw. The packages are those of this environment, linked."""

    def __init__(self, place: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", "--symlinks", place], check=True
        )
        self.python = place / "bin" / "python"
        (self.packages,) = place.glob("lib/python*/site-packages")

    def install(self, requirements: Path) -> None:
        for link in self.packages.iterdir():
            link.unlink()
        wanted = [Requirement(line) for line in requirements.read_text().splitlines()]
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
                if not (self.packages / top).exists():
                    (self.packages / top).symlink_to(found.locate_file(top))

    def lacks(self, *modules: str) -> bool:
        code = f"from importlib.util import find_spec\nprint([*map(find_spec, {modules})])"
        command = [self.python, "-I", "-c", code]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return told.strip() == str([None] * len(modules))

    def __call__(self, folder: Path, *arguments: str, **environment: str):
        return subprocess.run(
            [self.python, "-I", "-B", folder / "predict.py", *arguments],
            capture_output=True,
            text=True,
            cwd=folder.parent,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | environment,
            check=False,
        )
