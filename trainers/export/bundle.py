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
from trainers.datasets.uploads.limits import KEPT_CHARS, MAX_STRETCH, SHORT_SIDE_PX
from trainers.evaluation.abstention import calibrated, usual
from trainers.events import Cancelled, Done, Event, Stage
from trainers.jobs import Export
from trainers.networks import minilm, small_resnet, torchvision
from trainers.networks.encoder import Body, device, mirror, reduced_precision
from trainers.networks.loading import fresh
from trainers.plan import Plan
from trainers.reports.model_card import card
from trainers.reports.report import comparison_of, report
from trainers.store import FINISHED, Run, store
from trainers.system import object_store
from trainers.system.atomic import whole
from trainers.system.paths import zip_of
from trainers.system.registry import UnknownKey
from trainers.training import baselines
from trainers.training.loop import Head, Model

FILES = Path(__file__).parent / "template"
PROVEN = 6  # examples in the proof
# Of probabilities; ours. Both sides compute in float32, but other processors and versions may add
# up in another order.
TOLERANCE = 1e-3
CHECK_SECONDS = 300


class NotKept(ValueError):
    """A run that left no model; the text says why and what to do next."""


class NotExported(RuntimeError):
    """A zip that does not answer as the run's model does."""


# --- the model of a run -------------------------------------------------------------------------


class Alike(Head):
    """The last layer of a run without training: how like each class, -1 to 1 (a cosine)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.normalize(features.float() - self.centre, dim=1))


@dataclass(frozen=True)
class Kept:
    """What a run left, ready to answer."""

    model: Model
    row: Backbone
    mirrored: bool = False  # features are the mean of a picture's and of its mirror image's

    @property
    def body(self) -> Body:
        return self.model.body

    def sureness(self, inputs: Sequence, *, exact: bool = False) -> np.ndarray:
        """Of texts or uint8 pictures (H x W x 3): probabilities, float32 (n, classes); of a run
        without training, likenesses. `exact`: in float32, not in what is fastest here. Pictures
        are made ready as in training where they come as its data did: as one array, or a list."""
        ready, where = self.body.prepare(inputs), next(self.model.parameters()).device
        found = []
        for items in ready.parts(torch.arange(len(ready))):
            batch = _on(where, ready.batch(items))
            with torch.inference_mode():
                with torch.autocast(where.type, enabled=False) if exact else reduced_precision():
                    features = self.body(batch).float()
                    if self.mirrored:
                        features = (features + self.body(mirror(batch)).float()) / 2
                scores = self.model.head(features)
                found.append(scores if isinstance(self.model.head, Alike) else scores.softmax(1))
        return torch.cat(found).cpu().numpy()


def _on(where: torch.device, batch: Any) -> Any:
    if isinstance(batch, tuple):
        return tuple(part.to(where) for part in batch)
    return batch.to(where)


def model_of(run: Run) -> Kept | baselines.Kept:
    """The model that a finished run left, on this machine's device; `sureness` asks it. Raises
    `NotKept`, and what loading its backbone raises."""
    plan, folder = _repeat(run), object_store.of_run(run.id)
    if not (folder / "model.safetensors").is_file():
        raise NotKept(
            f"Run {run.id} left no model here: it was made by an older version, on another "
            "computer, or its files were deleted. Run it again."
        )
    classes, row = len(run.result["classes"]), backbones.pick(plan.backbone)
    if plan.approach == "simple":
        return baselines.Kept(folder, row.modality)
    row.check_here()
    weights = load_file(folder / "model.safetensors")
    inside = any(name.startswith("body.") for name in weights)
    if plan.approach == "scratch" and not inside:
        raise NotKept("This run was stopped before anything was learned. Run it again.")
    body = fresh(plan.backbone, pretrained=plan.approach != "scratch")
    if ranks := {v.shape[0] for name, v in weights.items() if "lora_A" in name}:
        body.add_lora(ranks.pop())
    head = (Alike if plan.approach == "none" else Head)(body.features, classes)
    model = Model(body, head).to(device())
    _, unknown = model.load_state_dict(weights, strict=False)
    if unknown:
        raise NotKept(
            f"What run {run.id} left does not fit {plan.backbone} ({unknown[0]}): it was made by "
            "another version. Run it again."
        )
    mirrored = bool(plan.pace and plan.pace.mirrored)
    return Kept(model.eval().requires_grad_(False), row, mirrored)


def temperature_of(run: Run) -> float:
    """What the scores of its model are to be divided by to be as sure as they are right; 1 where
    none was fitted."""
    fitted = calibrated(_events(run))
    return fitted.temperature if fitted else 1.0


@torch.no_grad()
def tempered(kept: Kept, by: float) -> Kept:
    """The same model, its probabilities calibrated: the temperature goes into its last layer."""
    kept.model.head.linear.weight.div_(by)
    kept.model.head.linear.bias.div_(by)
    return kept


def _repeat(run: Run) -> Plan:
    """The plan of a finished run as it was executed. Raises `NotKept`."""
    if run.kind != "run" or run.state != FINISHED:
        raise NotKept(
            f"{run.id} is no finished run ({run.kind}, {run.state}). Only a run that ended with a "
            "score leaves a model."
        )
    return Plan.from_json(run.result["repeat"])


# --- how each kind of body travels --------------------------------------------------------------


class Travel(NamedTuple):
    """What a body takes along."""

    inside: str  # its attribute that holds the network: the zip's names leave it out
    network: Callable[[Backbone], str]  # what network.py calls it
    preprocessing: Callable[[Kept, Sequence], dict[str, Any]]  # with inputs as trained on
    base: Callable[[Kept], dict[str, Any]]  # where the pre-trained weights come from, with sums
    along: Callable[[Kept], dict[str, Path]]  # files, by their names in the zip
    needs: tuple[str, ...]  # distributions


def _sums(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each, by name."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _small_pictures(kept: Kept, inputs: Sequence) -> dict[str, Any]:
    # Pictures of one size are made small by torch, others by PIL: that is worth up to a point on
    # the handwritten digits (555 or 550 of 600 right).
    by = "tensor" if isinstance(inputs, np.ndarray) else "bilinear"
    how = {"side_px": kept.body.image_px, "resized_px": None, "interpolation": by}
    return how | {"mean": small_resnet.CIFAR100_MEAN, "std": small_resnet.CIFAR100_STD}


def _small_base(kept: Kept) -> dict[str, Any]:
    file = small_resnet.WEIGHTS / "small_resnet.safetensors"
    return {"from": "this zip", "files": {"base.safetensors": _sums([file])[file.name]}}


def _torchvision_pictures(kept: Kept, inputs: Sequence) -> dict[str, Any]:
    ready = kept.body.ready
    (side,), (resized,) = ready.crop_size, ready.resize_size
    how = {"side_px": side, "resized_px": resized, "interpolation": ready.interpolation.value}
    return how | {"mean": ready.mean, "std": ready.std}


def _torchvision_base(kept: Kept) -> dict[str, Any]:
    weights = torchvision.weights_of(kept.row)
    files = _sums([cache.checkpoints() / kept.row.file])
    return {"from": "torchvision", "weights": weights.name, "files": files}


def _texts(kept: Kept, inputs: Sequence) -> dict[str, Any]:
    body = kept.body
    config = body.bert.config if isinstance(body, minilm.MiniLM) else body.model.config
    pad = config.pad_token_id or 0
    return {"max_tokens": kept.row.max_tokens, "prefix": kept.row.prefix, "pad": pad}


def _package(kept: Kept) -> dict[str, Any]:
    names = ("config.json", "model.safetensors")
    files = {name: minilm.SHA256[name] for name in names}
    return {"from": "package", "package": minilm.PACKAGE, "folder": "model", "files": files}


def _hub(kept: Kept) -> dict[str, Any]:
    folder = kept.body.folder
    index = [folder / cache.INDEX] if (folder / cache.INDEX).is_file() else []
    files = _sums([folder / "config.json", *index, *cache.weights(folder)])
    revision = cache.commit(kept.row)
    return {"from": "hub", "repo": kept.row.repo, "revision": revision, "files": files}


READS = ("config.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json")


def _encoder(folder: Path) -> dict[str, Path]:
    """What the words are read with."""
    names = [name for name in (*READS, *cache.TOKENIZERS) if (folder / name).is_file()]
    return {f"encoder/{name}": folder / name for name in names}


PICTURES = ("torch", "torchvision", "numpy", "pillow", "safetensors")
TEXTS = ("torch", "transformers", "tokenizers", "numpy", "safetensors", "huggingface-hub")
TRAVELS = {  # by what loads a backbone
    "trainers.networks.small_resnet:SmallResNet": Travel(
        "parts", lambda row: row.key, _small_pictures, _small_base, lambda kept: {}, PICTURES
    ),
    "trainers.networks.torchvision:Net": Travel(
        "net",
        lambda row: row.key,
        _torchvision_pictures,
        _torchvision_base,
        lambda kept: {},
        PICTURES,
    ),
    "trainers.networks.minilm:MiniLM": Travel(
        "bert",
        lambda row: "encoder",
        _texts,
        _package,
        lambda kept: _encoder(minilm.folder()),
        TEXTS,
    ),
    "trainers.networks.huggingface:Encoder": Travel(
        "model", lambda row: "encoder", _texts, _hub, lambda kept: _encoder(kept.body.folder), TEXTS
    ),
}


# --- the zip ------------------------------------------------------------------------------------


def export(run: str, to: Path, *, onnx: bool = False) -> Path:
    """Writes the zip of the run called `run` to `to`, whole or not at all; `onnx`: with the model
    in that form too. Raises `NoSuchRun`, `NotKept`, `NotExported`, `NotOnnx`."""
    for _ in packed(store().find(run), to, onnx=onnx):
        pass
    return to


def take_away(
    job: Export, *, stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of an export, for a page to hand out what lies at `zip_of`; the last is `Done`.
    Raises as `export` does."""
    began = time.monotonic()
    for told in packed(store().find(job.key), zip_of(job.key), onnx=job.onnx):
        if stop():
            yield Cancelled(time.monotonic() - began)
            return
        yield Stage("export", told, time.monotonic() - began)
    yield Done({"bytes": zip_of(job.key).stat().st_size}, time.monotonic() - began)


def packed(run: Run, to: Path, *, onnx: bool = False) -> Iterator[str]:
    """Makes the zip and yields what happens, in words."""
    yield "Reading the model"
    plan, kept = _repeat(run), model_of(run)
    if isinstance(kept, Kept):
        kept = tempered(kept, temperature_of(run))
    asked = _questions(plan)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / _name(run)
        folder.mkdir()
        needs = _weights(run, plan, kept, asked.inputs, folder)
        yield "Storing a few questions with their answers"
        proof = _proof(kept, asked)
        _write(folder / "proof.json", proof)
        _write(folder / "plan.json", run.result["repeat"])
        _write(folder / "result.json", run.result)
        for name in ("predict.py", "train.py"):
            (folder / name).write_bytes((FILES / name).read_bytes())
        pinned = [f"{name}=={version(name).partition('+')[0]}\n" for name in needs]
        (folder / "requirements.txt").write_text("".join(pinned), "utf-8")
        told = _events(run), comparison_of(run)
        (folder / "README.md").write_text(card(run, *told, onnx=onnx), "utf-8")
        (folder / "report.html").write_text(report(run, *told), "utf-8")
        yield "Checking that it answers without Thaw"
        _check(folder)
        if onnx:
            from trainers.export import onnx as as_onnx

            yield "Writing it as ONNX, too"
            as_onnx.add(folder, proof)
        yield "Packing"
        with whole(to) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as out:
            for file in sorted(folder.rglob("*")):
                # Numbers hardly get smaller, and it would take seconds.
                weighs = zipfile.ZIP_STORED if file.suffix == ".safetensors" else None
                if file.is_file():
                    out.write(file, file.relative_to(folder.parent), weighs)


def _weights(
    run: Run, plan: Plan, kept: Kept | baselines.Kept, inputs: Sequence, folder: Path
) -> list[str]:
    """Writes the model, its network.py and config.json; hands back what they need."""
    config = {
        "made_by": _made_by(),
        "modality": backbones.pick(plan.backbone).modality,
        "labels": run.result["classes"],
        "output": "likeness" if plan.approach == "none" else "probability",
        "temperature": temperature_of(run),  # it is in the weights already
        "network": "",
        "preprocessing": {},
        "base": None,
        "lora": None,
    }
    source, along, network = object_store.of_run(run.id), {}, "plain.py"
    if isinstance(kept, baselines.Kept):
        for file in source.iterdir():
            if file.name in ("model.safetensors", "words.json"):
                along[file.name] = file
        needs = ["numpy", "safetensors"]
        if config["modality"] == "images":
            config["preprocessing"] = {"side_px": baselines.SIDE_PX}
            needs.append("pillow")
    else:
        network, travel = "networks.py", TRAVELS[kept.row.load]
        inside = f"body.{travel.inside}."
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
        net = getattr(kept.body, travel.inside)
        whole = {f"body.{name}" for name in net.state_dict()} <= learned.keys()
        config |= {
            "network": travel.network(kept.row),
            "preprocessing": travel.preprocessing(kept, inputs),
            "mirrored": kept.mirrored,
            "base": None if whole else travel.base(kept),
            "lora": _lora(net),
        }
        along, needs = travel.along(kept), list(travel.needs)
        if config["base"] and config["base"]["from"] == "this zip":
            along["base.safetensors"] = small_resnet.WEIGHTS / "small_resnet.safetensors"
        if config["base"] and config["base"]["from"] == "package":
            needs.append(minilm.PACKAGE.replace("_", "-"))
        if config["lora"]:
            needs.append("peft")
    if config["modality"] == "images":
        config["preprocessing"] |= {"shorter_side_px": SHORT_SIDE_PX, "most_stretch": MAX_STRETCH}
    else:
        config["preprocessing"]["most_chars"] = KEPT_CHARS
    if (least := usual(calibrated(_events(run)))) and plan.approach != "none":
        config["not_sure_below"] = least
    for name, file in along.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
    (folder / "network.py").write_bytes((FILES / network).read_bytes())
    _write(folder / "config.json", config)
    return needs


def _lora(net: nn.Module) -> dict[str, Any] | None:
    """What peft needs to add the same matrices again; None where there are none."""
    layers = {name: m for name, m in net.named_modules() if isinstance(m, LoraLayer)}
    if not layers:
        return None
    one = next(iter(layers.values()))
    (rank,), (alpha,) = one.r.values(), one.lora_alpha.values()
    return {"r": rank, "lora_alpha": alpha, "target_modules": list(layers)}


class Questions(NamedTuple):
    inputs: Sequence  # one array where the data is one
    labels: list[str | None]
    made: str  # where they come from


def _proof(kept: Kept | baselines.Kept, asked: Questions) -> dict[str, Any]:
    """A few questions with the answers of the model as Thaw computes them."""
    inputs, labels, made = asked
    if isinstance(kept, baselines.Kept):
        output = kept.sureness(inputs)
    else:
        kept.model.cpu()  # a graphics card may round otherwise, and predict.py uses none
        output = kept.sureness(inputs, exact=True)
    examples = [
        ({"text": one} if isinstance(one, str) else {"picture": _png(one)})
        | {"label": label, "output": [float(value) for value in values]}
        for one, label, values in zip(inputs, labels, output, strict=True)
    ]
    return {"tolerance": TOLERANCE, "from": made, "examples": examples}


def _questions(plan: Plan) -> Questions:
    """Test examples, one of each class for a start, with their labels; or, where the data is not
    here any more, some that stand for nothing."""
    try:
        data = datasets.pick(plan.data).data(1, plan.seed, plan.mends)
    except (BadUpload, UnknownKey):
        words = ["The first one.", "Is this another question?", "Numbers such as 12 and 7."]
        dice = np.random.default_rng(0)
        noise = list(dice.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
        is_text = backbones.pick(plan.backbone).modality == "text"
        return Questions(words if is_text else noise, [None] * 3, "made up: the data was deleted")
    first = [np.flatnonzero(data.test.labels == n)[:1] for n in range(len(data.classes))]
    some = np.concatenate([*first, np.arange(len(data.test.labels))])
    some = list(dict.fromkeys(some.tolist()))[:PROVEN]
    every = data.test.inputs
    inputs = every[some] if isinstance(every, np.ndarray) else [every[item] for item in some]
    labels = [data.classes[data.test.labels[item]] for item in some]
    return Questions(inputs, labels, "test examples")


def _png(picture: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def _check(folder: Path) -> None:
    """Lets the zip check itself, in a process of its own. Raises `NotExported`."""
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(folder / "predict.py"), "--check"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=CHECK_SECONDS,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},  # what it needs is here
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise NotExported(
            f"The model was packed, but does not answer as it does in Thaw, so it is not handed "
            f"out: {said[-1]} Please report this with the settings of the run."
        )


def _name(run: Run) -> str:
    """Of the folder in the zip."""
    try:
        title = datasets.pick(run.result["data"]).title
    except UnknownKey:
        title = "model"
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
    return f"{slug or 'model'}-{run.result['approach']}"


def _events(run: Run) -> list[Event]:
    return [event for _, event in store().events(run.id)]


def _made_by() -> str:
    try:
        return f"made by Thaw {version('thaw')}"
    except PackageNotFoundError:  # run from a folder, not installed
        return "made by Thaw"


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False), "utf-8")
