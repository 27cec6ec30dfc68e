"""Features and predictions of many examples, in batches that fit the memory."""

import gc
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from trainers.networks.encoder import Inputs, autocast, flip_horizontal, get_device
from trainers.system.errors import is_out_of_memory
from trainers.training.model import Model

BATCH_REDUCTION_FACTOR = 4  # a batch that does not fit the memory is cut into so many. Our choice


def extract_features(
    body: nn.Module, inputs: Inputs, items: Tensor, *, mirrored: bool = False
) -> Iterator[Tensor]:
    """Yield the features of `items`, float32 (n, F), a batch at a time.

    The encoder runs in eval mode without gradients. `mirrored`: of the images' mirror images.
    Raises the error of PyTorch when even a part of a batch does not fit the memory.
    """
    body.eval()

    def compute(part: Tensor) -> Tensor:
        batch = inputs.batch(part)
        with torch.inference_mode(), autocast():
            features = body(flip_horizontal(batch) if mirrored else batch).float()
        return features.clone()  # out of inference mode: a head must be able to learn on them

    for part in inputs.eval_batches(items):
        try:
            features = compute(part)
        except (MemoryError, RuntimeError) as error:
            if len(part) < BATCH_REDUCTION_FACTOR or not is_out_of_memory(error):
                raise
            features = None
        if features is None:  # outside `except`: the error holds on to what had been computed
            free_memory()
            pieces = part.tensor_split(BATCH_REDUCTION_FACTOR)
            features = torch.cat([compute(piece) for piece in pieces])
        yield features


def predict(model: Model, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Return features (N, F) and class scores (N, classes) of all `inputs`, float32."""
    order = argsort_by_length(inputs, torch.arange(len(inputs)))
    features = torch.cat(list(extract_features(model.body, inputs, order)))[order.argsort()]
    model.head.eval()
    with torch.inference_mode():
        return features, model.head(features)


def argsort_by_length(inputs: Inputs, items: Tensor) -> Tensor:
    """Return the order of `items` that puts short texts first (less padding); of images, theirs."""
    if not hasattr(inputs, "lengths"):
        return torch.arange(len(items))
    return inputs.lengths[items].argsort(stable=True)


def free_memory() -> None:
    """Return memory that nothing refers to, on the GPU too."""
    gc.collect()
    if get_device().type == "cuda":
        torch.cuda.empty_cache()
