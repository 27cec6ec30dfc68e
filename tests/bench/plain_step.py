"""A fine-tuning step beside the plainest correct loop: `thaw bench --only step`.

Theirs: torch's `DataLoader`, forward, loss, backward, AdamW, in the same precision and with the
same augmentation. Ours: the loop of a run, with its events read. Both go through the same examples
in batches of the same size, three times; seconds are those of all that, divided by its steps.
"""

import math
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from trainers import backbones, datasets
from trainers.cli.bench import BenchRow, compare_slowdown, time_alternately
from trainers.networks.encoder import Examples, autocast, get_device
from trainers.networks.loading import new_encoder
from trainers.plan import StepPlan
from trainers.training.batches import SubsetInputs
from trainers.training.loop import train
from trainers.training.model import Head, Model, set_train_mode, set_trainable
from trainers.training.recipes import build_phases
from trainers.training.schedule import PhaseContext

GOAL = 1.03
EPOCHS = 3


def theirs(model: Model, examples: Examples, phase) -> None:
    batches = DataLoader(
        range(len(examples)), batch_size=phase.batch, shuffle=True, collate_fn=torch.tensor
    )
    learnable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnable, lr=phase.learning_rate)
    set_train_mode(model)
    for _ in range(EPOCHS):
        for batch in batches:
            with autocast():
                scores = model(examples.inputs.batch(batch, augment=phase.augment))
            loss = F.cross_entropy(scores, examples.labels[batch].to(get_device()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    loss.item()  # a card is done when the last number is there


def ours(model: Model, examples: Examples, phase) -> None:
    steps = EPOCHS * math.ceil(len(examples) / phase.batch)
    nothing = torch.arange(0)
    none = Examples(SubsetInputs(examples.inputs, nothing), nothing)
    context = PhaseContext.unlimited(examples.labels[:0])
    for _ in train(model, examples, none, phase, context, StepPlan(steps, steps, 2)):
        pass


def measure(rounds: int, *, quick: bool = False) -> Iterator[BenchRow]:
    for data, what in (("vehicles", "images"), ("messages", "text")):
        row = backbones.get_bundled(what)
        split = datasets.get_dataset(data).load_splits(examples_per_class=50).train
        body = new_encoder(row.key, pretrained=True)
        examples = Examples(body.prepare(split.inputs), torch.from_numpy(split.labels))
        (phase,) = build_phases("fine_tune", what, row.trainable)
        phase = replace(phase, max_epochs=EPOCHS)
        set_trainable(body, phase)
        head = Head(body.width, int(split.labels.max()) + 1).to(get_device())
        model = Model(body, head)
        steps = EPOCHS * math.ceil(len(examples) / phase.batch_size)

        def timed(side, model: nn.Module = model, given=(examples, phase), steps: int = steps):
            def once(_: int) -> float:
                own = deepcopy(model)
                began = time.perf_counter()
                side(own, *given)
                return (time.perf_counter() - began) / steps

            return once

        timed(ours)(0)  # the first pays for what is set up once
        taken = time_alternately(rounds, timed(ours), timed(theirs))
        yield BenchRow(
            what=f"a step of fine-tuning, {what}, {row.key} ({phase.trainable})",
            against="the plainest loop in torch, same precision",
            **compare_slowdown(*taken, GOAL),
        )
