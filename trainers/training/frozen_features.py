"""Frozen features of examples, computed once: what a backbone makes of them as it came."""

import time
from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch

from trainers.events import Progress
from trainers.networks.encoder import Encoder
from trainers.training.inference import extract_features

BATCH_SIZE = 32  # of long texts on a slow computer that is a second; the least that is always done


def extract_frozen_features(
    body: Encoder,
    inputs: Sequence,
    *,
    seconds: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[Progress, None, np.ndarray]:
    """Features of `inputs` (texts, or pictures H x W x 3), float32 (n, F), telling how far it is.

    Ends after `seconds`, or when `stop` says so, with those of the first n; at least one batch.
    """
    began = time.monotonic()
    found: list[np.ndarray] = []
    done = 0
    for start in range(0, len(inputs), BATCH_SIZE):
        ready = body.prepare(inputs[start : start + BATCH_SIZE])  # decoding photos takes longest
        found += [
            part.cpu().numpy() for part in extract_features(body, ready, torch.arange(len(ready)))
        ]
        done += len(ready)
        spent = time.monotonic() - began
        yield Progress(done, len(inputs), spent)
        if spent > seconds or should_stop():
            break
    return np.concatenate(found)
