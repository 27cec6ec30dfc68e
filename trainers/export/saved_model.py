"""The model of a finished run, loaded for predictions or for an export."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from trainers import backbones
from trainers.backbones import Backbone
from trainers.evaluation.abstention import find_calibration
from trainers.events import Event
from trainers.networks.encoder import Encoder, autocast, flip_horizontal, get_device
from trainers.networks.loading import new_encoder
from trainers.plan import Plan
from trainers.store import FINISHED, Run, get_store
from trainers.system import object_store
from trainers.training import baselines
from trainers.training.model import Head, Model


class ModelUnavailable(ValueError):
    """A run without a model; the text says why and what to do next."""


class CosineHead(Head):
    """The head of an untrained run: cosine similarity to each class, -1 to 1."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.normalize(features.float() - self.centre, dim=1))


@dataclass(frozen=True)
class SavedModel:
    """A run's model, ready to predict."""

    model: Model
    backbone: Backbone
    mirrored: bool = False  # features are the mean over an image and its mirror image

    @property
    def encoder(self) -> Encoder:
        return self.model.body

    def predict_proba(self, inputs: Sequence, *, exact: bool = False) -> np.ndarray:
        """Return class probabilities, float32 of shape (N, classes), of texts or uint8 images.

        An untrained run has cosine similarities instead. `exact` computes in float32 and not in
        the precision that is fastest here. Images (H x W x 3) are resized as in training if they
        come as the training data did: as one array, or as a list.
        """
        prepared, device = self.encoder.prepare(inputs), next(self.model.parameters()).device
        outputs = []
        for items in prepared.eval_batches(torch.arange(len(prepared))):
            batch = _to_device(device, prepared.batch(items))
            with torch.inference_mode():
                with torch.autocast(device.type, enabled=False) if exact else autocast():
                    features = self.encoder(batch).float()
                    if self.mirrored:
                        features = (features + self.encoder(flip_horizontal(batch)).float()) / 2
                scores = self.model.head(features)
                is_cosine = isinstance(self.model.head, CosineHead)
                outputs.append(scores if is_cosine else scores.softmax(1))
        return torch.cat(outputs).cpu().numpy()


def _to_device(device: torch.device, batch: Any) -> Any:
    if isinstance(batch, tuple):
        return tuple(tensor.to(device) for tensor in batch)
    return batch.to(device)


def load_model(run: Run) -> SavedModel | baselines.ClassicalModel:
    """Return the model of a finished run, on this machine's device.

    Raises `ModelUnavailable`, and what loading its backbone raises.
    """
    plan, folder = load_plan(run), object_store.fetch_run_dir(run.id)
    if not (folder / "model.safetensors").is_file():
        raise ModelUnavailable(
            f"Run {run.id} left no model here: it was made by an older version, on another "
            "computer, or its files were deleted. Run it again."
        )
    num_classes, backbone = len(run.result["classes"]), backbones.pick(plan.backbone)
    if plan.approach == "simple":
        return baselines.ClassicalModel(folder, backbone.modality)
    backbone.check_downloaded()
    weights = load_file(folder / "model.safetensors")
    has_encoder = any(name.startswith("body.") for name in weights)
    if plan.approach == "scratch" and not has_encoder:
        raise ModelUnavailable("This run was stopped before anything was learned. Run it again.")
    encoder = new_encoder(plan.backbone, pretrained=plan.approach != "scratch")
    if ranks := {v.shape[0] for name, v in weights.items() if "lora_A" in name}:
        encoder.add_lora(ranks.pop())
    encoder.use_width(weights["head.linear.weight"].shape[1])
    head = (CosineHead if plan.approach == "none" else Head)(encoder.width, num_classes)
    model = Model(encoder, head).to(get_device())
    _, unknown = model.load_state_dict(weights, strict=False)
    if unknown:
        raise ModelUnavailable(
            f"What run {run.id} left does not fit {plan.backbone} ({unknown[0]}): it was made by "
            "another version. Run it again."
        )
    mirrored = bool(plan.schedule and plan.schedule.horizontal_flip)
    return SavedModel(model.eval().requires_grad_(False), backbone, mirrored)


def load_temperature(run: Run) -> float:
    """Return the temperature that calibrates the run's scores; 1 if none was fitted."""
    calibration = find_calibration(load_events(run))
    return calibration.temperature if calibration else 1.0


@torch.no_grad()
def apply_temperature(saved: SavedModel, temperature: float) -> SavedModel:
    """Calibrate the model's probabilities in place, by scaling the weights of its head."""
    saved.model.head.linear.weight.div_(temperature)
    saved.model.head.linear.bias.div_(temperature)
    return saved


def load_plan(run: Run) -> Plan:
    """Return the plan of a finished run as it was executed. Raises `ModelUnavailable`."""
    if run.kind != "run" or run.state != FINISHED:
        raise ModelUnavailable(
            f"{run.id} is no finished run ({run.kind}, {run.state}). Only a run that ended with a "
            "score leaves a model."
        )
    return Plan.from_json(run.result["repeat"])


def load_events(run: Run) -> list[Event]:
    return [event for _, event in get_store().read_events(run.id)]
