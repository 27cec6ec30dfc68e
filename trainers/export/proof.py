"""The proof in an exported zip: examples with the outputs that its model must reproduce."""

import base64
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from trainers import backbones, datasets
from trainers.datasets.uploads import BadUpload
from trainers.export.saved_model import SavedModel
from trainers.plan import Plan
from trainers.system.registry import UnknownKey
from trainers.training import baselines

PROOF_EXAMPLES = 6
# Largest difference of a probability. Both sides compute in float32, but another processor or
# version may sum in another order.
TOLERANCE = 1e-3


class ProofInputs(NamedTuple):
    inputs: Sequence  # an array where the data is an array
    labels: list[str | None]
    origin: str  # for people: where the examples come from


def build_proof(
    model: SavedModel | baselines.ClassicalModel, proof_inputs: ProofInputs
) -> dict[str, Any]:
    """Return a few examples with the model's outputs as Thaw computes them, as JSON."""
    inputs, labels, origin = proof_inputs
    if isinstance(model, baselines.ClassicalModel):
        outputs = model.predict_proba(inputs)
    else:
        model.model.cpu()  # a graphics card rounds differently, and predict.py uses none
        outputs = model.predict_proba(inputs, exact=True)
    examples = [
        ({"text": example} if isinstance(example, str) else {"picture": _encode_png(example)})
        | {"label": label, "output": [float(value) for value in output]}
        for example, label, output in zip(inputs, labels, outputs, strict=True)
    ]
    return {"tolerance": TOLERANCE, "from": origin, "examples": examples}


def select_proof_inputs(plan: Plan) -> ProofInputs:
    """Return test examples, at least one per class if they fit; made-up ones if the data is
    gone."""
    try:
        data = datasets.get_dataset(plan.data).load_splits(1, plan.seed, plan.fixes)
    except (BadUpload, UnknownKey):
        words = ["The first one.", "Is this another question?", "Numbers such as 12 and 7."]
        rng = np.random.default_rng(0)
        noise = list(rng.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
        is_text = backbones.pick(plan.backbone).modality == "text"
        return ProofInputs(words if is_text else noise, [None] * 3, "made up: the data was deleted")
    first = [np.flatnonzero(data.test.labels == n)[:1] for n in range(len(data.classes))]
    order = np.concatenate([*first, np.arange(len(data.test.labels))])
    indices = list(dict.fromkeys(order.tolist()))[:PROOF_EXAMPLES]
    pool = data.test.inputs
    inputs = pool[indices] if isinstance(pool, np.ndarray) else [pool[i] for i in indices]
    labels = [data.classes[data.test.labels[i]] for i in indices]
    return ProofInputs(inputs, labels, "test examples")


def _encode_png(picture: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
