"""How long it takes to keep where a run stands: `python tests/bench/keep_standing.py`.

For each bundled backbone and what learns of it: what a run keeps after a look (weights, the best so
far, what the optimizer remembers), its size, and the median of several writes to the data folder's
disk, each flushed to it.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from trainers import backbones
from trainers.networks.loading import new_encoder
from trainers.system.checkpoint_file import CHECKPOINT_FILE
from trainers.training.checkpoint import (
    MAX_WRITE_TIME_SHARE,
    MIN_WRITE_INTERVAL_SECONDS,
    optimizer_state,
    rng_state,
    with_prefix,
    write_tensors,
)
from trainers.training.loop import build_optimizer
from trainers.training.model import Head, Model, set_trainable, trainable_state_dict
from trainers.training.recipes import build_phases

TRIES, CLASSES = 5, 10


def kept(key: str, what: str) -> dict[str, torch.Tensor]:
    """What a fine-tuning run keeps where the best so far are not the weights of now."""
    row = backbones.pick(key)
    (phase,) = build_phases("fine_tune", row.modality, what)
    body = new_encoder(key, pretrained=True)
    set_trainable(body, phase)
    model = Model(body, Head(body.width, CLASSES))
    optimizer = build_optimizer(model, phase)
    sum(p.sum() for p in model.parameters() if p.requires_grad).backward()
    optimizer.step()
    best = {name: value.clone() for name, value in trainable_state_dict(model).items()}
    found = with_prefix("model", trainable_state_dict(model)) | with_prefix("best", best)
    return (
        found
        | with_prefix("optimizer", optimizer_state(optimizer))
        | with_prefix("dice", rng_state())
    )


def main() -> None:
    print("| backbone | what learns | numbers | kept | a write | at most every |")
    print("|---|---|---|---|---|---|")
    for modality in ("images", "text"):
        row = backbones.get_bundled(modality)
        for what in ("lora", "all"):
            tensors = kept(row.key, what)
            learns = sum(v.numel() for k, v in tensors.items() if k.startswith("best."))
            megabytes, took = sum(v.nbytes for v in tensors.values()) / 1e6, []
            with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
                for _ in range(TRIES):
                    began = time.perf_counter()
                    write_tensors(tensors, Path(folder) / CHECKPOINT_FILE)
                    took.append(time.perf_counter() - began)
            every = max(MIN_WRITE_INTERVAL_SECONDS, median(took) / MAX_WRITE_TIME_SHARE)
            print(f"| {row.key} | {what} | {learns:,} | {megabytes:.1f} MB "
                  f"| {1000 * median(took):.0f} ms | {every:.0f} s |")  # fmt: skip


if __name__ == "__main__":
    main()
