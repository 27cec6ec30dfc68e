"""Imports point one way, and the process that serves the pages never loads a training library.

The order of the packages stands in pyproject.toml, under `tool.importlinter`. It counts every
import, also those inside functions and under `TYPE_CHECKING`.
"""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY_LIBRARIES = {"torch", "torchvision", "transformers", "peft"}
# These run in workers. Every other package imports a heavy library at most inside a function.
HEAVY_PACKAGES = {"networks", "training", "export", "serving", "tasks"}
# Modules of heavy packages that load no heavy library, so that others may import them.
LIGHT_MODULES = {"trainers.serving", "trainers.tasks.download", "trainers.training.recipes"}
# Scripts that made what ships; they are run by hand and nothing imports them.
SCRIPTS = {"lessons/make.py", "lessons/toy.py"}


def source_files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported_modules(nodes) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


def all_imports(path: Path) -> set[str]:
    return imported_modules(ast.walk(ast.parse(path.read_text("utf-8"))))


def imports_on_loading(path: Path) -> set[str]:
    """Return what importing the file imports: nothing inside functions or `if TYPE_CHECKING`."""
    nodes, pending = [], [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        nodes.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        is_type_check = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        pending += node.orelse if is_type_check else ast.iter_child_nodes(node)
    return imported_modules(nodes)


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_imports_point_one_way():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as main; main()",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_order_names_every_package():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [c["layers"] for c in contracts["contracts"] if c.get("containers") == ["trainers"]]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    present = {path.stem for path in (ROOT / "trainers").glob("*.py")}
    present |= {path.parent.name for path in (ROOT / "trainers").glob("*/__init__.py")}
    assert named == present - {"__init__"}
    assert named >= HEAVY_PACKAGES


def test_guide_imports_only_the_standard_library():
    names = {top for path in source_files("guide") for top in tops(all_imports(path))}
    assert names <= {"guide", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", ["predict.py", "networks.py", "plain.py"])
def test_the_files_of_an_exported_zip_import_nothing_of_thaw(name):
    path = ROOT / "trainers" / "export" / "template" / name
    assert not tops(all_imports(path)) & {"trainers", "guide", "pages", "app", "streamlit"}


@pytest.mark.parametrize("place", ["app.py", "pages", "guide"])
def test_pages_import_no_training_library_anywhere(place):
    wrong = {
        (str(path.relative_to(ROOT)), top)
        for path in source_files(place)
        for top in tops(all_imports(path)) & HEAVY_LIBRARIES
    }
    assert not wrong


def light_modules() -> list[Path]:
    return [
        path
        for path in source_files("trainers")
        if path.relative_to(ROOT / "trainers").parts[0] not in HEAVY_PACKAGES
        and path.name != "__main__.py"
        and str(path.relative_to(ROOT / "trainers")) not in SCRIPTS
    ]


def test_light_packages_load_no_training_library():
    heavy = tuple(f"trainers.{package}" for package in HEAVY_PACKAGES)
    for path in light_modules():
        names = imports_on_loading(path)
        assert not tops(names) & HEAVY_LIBRARIES, path
        wrong = {name for name in names if name.startswith(heavy)}
        assert all(name.startswith(tuple(LIGHT_MODULES)) for name in wrong), (path, wrong)


def test_a_process_that_loads_all_pages_and_samples_has_no_training_library():
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in light_modules()]
    pages = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts) for p in source_files("pages/parts")
    ]
    names = [
        name.removesuffix(".__init__") for name in modules + pages if not name.endswith(".env")
    ]
    code = "\n".join(f"import {name}" for name in names)
    code += "\nfrom trainers.datasets import BUNDLED_DATASETS"
    code += "\nfor sample in BUNDLED_DATASETS.values(): sample.load_splits(1)"
    code += f"\nimport sys\nprint(*sorted({HEAVY_LIBRARIES!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


LONGEST = {"app.py": 400, "guide": 400, "trainers": 400, "pages/parts": 400, "tests": 600}


def long_files(place: str, longest: int) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in source_files(place)
        if len(path.read_text("utf-8").splitlines()) > longest and path.parent.name != "golden"
    }


def test_no_file_is_longer_than_a_reader_can_hold():
    long = {path for place, longest in LONGEST.items() for path in long_files(place, longest)}
    long |= {path for path in long_files("pages", 249) if "/parts/" not in path}
    assert long == set()
