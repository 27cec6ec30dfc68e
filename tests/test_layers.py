"""Imports point one way, pages -> trainers -> guide, and what pages read is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "transformers", "peft"}
FORBIDDEN = {
    "guide": {"trainers", "pages", "app", "streamlit"},
    "trainers": {"pages", "app", "streamlit"},
    "pages": {"app", *HEAVY},
    "app.py": HEAVY,
}
# What pages may need of the back end, whether or not one does today.
LIGHT = {
    "trainers.__main__",
    "trainers.serving",
    "trainers.serving.tables",
    "trainers.data_checks.answers",
    "trainers.training.recipes",
    "trainers.system.object_store",
    "trainers.serving.attribution",
    "trainers.backbones",
    "trainers.networks.download",
    "trainers.backbones.compatibility",
    "trainers.backbones.cache",
    "trainers.evaluation.calibration",
    "trainers.training.checkpoint_file",
    "trainers.claims",
    "trainers.hosting.room_summary",
    "trainers.serving.drift",
    "trainers.cli.resume",
    "trainers.store.resume",
    "trainers.store.engine",
    "trainers.evaluation.disagreement",
    "trainers.workers.ray.shipping",
    "trainers.system.memory_limit",
    "trainers.workers.ray.cluster",
    "trainers.system.processes",
    "trainers.workers.ray.coordinator",
    "trainers.workers.supervisor",
    "trainers.workers.liveness",
    "trainers.workers.ray.node",
    "trainers.workers.ray.fleet",
    "trainers.events",
    "trainers.evaluation.subgroups",
    "trainers.tasks.download",
    "trainers.data_checks",
    "trainers.system.paths",
    "trainers.lessons",
    "trainers.lessons.live",
    "trainers.store.migrations",
    "trainers.reports.wrong_advice",
    "trainers.reports.mistakes",
    "trainers.reports.narrate",
    "trainers.plan",
    "trainers.cli.prefetch",
    "trainers.hosting.accounts",
    "trainers.hosting.quotas",
    "trainers.hosting.erase",
    "trainers.hosting.retention",
    "trainers.system.settings",
    "trainers.hosting.sharing",
    "trainers.system.registry",
    "trainers.store.repair",
    "trainers.reports.report",
    "trainers.hosting.rooms",
    "trainers.reports.run_file",
    "trainers.datasets",
    "trainers.datasets.catalog",
    "trainers.datasets.uploads",
    "trainers.store.sparklines",
    "trainers.store",
    "trainers.evaluation.abstention",
    "trainers.reports.mlflow",
    "trainers.system.errors",
    "trainers.store.wait_estimate",
    "trainers.system.atomic",
}


def files(layer: str) -> list[Path]:
    place = ROOT / layer
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_imports_point_one_way(layer):
    assert files(layer)
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in files(layer)
        for name in imported(path)
        if name.partition(".")[0] in FORBIDDEN[layer]
    }
    assert not wrong


def test_guide_imports_only_the_standard_library():
    tops = {name.partition(".")[0] for path in files("guide") for name in imported(path)}
    assert tops <= {"guide", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", ["predict.py", "networks.py", "plain.py"])
def test_what_travels_in_a_zip_imports_nothing_of_thaw(name):
    file = ROOT / "trainers" / "takeaway" / name
    tops = {imported_.partition(".")[0] for imported_ in imported(file)}
    assert not tops & {"trainers", "guide", "pages", "app", "streamlit"}


def test_what_pages_read_brings_no_training_library():
    read = {
        name for layer in ("pages", "app.py") for path in files(layer) for name in imported(path)
    }
    modules = sorted(LIGHT | {n for n in read if n.startswith("trainers") and is_module(n)})
    assert heavy_after("".join(f"import {name}\n" for name in modules)) == []


def test_the_samples_are_read_without_a_training_library():
    assert (
        heavy_after(
            "from trainers.datasets import SAMPLES\nfor sample in SAMPLES.values(): sample.data(1)\n"
        )
        == []
    )


def heavy_after(code: str) -> list[str]:
    """The training libraries that a fresh process has loaded after `code`."""
    code += f"import sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
