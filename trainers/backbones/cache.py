"""Where downloaded backbones lie, and whether they are there; found without torch.

torchvision's in `TORCH_HOME`, Hugging Face's in `HF_HOME`, laid out as those libraries do, so that
what another program has downloaded is here too.
"""

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.backbones import Backbone

COMMIT = re.compile(r"[0-9a-f]{40}")
TOKENIZERS = (  # any one of them
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
MOST_HEADER_BYTES = 100_000_000  # of a safetensors file: the format's own limit
MOST_TOKENS = 512  # longer texts cost time in the square of their length; ours


def checkpoints() -> Path:
    """torch.hub's folder of weights."""
    home = os.environ.get("TORCH_HOME") or _cache() / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def hub_cache() -> Path:
    """huggingface_hub's folder of models."""
    home = os.environ.get("HF_HOME") or _cache() / "huggingface"
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(named or Path(home, "hub"))).expanduser()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def place(backbone: "Backbone") -> Path:
    """The folder that holds the backbone's files, or would."""
    if backbone.repo:
        return hub_cache() / f"models--{backbone.repo.replace('/', '--')}"
    return checkpoints() if backbone.file else Path(__file__).parent


def is_here(backbone: "Backbone") -> bool:
    """Whether the backbone can be used without a download."""
    if backbone.repo:
        return snapshot(backbone) is not None
    return not backbone.file or (checkpoints() / backbone.file).is_file()


def commit(backbone: "Backbone") -> str | None:
    """The commit that a name of a hub's backbone stands for on this computer. Where no revision was
    asked for: the one that Thaw downloaded, or another program."""
    if COMMIT.fullmatch(backbone.revision):
        return backbone.revision
    for name in (backbone.revision,) if backbone.revision else ("thaw", "main"):
        try:
            found = (place(backbone) / "refs" / name).read_text("ascii").strip()
        except (OSError, ValueError):
            continue
        if COMMIT.fullmatch(found):
            return found
    return None


def snapshot(backbone: "Backbone") -> Path | None:
    """The folder with all files of a hub's backbone; None where one is missing."""
    revision = commit(backbone)
    if revision is None:
        return None
    folder = place(backbone) / "snapshots" / revision
    whole = (
        (folder / "config.json").is_file()
        and any((folder / name).is_file() for name in TOKENIZERS)
        and weights(folder)
    )
    return folder if whole else None


def weights(folder: Path) -> list[Path]:
    """The safetensors files of a snapshot; [] where one is missing."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    shards = set(_json(folder / INDEX).get("weight_map", {}).values())
    files = [folder / name for name in sorted(shards)]
    return files if all(file.is_file() for file in files) else []


def described(folder: Path) -> dict[str, Any]:
    """What a snapshot's files say of the model: `features`, `max_tokens` and `parameters`, as the
    fields of a `Backbone`; without what they do not say."""
    config = _json(folder / "config.json")
    features = config.get("hidden_size") or config.get("dim") or config.get("d_model")
    lengths = (
        MOST_TOKENS,
        config.get("max_position_embeddings"),
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    return {
        **({"features": features} if isinstance(features, int) else {}),
        "max_tokens": int(min(length for length in lengths if _is_length(length))),
        "parameters": sum(_stored(file) for file in weights(folder)),
    }


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and value >= 1


def _stored(file: Path) -> int:
    """How many numbers a safetensors file holds, from its header; 0 where that is none."""
    with open(file, "rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        header = opened.read(size) if size < MOST_HEADER_BYTES else b""
    try:
        tensors = {k: v for k, v in json.loads(header).items() if k != "__metadata__"}
        return sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0


def _json(file: Path) -> dict[str, Any]:
    """{} where it is missing or damaged: then it says nothing."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
