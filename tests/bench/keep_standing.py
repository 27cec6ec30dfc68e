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
from trainers.networks.loading import fresh
from trainers.training.checkpoint import EVERY_SECONDS, SHARE, below, dice, remembered, write
from trainers.training.checkpoint_file import CHECKPOINT
from trainers.training.loop import Head, Model, _optimizer, learned
from trainers.training.recipes import phases
from trainers.training.run import thaw

TRIES, CLASSES = 5, 10


def kept(key: str, what: str) -> dict[str, torch.Tensor]:
    """What a fine-tuning run keeps where the best so far are not the weights of now."""
    row = backbones.pick(key)
    (phase,) = phases("fine_tune", row.modality, what)
    body = fresh(key, pretrained=True)
    thaw(body, phase)
    model = Model(body, Head(body.features, CLASSES))
    optimizer = _optimizer(model, phase)
    sum(p.sum() for p in model.parameters() if p.requires_grad).backward()
    optimizer.step()
    best = {name: value.clone() for name, value in learned(model).items()}
    found = below("model", learned(model)) | below("best", best)
    return found | below("optimizer", remembered(optimizer)) | below("dice", dice())


def main() -> None:
    print("| backbone | what learns | numbers | kept | a write | at most every |")
    print("|---|---|---|---|---|---|")
    for modality in ("images", "text"):
        row = backbones.bundled(modality)
        for what in ("lora", "all"):
            tensors = kept(row.key, what)
            learns = sum(v.numel() for k, v in tensors.items() if k.startswith("best."))
            megabytes, took = sum(v.nbytes for v in tensors.values()) / 1e6, []
            with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
                for _ in range(TRIES):
                    began = time.perf_counter()
                    write(tensors, Path(folder) / CHECKPOINT)
                    took.append(time.perf_counter() - began)
            every = max(EVERY_SECONDS, median(took) / SHARE)
            print(f"| {row.key} | {what} | {learns:,} | {megabytes:.1f} MB "
                  f"| {1000 * median(took):.0f} ms | {every:.0f} s |")  # fmt: skip


if __name__ == "__main__":
    main()
