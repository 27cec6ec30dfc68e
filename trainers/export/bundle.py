"""A finished run to take away: a zip with the model and all that it needs to answer without Thaw.

What lies in it as it is stands in trainers/export/template/; what is written for it (config.json,
proof.json, the card) is made here and in trainers/reports/model_card.py.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from peft.tuners.lora import LoraLayer
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from trainers import backbones, datasets
from trainers.backbones import Backbone, cache
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import MAX_ASPECT_RATIO, MAX_TEXT_CHARS, SHORT_SIDE_PX
from trainers.evaluation.abstention import default_threshold, find_calibration
from trainers.events import Event, JobCancelled, JobDone, Stage
from trainers.jobs import Export
from trainers.networks import minilm, small_resnet, torchvision
from trainers.networks.encoder import Encoder, autocast, flip_horizontal, get_device
from trainers.networks.loading import new_encoder
from trainers.plan import Plan
from trainers.reports.model_card import render_card
from trainers.reports.report import find_comparison, render_report
from trainers.store import FINISHED, Run, get_store
from trainers.system import object_store
from trainers.system.atomic import atomic_write
from trainers.system.paths import bundle_path
from trainers.system.registry import UnknownKey
from trainers.training import baselines
from trainers.training.loop import Head, Model

TEMPLATE_DIR = Path(__file__).parent / "template"
PROOF_EXAMPLES = 6  # examples in the proof
# Of probabilities; ours. Both sides compute in float32, but other processors and versions may add
# up in another order.
TOLERANCE = 1e-3
CHECK_TIMEOUT_SECONDS = 300


class ModelUnavailable(ValueError):
    """A run that left no model; the text says why and what to do next."""


class ExportMismatch(RuntimeError):
    """A zip that does not answer as the run's model does."""


# --- the model of a run -------------------------------------------------------------------------


class CosineHead(Head):
    """The last layer of a run without training: how like each class, -1 to 1 (a cosine)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.normalize(features.float() - self.centre, dim=1))


@dataclass(frozen=True)
class SavedModel:
    """What a run left, ready to answer."""

    model: Model
    backbone: Backbone
    mirrored: bool = False  # features are the mean of a picture's and of its mirror image's

    @property
    def encoder(self) -> Encoder:
        return self.model.body

    def predict_proba(self, inputs: Sequence, *, exact: bool = False) -> np.ndarray:
        """Of texts or uint8 pictures (H x W x 3): probabilities, float32 (n, classes); of a run
        without training, likenesses. `exact`: in float32, not in what is fastest here. Pictures
        are made ready as in training where they come as its data did: as one array, or a list."""
        ready, where = self.encoder.prepare(inputs), next(self.model.parameters()).device
        found = []
        for items in ready.eval_batches(torch.arange(len(ready))):
            batch = _to_device(where, ready.batch(items))
            with torch.inference_mode():
                with torch.autocast(where.type, enabled=False) if exact else autocast():
                    features = self.encoder(batch).float()
                    if self.mirrored:
                        features = (features + self.encoder(flip_horizontal(batch)).float()) / 2
                scores = self.model.head(features)
                found.append(
                    scores if isinstance(self.model.head, CosineHead) else scores.softmax(1)
                )
        return torch.cat(found).cpu().numpy()


def _to_device(where: torch.device, batch: Any) -> Any:
    if isinstance(batch, tuple):
        return tuple(part.to(where) for part in batch)
    return batch.to(where)


def load_model(run: Run) -> SavedModel | baselines.ClassicalModel:
    """The model that a finished run left, on this machine's device; `sureness` asks it. Raises
    `NotKept`, and what loading its backbone raises."""
    plan, folder = _load_plan(run), object_store.fetch_run_dir(run.id)
    if not (folder / "model.safetensors").is_file():
        raise ModelUnavailable(
            f"Run {run.id} left no model here: it was made by an older version, on another "
            "computer, or its files were deleted. Run it again."
        )
    classes, row = len(run.result["classes"]), backbones.pick(plan.backbone)
    if plan.approach == "simple":
        return baselines.ClassicalModel(folder, row.modality)
    row.check_downloaded()
    weights = load_file(folder / "model.safetensors")
    inside = any(name.startswith("body.") for name in weights)
    if plan.approach == "scratch" and not inside:
        raise ModelUnavailable("This run was stopped before anything was learned. Run it again.")
    body = new_encoder(plan.backbone, pretrained=plan.approach != "scratch")
    if ranks := {v.shape[0] for name, v in weights.items() if "lora_A" in name}:
        body.add_lora(ranks.pop())
    head = (CosineHead if plan.approach == "none" else Head)(body.width, classes)
    model = Model(body, head).to(get_device())
    _, unknown = model.load_state_dict(weights, strict=False)
    if unknown:
        raise ModelUnavailable(
            f"What run {run.id} left does not fit {plan.backbone} ({unknown[0]}): it was made by "
            "another version. Run it again."
        )
    mirrored = bool(plan.schedule and plan.schedule.horizontal_flip)
    return SavedModel(model.eval().requires_grad_(False), row, mirrored)


def load_temperature(run: Run) -> float:
    """What the scores of its model are to be divided by to be as sure as they are right; 1 where
    none was fitted."""
    fitted = find_calibration(_load_events(run))
    return fitted.temperature if fitted else 1.0


@torch.no_grad()
def apply_temperature(kept: SavedModel, by: float) -> SavedModel:
    """The same model, its probabilities calibrated: the temperature goes into its last layer."""
    kept.model.head.linear.weight.div_(by)
    kept.model.head.linear.bias.div_(by)
    return kept


def _load_plan(run: Run) -> Plan:
    """The plan of a finished run as it was executed. Raises `NotKept`."""
    if run.kind != "run" or run.state != FINISHED:
        raise ModelUnavailable(
            f"{run.id} is no finished run ({run.kind}, {run.state}). Only a run that ended with a "
            "score leaves a model."
        )
    return Plan.from_json(run.result["repeat"])


# --- how each kind of body travels --------------------------------------------------------------


class ExportRecipe(NamedTuple):
    """What a body takes along."""

    network_attribute: str  # its attribute that holds the network: the zip's names leave it out
    network_name: Callable[[Backbone], str]  # what network.py calls it
    preprocessing: Callable[[SavedModel, Sequence], dict[str, Any]]  # with inputs as trained on
    base: Callable[
        [SavedModel], dict[str, Any]
    ]  # where the pre-trained weights come from, with sums
    extra_files: Callable[[SavedModel], dict[str, Path]]  # files, by their names in the zip
    requirements: tuple[str, ...]  # distributions


def _sha256_sums(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each, by name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _small_resnet_preprocessing(kept: SavedModel, inputs: Sequence) -> dict[str, Any]:
    # Pictures of one size are made small by torch, others by PIL: that is worth up to a point on
    # the handwritten digits (555 or 550 of 600 right).
    by = "tensor" if isinstance(inputs, np.ndarray) else "bilinear"
    how = {"side_px": kept.encoder.image_px, "resized_px": None, "interpolation": by}
    return how | {"mean": small_resnet.CIFAR100_MEAN, "std": small_resnet.CIFAR100_STD}


def _small_resnet_base(kept: SavedModel) -> dict[str, Any]:
    file = small_resnet.WEIGHTS_DIR / "small_resnet.safetensors"
    return {"from": "this zip", "files": {"base.safetensors": _sha256_sums([file])[file.name]}}


def _torchvision_preprocessing(kept: SavedModel, inputs: Sequence) -> dict[str, Any]:
    ready = kept.encoder.ready
    (side,), (resized,) = ready.crop_size, ready.resize_size
    how = {"side_px": side, "resized_px": resized, "interpolation": ready.interpolation.value}
    return how | {"mean": ready.mean, "std": ready.std}


def _torchvision_base(kept: SavedModel) -> dict[str, Any]:
    weights = torchvision.get_weights(kept.backbone)
    files = _sha256_sums([cache.torch_hub_path() / kept.backbone.weights_file])
    return {"from": "torchvision", "weights": weights.name, "files": files}


def _text_preprocessing(kept: SavedModel, inputs: Sequence) -> dict[str, Any]:
    body = kept.encoder
    config = body.bert.config if isinstance(body, minilm.MiniLM) else body.model.config
    pad = config.pad_token_id or 0
    return {"max_tokens": kept.backbone.max_tokens, "prefix": kept.backbone.prefix, "pad": pad}


def _package_base(kept: SavedModel) -> dict[str, Any]:
    names = ("config.json", "model.safetensors")
    files = {name: minilm.SHA256[name] for name in names}
    return {"from": "package", "package": minilm.WEIGHTS_PACKAGE, "folder": "model", "files": files}


def _hub_base(kept: SavedModel) -> dict[str, Any]:
    folder = kept.encoder.folder
    index = (
        [folder / cache.WEIGHTS_INDEX_FILE] if (folder / cache.WEIGHTS_INDEX_FILE).is_file() else []
    )
    files = _sha256_sums([folder / "config.json", *index, *cache.list_weights(folder)])
    revision = cache.find_commit(kept.backbone)
    return {"from": "hub", "repo": kept.backbone.repo, "revision": revision, "files": files}


TOKENIZER_CONFIG_FILES = (
    "config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def _tokenizer_files(folder: Path) -> dict[str, Path]:
    """What the words are read with."""
    names = [
        name
        for name in (*TOKENIZER_CONFIG_FILES, *cache.TOKENIZER_FILES)
        if (folder / name).is_file()
    ]
    return {f"encoder/{name}": folder / name for name in names}


IMAGE_REQUIREMENTS = ("torch", "torchvision", "numpy", "pillow", "safetensors")
TEXT_REQUIREMENTS = (
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "safetensors",
    "huggingface-hub",
)
EXPORT_RECIPES = {  # by what loads a backbone
    "trainers.networks.small_resnet:SmallResNet": ExportRecipe(
        "parts",
        lambda row: row.key,
        _small_resnet_preprocessing,
        _small_resnet_base,
        lambda kept: {},
        IMAGE_REQUIREMENTS,
    ),
    "trainers.networks.torchvision:TorchvisionEncoder": ExportRecipe(
        "net",
        lambda row: row.key,
        _torchvision_preprocessing,
        _torchvision_base,
        lambda kept: {},
        IMAGE_REQUIREMENTS,
    ),
    "trainers.networks.minilm:MiniLM": ExportRecipe(
        "bert",
        lambda row: "encoder",
        _text_preprocessing,
        _package_base,
        lambda kept: _tokenizer_files(minilm.find_model_folder()),
        TEXT_REQUIREMENTS,
    ),
    "trainers.networks.huggingface:HuggingFaceEncoder": ExportRecipe(
        "model",
        lambda row: "encoder",
        _text_preprocessing,
        _hub_base,
        lambda kept: _tokenizer_files(kept.body.folder),
        TEXT_REQUIREMENTS,
    ),
}


# --- the zip ------------------------------------------------------------------------------------


def export_bundle(run: str, to: Path, *, onnx: bool = False) -> Path:
    """Writes the zip of the run called `run` to `to`, whole or not at all; `onnx`: with the model
    in that form too. Raises `NoSuchRun`, `NotKept`, `NotExported`, `NotOnnx`."""
    for _ in pack_bundle(get_store().get_run(run), to, onnx=onnx):
        pass
    return to


def run_export(
    job: Export, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of an export, for a page to hand out what lies at `zip_of`; the last is `Done`.
    Raises as `export` does."""
    began = time.monotonic()
    for told in pack_bundle(get_store().get_run(job.key), bundle_path(job.key), onnx=job.onnx):
        if should_stop():
            yield JobCancelled(time.monotonic() - began)
            return
        yield Stage("export", told, time.monotonic() - began)
    yield JobDone({"bytes": bundle_path(job.key).stat().st_size}, time.monotonic() - began)


def pack_bundle(run: Run, to: Path, *, onnx: bool = False) -> Iterator[str]:
    """Makes the zip and yields what happens, in words."""
    yield "Reading the model"
    plan, kept = _load_plan(run), load_model(run)
    if isinstance(kept, SavedModel):
        kept = apply_temperature(kept, load_temperature(run))
    asked = _select_proof_inputs(plan)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / _bundle_name(run)
        folder.mkdir()
        needs = _write_model(run, plan, kept, asked.inputs, folder)
        yield "Storing a few questions with their answers"
        proof = _build_proof(kept, asked)
        _write_json(folder / "proof.json", proof)
        _write_json(folder / "plan.json", run.result["repeat"])
        _write_json(folder / "result.json", run.result)
        for name in ("predict.py", "train.py"):
            (folder / name).write_bytes((TEMPLATE_DIR / name).read_bytes())
        pinned = [f"{name}=={version(name).partition('+')[0]}\n" for name in needs]
        (folder / "requirements.txt").write_text("".join(pinned), "utf-8")
        told = _load_events(run), find_comparison(run)
        (folder / "README.md").write_text(render_card(run, *told, onnx=onnx), "utf-8")
        (folder / "report.html").write_text(render_report(run, *told), "utf-8")
        yield "Checking that it answers without Thaw"
        _verify_bundle(folder)
        if onnx:
            from trainers.export import onnx as as_onnx

            yield "Writing it as ONNX, too"
            as_onnx.export_onnx(folder, proof)
        yield "Packing"
        with atomic_write(to) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as out:
            for file in sorted(folder.rglob("*")):
                # Numbers hardly get smaller, and it would take seconds.
                weighs = zipfile.ZIP_STORED if file.suffix == ".safetensors" else None
                if file.is_file():
                    out.write(file, file.relative_to(folder.parent), weighs)


def _write_model(
    run: Run,
    plan: Plan,
    kept: SavedModel | baselines.ClassicalModel,
    inputs: Sequence,
    folder: Path,
) -> list[str]:
    """Writes the model, its network.py and config.json; hands back what they need."""
    config = {
        "made_by": _generator_label(),
        "modality": backbones.pick(plan.backbone).modality,
        "labels": run.result["classes"],
        "output": "likeness" if plan.approach == "none" else "probability",
        "temperature": load_temperature(run),  # it is in the weights already
        "network": "",
        "preprocessing": {},
        "base": None,
        "lora": None,
    }
    source, along, network = object_store.fetch_run_dir(run.id), {}, "plain.py"
    if isinstance(kept, baselines.ClassicalModel):
        for file in source.iterdir():
            if file.name in ("model.safetensors", "words.json"):
                along[file.name] = file
        needs = ["numpy", "safetensors"]
        if config["modality"] == "images":
            config["preprocessing"] = {"side_px": baselines.IMAGE_SIDE_PX}
            needs.append("pillow")
    else:
        network, travel = "networks.py", EXPORT_RECIPES[kept.backbone.load]
        inside = f"body.{travel.network_attribute}."
        learned = {
            name.replace(inside, "body.", 1) if name.startswith(inside) else name: value
            for name, value in load_file(source / "model.safetensors").items()
        }
        learned |= {
            name: value.cpu().contiguous()
            for name, value in kept.model.state_dict().items()
            if name.startswith("head.linear.")  # by its temperature
        }
        save_file(learned, folder / "model.safetensors")
        net = getattr(kept.encoder, travel.network_attribute)
        whole = {f"body.{name}" for name in net.state_dict()} <= learned.keys()
        config |= {
            "network": travel.network_name(kept.backbone),
            "preprocessing": travel.preprocessing(kept, inputs),
            "mirrored": kept.mirrored,
            "base": None if whole else travel.base(kept),
            "lora": _lora_config(net),
        }
        along, needs = travel.extra_files(kept), list(travel.requirements)
        if config["base"] and config["base"]["from"] == "this zip":
            along["base.safetensors"] = small_resnet.WEIGHTS_DIR / "small_resnet.safetensors"
        if config["base"] and config["base"]["from"] == "package":
            needs.append(minilm.WEIGHTS_PACKAGE.replace("_", "-"))
        if config["lora"]:
            needs.append("peft")
    if config["modality"] == "images":
        config["preprocessing"] |= {
            "shorter_side_px": SHORT_SIDE_PX,
            "most_stretch": MAX_ASPECT_RATIO,
        }
    else:
        config["preprocessing"]["most_chars"] = MAX_TEXT_CHARS
    if (
        least := default_threshold(find_calibration(_load_events(run)))
    ) and plan.approach != "none":
        config["not_sure_below"] = least
    for name, file in along.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
    (folder / "network.py").write_bytes((TEMPLATE_DIR / network).read_bytes())
    _write_json(folder / "config.json", config)
    return needs


def _lora_config(net: nn.Module) -> dict[str, Any] | None:
    """What peft needs to add the same matrices again; None where there are none."""
    layers = {name: m for name, m in net.named_modules() if isinstance(m, LoraLayer)}
    if not layers:
        return None
    one = next(iter(layers.values()))
    (rank,), (alpha,) = one.r.values(), one.lora_alpha.values()
    return {"r": rank, "lora_alpha": alpha, "target_modules": list(layers)}


class ProofInputs(NamedTuple):
    inputs: Sequence  # one array where the data is one
    labels: list[str | None]
    origin: str  # where they come from


def _build_proof(kept: SavedModel | baselines.ClassicalModel, asked: ProofInputs) -> dict[str, Any]:
    """A few questions with the answers of the model as Thaw computes them."""
    inputs, labels, made = asked
    if isinstance(kept, baselines.ClassicalModel):
        output = kept.predict_proba(inputs)
    else:
        kept.model.cpu()  # a graphics card may round otherwise, and predict.py uses none
        output = kept.predict_proba(inputs, exact=True)
    examples = [
        ({"text": one} if isinstance(one, str) else {"picture": _encode_png(one)})
        | {"label": label, "output": [float(value) for value in values]}
        for one, label, values in zip(inputs, labels, output, strict=True)
    ]
    return {"tolerance": TOLERANCE, "from": made, "examples": examples}


def _select_proof_inputs(plan: Plan) -> ProofInputs:
    """Test examples, one of each class for a start, with their labels; or, where the data is not
    here any more, some that stand for nothing."""
    try:
        data = datasets.get_dataset(plan.data).load_splits(1, plan.seed, plan.fixes)
    except (BadUpload, UnknownKey):
        words = ["The first one.", "Is this another question?", "Numbers such as 12 and 7."]
        dice = np.random.default_rng(0)
        noise = list(dice.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
        is_text = backbones.pick(plan.backbone).modality == "text"
        return ProofInputs(words if is_text else noise, [None] * 3, "made up: the data was deleted")
    first = [np.flatnonzero(data.test.labels == n)[:1] for n in range(len(data.classes))]
    some = np.concatenate([*first, np.arange(len(data.test.labels))])
    some = list(dict.fromkeys(some.tolist()))[:PROOF_EXAMPLES]
    every = data.test.inputs
    inputs = every[some] if isinstance(every, np.ndarray) else [every[item] for item in some]
    labels = [data.classes[data.test.labels[item]] for item in some]
    return ProofInputs(inputs, labels, "test examples")


def _encode_png(picture: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def _verify_bundle(folder: Path) -> None:
    """Lets the zip check itself, in a process of its own. Raises `NotExported`."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(folder / "predict.py"), "--check"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=CHECK_TIMEOUT_SECONDS,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},  # what it needs is here
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise ExportMismatch(
            f"The model was packed, but does not answer as it does in Thaw, so it is not handed "
            f"out: {said[-1]} Please report this with the settings of the run."
        )


def _bundle_name(run: Run) -> str:
    """Of the folder in the zip."""
    try:
        title = datasets.get_dataset(run.result["data"]).title
    except UnknownKey:
        title = "model"
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
    return f"{slug or 'model'}-{run.result['approach']}"


def _load_events(run: Run) -> list[Event]:
    return [event for _, event in get_store().read_events(run.id)]


def _generator_label() -> str:
    try:
        return f"made by Thaw {version('thaw')}"
    except PackageNotFoundError:  # run from a folder, not installed
        return "made by Thaw"


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False), "utf-8")
