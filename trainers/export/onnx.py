"""A take-away model once more as ONNX, for programs that are not written in Python."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from trainers.export.template.networks import Network

FILE_NAME = "model.onnx"
INPUT_NAMES = {"images": ["pictures"], "text": ["ids", "mask"]}


class OnnxExportError(ValueError):
    """A model that cannot be written as ONNX here; the text says why and what to do next."""


class FlatInputs(nn.Module):
    """The network with its inputs side by side."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(inputs if len(inputs) > 1 else inputs[0])


def export_onnx(folder: Path, proof: dict[str, Any]) -> None:
    """Write model.onnx beside the other files of a zip, for any number of examples at once, and
    holds it to the proof. Raises `NotOnnx`."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401, torch's export needs it
    except ImportError:
        raise OnnxExportError(
            "To write ONNX, onnx, onnxscript and onnxruntime are needed. Install them "
            "(python -m pip install onnx onnxscript onnxruntime), or leave ONNX out."
        ) from None
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if not config["network"]:
        raise OnnxExportError(
            "This model has no network: it is a plain regression. Leave ONNX out."
        )
    network, names = Network(folder, config), INPUT_NAMES[config["modality"]]
    examples = [_decode_example(one) for one in proof["examples"]]
    output = np.array([one["output"] for one in proof["examples"]])
    given = network.preprocess(examples)
    given = given if isinstance(given, tuple) else (given,)
    several = torch.export.Dim.DYNAMIC
    free = {0: several, 1: several} if config["modality"] == "text" else {0: several}
    torch.onnx.export(
        FlatInputs(network.model).eval(),
        given,
        folder / FILE_NAME,
        input_names=names,
        output_names=[config["output"]],
        dynamic_shapes=(tuple(free for _ in given),),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(folder / FILE_NAME, providers=["CPUExecutionProvider"])
    # One alone as well: a size that was frozen in the export would show.
    for count in (len(examples), 1):
        given = network.preprocess(examples[:count])
        given = given if isinstance(given, tuple) else (given,)
        feed = {name: value.numpy() for name, value in zip(names, given, strict=True)}
        (found,) = session.run(None, feed)
        apart = np.abs(found - output[:count]).max()
        if not apart <= proof["tolerance"]:
            raise OnnxExportError(
                f"As ONNX the model answers otherwise, by up to {apart:.2g}, so it is not handed "
                "out in that form. Leave ONNX out."
            )


def _decode_example(stored: dict[str, Any]) -> Any:
    if "text" in stored:
        return stored["text"]
    return Image.open(io.BytesIO(base64.b64decode(stored["picture"])))
