"""The network of a run: an encoder and a new last layer, and which of its weights are saved."""

from pathlib import Path

import torch
from torch import Tensor, nn

from trainers.networks.encoder import Encoder, get_device
from trainers.training.checkpoint import write_tensors
from trainers.training.recipes import LORA_RANK, Phase


class Head(nn.Module):
    """The new last layer: features are centred and scaled by fixed numbers, then one score a class.

    Its weights start at zero: every class is equally likely, and the encoder gets no random push.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def fit_scaling(self, features: Tensor) -> None:
        """Set centre and scale from `features`, float (N, F).

        One scale for all: the spread of single features cannot be told from a few examples.
        """
        self.centre.copy_(features.mean(0))
        self.scale.copy_((features - self.centre).square().mean().sqrt().clamp(min=1e-6))

    def standardise(self, features: Tensor) -> Tensor:
        """Return the input of the linear layer, float32 (N, F)."""
        return (features.float() - self.centre) / self.scale

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.standardise(features))

    def scale_logits(self, factor: float) -> None:
        """Give the same predictions with less confidence (`factor` < 1)."""
        with torch.no_grad():
            self.linear.weight.mul_(factor)
            self.linear.bias.mul_(factor)


class Model(nn.Module):
    """An encoder and a head: a batch goes in, class scores come out, float32 (N, classes)."""

    def __init__(self, body: nn.Module, head: Head) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, batch: Tensor | tuple[Tensor, ...]) -> Tensor:
        return self.head(self.body(batch))


def set_trainable(encoder: Encoder, phase: Phase) -> None:
    """Freeze the encoder, unfreeze it or add LoRA, as `phase` says; the head always learns."""
    encoder.requires_grad_(phase.trainable == "all")
    if phase.trainable == "last_blocks":
        for block in encoder.last_blocks():
            block.requires_grad_(True)
    if phase.trainable == "lora":
        encoder.add_lora(LORA_RANK)
        encoder.to(get_device())
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_("lora_" in name)


def set_train_mode(model: nn.Module) -> None:
    """Put the modules that learn into training mode, and frozen ones into eval mode.

    A frozen BatchNorm would move without a gradient, and frozen dropout would blur its input.
    """
    model.train(any(p.requires_grad for p in model.parameters()))
    for child in model.children():
        if any(True for _ in child.parameters()):
            set_train_mode(child)


def freeze_batchnorm_stats(model: nn.Module) -> None:
    """Put every BatchNorm into eval mode: its statistics are used, but do not change.

    They follow slowly: after a few steps they would fit neither the old weights nor the new.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def trainable_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """Return what a run changes: parameters that learn, and the buffers of their modules."""
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    owners = {name.rpartition(".")[0] for name in names}
    return {
        name: value
        for name, value in model.state_dict().items()
        if name in names or name.rpartition(".")[0] in owners
    }


def clone_trainable(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of `trainable_state_dict`."""
    return {name: value.detach().clone() for name, value in trainable_state_dict(model).items()}


def saved_state_dict(model: Model) -> dict[str, Tensor]:
    """Return what a run saves of its model: all that differs from the backbone as published."""
    head = {f"head.{name}": value for name, value in model.head.state_dict().items()}
    return trainable_state_dict(model) | head


def count_stored_bytes(model: Model) -> int:
    return sum(value.numel() * value.element_size() for value in saved_state_dict(model).values())


def save_weights(model: Model, folder: Path) -> None:
    """Write model.safetensors into `folder`, atomically."""
    write_tensors(saved_state_dict(model), folder / "model.safetensors")
