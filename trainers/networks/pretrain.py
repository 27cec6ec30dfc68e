"""How the bundled vision backbone was made: `python -m trainers.networks.pretrain --data FILE`.

Trains `SmallResNet` on CIFAR-100 (Krizhevsky 2009) and writes `weights/small_resnet.safetensors`
(half precision) and `weights/small_resnet.json` (what was measured) beside this file. The test
images are looked at once, after the last epoch; progress is the training loss.
"""

import argparse
import io
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.small_resnet import SmallResNet

WEIGHTS_DIR = Path(__file__).parents[1] / "backbones" / "weights"
BATCH_SIZE = 256
PAD_PX = 4  # random shift of the picture: the usual CIFAR augmentation
PEAK_LR = 0.4  # SGD with Nesterov momentum, one cycle; the range that DAWNBench's entries used
WEIGHT_DECAY = 5e-4


def load_split(file: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of `split` ("train" or "test")."""
    with np.load(file, allow_pickle=False) as data:
        packed, offsets = data[f"{split}_bytes"].tobytes(), data[f"{split}_offsets"]
        labels = data[f"{split}_labels"].astype(np.int64)
    pictures = [
        np.asarray(Image.open(io.BytesIO(packed[start:end])).convert("RGB"))
        for start, end in pairwise(offsets)
    ]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), torch.from_numpy(labels)


def augment(images: Tensor) -> Tensor:
    """uint8 (N, 3, 32, 32): each shifted by up to `PAD_PX` pixels and half of them mirrored."""
    count, _, height, width = images.shape
    padded = F.pad(images.float(), [PAD_PX] * 4, mode="reflect").to(torch.uint8)
    rows = torch.randint(2 * PAD_PX + 1, (count, 1)) + torch.arange(height)
    columns = torch.randint(2 * PAD_PX + 1, (count, 1)) + torch.arange(width)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns, columns.flip(1))
    item = torch.arange(count).view(-1, 1, 1)
    # Indices on both sides of the slice: the channel axis comes out last, as channels-last wants.
    return padded[item, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def pretrain(file: Path, *, epochs: int, seed: int) -> dict:
    """Train and write the weights, and return what was measured.

    40 epochs took 66 min on two busy cores.
    """
    torch.manual_seed(seed)
    images, labels = load_split(file, "train")
    encoder = SmallResNet()
    encoder.use_width(encoder.last_layer_width)
    model = nn.Sequential(encoder, nn.Linear(encoder.width, 100))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=PEAK_LR, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    steps = len(images) // BATCH_SIZE
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LR, total_steps=epochs * steps, pct_start=0.2, anneal_strategy="linear"
    )
    started = time.monotonic()
    for epoch in range(1, epochs + 1):
        model.train()
        losses = []
        for batch in torch.randperm(len(images))[: steps * BATCH_SIZE].view(steps, BATCH_SIZE):
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(
                    model(augment(images[batch]).float() / 255).float(), labels[batch]
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        minutes = (time.monotonic() - started) / 60
        print(f"epoch {epoch}/{epochs} loss {np.mean(losses):.3f} {minutes:.1f} min", flush=True)
        save_weights(model)
    return {
        "data": "CIFAR-100",
        "epochs": epochs,
        "seed": seed,
        "minutes": round(minutes, 1),
        "parameters": sum(p.numel() for p in model[0].parameters()),
        "top1": round(compute_top1(model, *load_split(file, "test")), 4),
        "torch": torch.__version__,
    }


def save_weights(model: nn.Sequential) -> None:
    """Backbone and its 100-class head, in half precision: under 3 MB."""
    halves = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(
        {name: v for name, v in halves.items() if "num_batches" not in name},
        WEIGHTS_DIR / "small_resnet.safetensors",
    )


@torch.inference_mode()
def compute_top1(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of `images` (uint8, N x 3 x 32 x 32) whose likeliest class is the right one."""
    model.eval()
    found = [model(part.float() / 255).argmax(1) for part in images.split(500)]
    return (torch.cat(found) == labels).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="cifar100_webp.npz")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    WEIGHTS_DIR.mkdir(exist_ok=True)
    result = pretrain(arguments.data, epochs=arguments.epochs, seed=arguments.seed)
    (WEIGHTS_DIR / "small_resnet.json").write_text(json.dumps(result, indent=2) + "\n")
    print(result)
