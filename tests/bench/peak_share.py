"""Share of the machine's peak: `thaw bench --only peak`.

The peak is what a bf16 matrix product of this machine reaches, measured. Floating point operations
are counted by torch's own counter; a step in which all learns as three forward passes, since that
counter takes the way back through grouped convolutions for dense ones. Theirs are the seconds that
as many would take at the peak, ours those of a batch, frozen or as a training step; the ratio is
the share of the peak. What took longest says what holds it back: operators that move more than they
multiply.
"""

import time
from collections.abc import Iterator

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from trainers import backbones
from trainers.cli.bench import BenchRow
from trainers.networks.encoder import (
    MAX_EVAL_BATCH_SIZE,
    Encoder,
    TokenInputs,
    autocast,
    get_device,
)
from trainers.training.inference import extract_features
from trainers.training.model import set_trainable
from trainers.training.recipes import build_phases

SIDE = 2048  # of the matrices
TOKENS = 32  # of each text
BATCH = {"images": 32, "text": 16}  # of a step, as the recipes have it
TOP = 3  # operators told


def best(rounds: int, work) -> float:
    """The least seconds of `rounds`, after one that is not counted: the peak is a ceiling."""
    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        if get_device().type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def peak(rounds: int) -> float:
    """Operations a second."""
    a, b = torch.randn(2, SIDE, SIDE, device=get_device(), dtype=torch.bfloat16)
    return 2 * SIDE**3 / best(3 * rounds, lambda: a @ b)


def held_back(work) -> str:
    kinds = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * (get_device().type == "cuda")]
    with profile(activities=kinds) as told:
        work()
    rows = [row for row in told.key_averages() if row.key.startswith("aten::")]
    rows.sort(key=lambda row: row.self_cpu_time_total, reverse=True)
    whole = sum(row.self_cpu_time_total for row in rows)
    return ", ".join(
        f"{row.key.removeprefix('aten::')} {row.self_cpu_time_total / whole:.0%}"
        for row in rows[:TOP]
    )


def operations(work) -> int:
    with FlopCounterMode(display=False) as counted:
        work()
    return counted.get_total_flops()


def passes(row: backbones.Backbone, body: Encoder):
    """Two things to do with `body`, and their operations: features of a batch, and a training step
    on one."""
    if row.modality == "images":
        inputs = body.prepare(
            torch.randint(0, 256, (64, row.image_px, row.image_px, 3)).byte().numpy()
        )
    else:
        inputs = TokenInputs(
            torch.randint(1000, 5000, (MAX_EVAL_BATCH_SIZE, TOKENS)).tolist(), pad=0
        )
    items = torch.arange(len(inputs))

    def features() -> None:
        for _ in extract_features(body, inputs, items):
            pass

    batch = inputs.batch(items[: BATCH[row.modality]])
    yield "features", features, operations(features)
    (phase,) = build_phases("fine_tune", row.modality, row.trainable)
    set_trainable(body, phase)
    body.train()
    learnable = [p for p in body.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnable, lr=1e-5, fused=True)

    def forward():
        with autocast():
            return body(batch).float().square().mean()

    def step() -> None:
        loss = forward()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    whole = 3 * operations(forward) if row.trainable == "all" else operations(step)
    yield f"a training step ({row.trainable})", step, whole


def measure(rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:
    most = peak(rounds)
    for row in backbones.BACKBONES.values():
        if row.repo:
            continue  # a transformer of the hub is minilm with other numbers
        try:
            # Random weights take as long, and need no download.
            body = row.body(pretrained=row.is_bundled).to(get_device())
        except backbones.BackboneNotDownloaded:
            continue
        for what, work, counted in passes(row, body):
            work()
            ours = best(rounds, work)
            theirs = counted / most
            yield BenchRow(
                what=f"share of the peak, {what}, {row.key}",
                against=f"bf16 matrix product: {most / 1e9:,.0f} GFLOP/s",
                note=f"longest: {held_back(work)}",
                ours_seconds=ours,
                theirs_seconds=theirs,
                ratio=theirs / ours,
                spread=(theirs / ours, theirs / ours),
                goal="reported",
                met=None,
            )
