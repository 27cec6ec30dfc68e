"""How far training has moved a network, part by part."""

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from trainers.networks.encoder import Encoder


@torch.no_grad()
def relative_weight_change(
    body: Encoder, before: Encoder | None, parts: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """`parts` of a run (those of the body, then the head), each with its "change": how long the way
    is that its weights went, ‖after − before‖ / ‖before‖, over all of the part together.

    None for the head, which starts at zero, and for every part where there is no `before` (from
    scratch: from a random start any way is long, and says nothing). What LoRA adds beside a layer
    counts as it acts: as a change of that layer. Only weights count, not the averages that
    batch-norm keeps: those follow the data, and are no numbers that learn.
    """
    if before is None:
        return [part | {"change": None} for part in parts]
    names = {id(value): name for name, value in body.named_parameters()}
    known = dict(before.named_parameters())
    added = {
        id(layer.get_base_layer().weight): layer
        for layer in body.modules()
        if isinstance(layer, LoraLayer)
    }
    found = []
    for told, part in zip(parts, body.named_blocks(), strict=False):
        went = size = 0.0
        for after in part.module.parameters():
            name = names[id(after)].replace(".base_layer.", ".")
            if name not in known:  # LoRA's own: it counts with its layer
                continue
            start = known[name].to(after.device)
            way = after - start
            if id(after) in added:
                way += _lora_delta(added[id(after)])
            went, size = went + way.square().sum().item(), size + start.square().sum().item()
        found.append(told | {"change": (went / size) ** 0.5 if size else None})
    return [*found, *(part | {"change": None} for part in parts[len(found) :])]


def _lora_delta(layer: LoraLayer) -> Tensor:
    return sum(layer.get_delta_weight(name) for name in layer.active_adapters)
