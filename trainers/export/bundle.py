"""Export a finished run: a zip with the model and everything it needs to predict without Thaw.

The files of the zip that never change are in trainers/export/template/. config.json, proof.json
and the model card are written here and in trainers/reports/model_card.py.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn

from trainers import backbones, datasets
from trainers.datasets.uploads.limits import MAX_ASPECT_RATIO, MAX_TEXT_CHARS, SHORT_SIDE_PX
from trainers.evaluation.abstention import default_threshold, find_calibration
from trainers.events import Event, JobCancelled, JobDone, Stage
from trainers.export.proof import build_proof, select_proof_inputs
from trainers.export.recipes import EXPORT_RECIPES
from trainers.export.saved_model import (
    SavedModel,
    apply_temperature,
    load_events,
    load_model,
    load_plan,
    load_temperature,
)
from trainers.jobs import Export
from trainers.networks import small_resnet
from trainers.plan import Plan
from trainers.reports.model_card import render_card
from trainers.reports.report import find_comparison, render_report
from trainers.store import Run, get_store
from trainers.system import object_store
from trainers.system.atomic import atomic_write
from trainers.system.paths import bundle_path
from trainers.system.registry import UnknownKey
from trainers.system.version import get_thaw_version
from trainers.training import baselines

TEMPLATE_DIR = Path(__file__).parent / "template"
CHECK_TIMEOUT_SECONDS = 300


class ExportMismatch(RuntimeError):
    """A zip that does not predict what the run's model predicts."""


def export_bundle(run_id: str, path: Path, *, onnx: bool = False) -> Path:
    """Write the zip of a run to `path`, atomically; with `onnx`, it has an ONNX file as well.

    Raises `RunNotFound`, `ModelUnavailable`, `ExportMismatch`, `OnnxExportError`.
    """
    for _ in pack_bundle(get_store().get_run(run_id), path, onnx=onnx):
        pass
    return path


def run_export(
    job: Export, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """Write the zip to `bundle_path(job.key)` and yield what happens; the last event is `JobDone`.

    Raises what `export_bundle` raises.
    """
    started_at = time.monotonic()
    path = bundle_path(job.key)
    for text in pack_bundle(get_store().get_run(job.key), path, onnx=job.onnx):
        if should_stop():
            yield JobCancelled(time.monotonic() - started_at)
            return
        yield Stage("export", text, time.monotonic() - started_at)
    yield JobDone({"bytes": path.stat().st_size}, time.monotonic() - started_at)


def pack_bundle(run: Run, path: Path, *, onnx: bool = False) -> Iterator[str]:
    """Write the zip and yield, in words, what happens."""
    yield "Reading the model"
    plan, model = load_plan(run), load_model(run)
    if isinstance(model, SavedModel):
        model = apply_temperature(model, load_temperature(run))
    proof_inputs = select_proof_inputs(plan)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / _bundle_name(run)
        folder.mkdir()
        requirements = _write_model(run, plan, model, proof_inputs.inputs, folder)
        yield "Storing a few examples with the model's answers"
        proof = build_proof(model, proof_inputs)
        _write_json(folder / "proof.json", proof)
        _write_documents(run, requirements, folder, onnx=onnx)
        yield "Checking that it answers without Thaw"
        _verify_bundle(folder)
        if onnx:
            from trainers.export.onnx import export_onnx

            yield "Writing an ONNX file as well"
            export_onnx(folder, proof)
        yield "Packing"
        with atomic_write(path) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as out:
            for file in sorted(folder.rglob("*")):
                # Weights hardly compress, and trying would take seconds.
                compression = zipfile.ZIP_STORED if file.suffix == ".safetensors" else None
                if file.is_file():
                    out.write(file, file.relative_to(folder.parent), compression)


def _write_documents(run: Run, requirements: list[str], folder: Path, *, onnx: bool) -> None:
    """Write the scripts and everything that people read."""
    _write_json(folder / "plan.json", run.result["repeat"])
    _write_json(folder / "result.json", run.result)
    for name in ("predict.py", "train.py"):
        (folder / name).write_bytes((TEMPLATE_DIR / name).read_bytes())
    pinned = [f"{name}=={version(name).partition('+')[0]}\n" for name in requirements]
    (folder / "requirements.txt").write_text("".join(pinned), "utf-8")
    events, comparison = load_events(run), find_comparison(run)
    (folder / "README.md").write_text(render_card(run, events, comparison, onnx=onnx), "utf-8")
    (folder / "report.html").write_text(render_report(run, events, comparison), "utf-8")


def _write_model(
    run: Run,
    plan: Plan,
    model: SavedModel | baselines.ClassicalModel,
    inputs: Sequence,
    folder: Path,
) -> list[str]:
    """Write the weights, network.py and config.json; return the names of required packages."""
    config = {
        "made_by": f"made by Thaw {get_thaw_version()}".rstrip(),
        "modality": backbones.pick(plan.backbone).modality,
        "labels": run.result["classes"],
        "output": "likeness" if plan.approach == "none" else "probability",
        "temperature": load_temperature(run),  # already in the weights
        "network": "",
        "preprocessing": {},
        "base": None,
        "lora": None,
    }
    source = object_store.fetch_run_dir(run.id)
    if isinstance(model, baselines.ClassicalModel):
        network = "plain.py"
        files, requirements = _describe_classical(source, config)
    else:
        network = "networks.py"
        files, requirements = _describe_network(source, model, inputs, config, folder)
    if config["modality"] == "images":
        config["preprocessing"] |= {
            "shorter_side_px": SHORT_SIDE_PX,
            "most_stretch": MAX_ASPECT_RATIO,
        }
    else:
        config["preprocessing"]["most_chars"] = MAX_TEXT_CHARS
    threshold = default_threshold(find_calibration(load_events(run)))
    if threshold and plan.approach != "none":
        config["not_sure_below"] = threshold
    for name, file in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
    (folder / "network.py").write_bytes((TEMPLATE_DIR / network).read_bytes())
    _write_json(folder / "config.json", config)
    return requirements


def _describe_classical(source: Path, config: dict[str, Any]) -> tuple[dict[str, Path], list[str]]:
    """Fill in `config` for a classical model; return the files to copy and the requirements."""
    names = ("model.safetensors", "words.json")
    files = {file.name: file for file in source.iterdir() if file.name in names}
    requirements = ["numpy", "safetensors"]
    if config["modality"] == "images":
        config["preprocessing"] = {"side_px": baselines.IMAGE_SIDE_PX}
        requirements.append("pillow")
    return files, requirements


def _describe_network(
    source: Path, saved: SavedModel, inputs: Sequence, config: dict[str, Any], folder: Path
) -> tuple[dict[str, Path], list[str]]:
    """Write the weights and fill in `config`; return the files to copy and the requirements."""
    recipe = EXPORT_RECIPES[saved.backbone.load]
    prefix = f"body.{recipe.network_attribute}."
    weights = {
        name.replace(prefix, "body.", 1) if name.startswith(prefix) else name: value
        for name, value in load_file(source / "model.safetensors").items()
    }
    weights |= {
        name: value.cpu().contiguous()
        for name, value in saved.model.state_dict().items()
        if name.startswith("head.linear.")  # scaled by the temperature
    }
    save_file(weights, folder / "model.safetensors")
    network = getattr(saved.encoder, recipe.network_attribute)
    is_complete = {f"body.{name}" for name in network.state_dict()} <= weights.keys()
    config |= {
        "network": recipe.network_name(saved.backbone),
        "preprocessing": recipe.preprocessing(saved, inputs),
        "mirrored": saved.mirrored,
        "base": None if is_complete else recipe.base(saved),
        "lora": _lora_config(network),
    }
    files, requirements = recipe.extra_files(saved), list(recipe.requirements)
    if config["base"] and config["base"]["from"] == "this zip":
        files["base.safetensors"] = small_resnet.WEIGHTS_DIR / "small_resnet.safetensors"
    if config["base"] and config["base"]["from"] == "package":
        requirements.append(config["base"]["package"].replace("_", "-"))
    if config["lora"]:
        requirements.append("peft")
    return files, requirements


def _lora_config(network: nn.Module) -> dict[str, Any] | None:
    """Return what peft needs to add the same LoRA matrices again; None without LoRA."""
    layers = {name: m for name, m in network.named_modules() if isinstance(m, LoraLayer)}
    if not layers:
        return None
    first = next(iter(layers.values()))
    (rank,), (alpha,) = first.r.values(), first.lora_alpha.values()
    return {"r": rank, "lora_alpha": alpha, "target_modules": list(layers)}


def _verify_bundle(folder: Path) -> None:
    """Let the zip's files check themselves in their own process. Raises `ExportMismatch`."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(folder / "predict.py"), "--check"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=CHECK_TIMEOUT_SECONDS,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},  # everything is on this computer
        check=False,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise ExportMismatch(
            "The exported model does not answer as it does in Thaw, so there is no download: "
            f"{lines[-1]} Please report this with the settings of the run."
        )


def _bundle_name(run: Run) -> str:
    """Return the name of the zip's folder."""
    try:
        title = datasets.get_dataset(run.result["data"]).title
    except UnknownKey:
        title = "model"
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
    return f"{slug or 'model'}-{run.result['approach']}"


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), "utf-8")
