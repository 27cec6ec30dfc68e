"""Milliseconds a forward pass takes by the size of its batch: `python tests/bench/batches.py`.

The sizes in trainers/networks/encoder.py rest on this. Sizes are timed in turn, with one thread;
what is
printed is the median.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from trainers import backbones
from trainers.networks.encoder import (
    MAX_EVAL_BATCH_SIZE,
    MIN_EVAL_BATCH_SIZE,
    TokenInputs,
    autocast,
)

SIZES = MIN_EVAL_BATCH_SIZE, 32, MAX_EVAL_BATCH_SIZE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", default="small_resnet,mobilenet_v2,resnet18,minilm")
    parser.add_argument("--tokens", default="20,256", help="of each text")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| backbone | {' | '.join(f'{size} at once' for size in SIZES)} |")
    print("|---|" + "---|" * len(SIZES))
    for key in given.backbones.split(","):
        row = backbones.pick(key)
        body = row.build_encoder(pretrained=row.is_bundled).eval()  # random weights take as long
        if row.modality == "images":
            side = row.image_px
            pictures = torch.randint(0, 256, (MAX_EVAL_BATCH_SIZE, side, side, 3)).byte().numpy()
            kinds = {f"{key}, {side} px": body.prepare(pictures)}
        else:
            kinds = {
                f"{key}, {tokens} tokens": TokenInputs(
                    torch.randint(1000, 5000, (MAX_EVAL_BATCH_SIZE, tokens)).tolist(), pad=0
                )
                for tokens in map(int, given.tokens.split(","))
            }
        for what, inputs in kinds.items():
            taken = {size: [] for size in SIZES}
            for _ in range(given.rounds + 1):  # the first is not counted
                for size, seconds in taken.items():
                    began = time.perf_counter()
                    with torch.inference_mode(), autocast():
                        for items in torch.arange(MAX_EVAL_BATCH_SIZE).split(size):
                            body(inputs.batch(items))
                    seconds.append((time.perf_counter() - began) / MAX_EVAL_BATCH_SIZE)
            cells = (f"{1000 * median(seconds[1:]):.2f} ms" for seconds in taken.values())
            print(f"| {what} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
