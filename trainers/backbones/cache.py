"""Where downloaded backbones are, and whether they are there; without torch.

torchvision's are in `TORCH_HOME`, Hugging Face's in `HF_HOME`, laid out as those libraries do, so
that what another program has downloaded is found too.
"""

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainers.system.settings import get_settings

if TYPE_CHECKING:
    from trainers.backbones import Backbone

COMMIT_PATTERN = re.compile(r"[0-9a-f]{40}")
TOKENIZER_FILES = (  # any one of them
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
WEIGHTS_FILE, WEIGHTS_INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000  # of a safetensors file: the format's own limit
MAX_TOKENS = 512  # longer texts cost time in the square of their length; ours


def torch_hub_path() -> Path:
    """torch.hub's folder of weights."""
    home = get_settings().torch_home or _xdg_cache_path() / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def hf_hub_path() -> Path:
    """huggingface_hub's folder of models."""
    home = get_settings().hf_home or _xdg_cache_path() / "huggingface"
    named = get_settings().hf_hub_cache
    return Path(os.path.expandvars(named or Path(home, "hub"))).expanduser()


def _xdg_cache_path() -> Path:
    return (get_settings().xdg_cache_home or Path("~/.cache")).expanduser()


def backbone_path(backbone: "Backbone") -> Path:
    """The folder that holds the backbone's files, or would."""
    if backbone.repo:
        return hf_hub_path() / f"models--{backbone.repo.replace('/', '--')}"
    return torch_hub_path() if backbone.weights_file else Path(__file__).parent


def is_downloaded(backbone: "Backbone") -> bool:
    """Return whether the backbone can be used without a download."""
    if backbone.repo:
        return find_snapshot(backbone) is not None
    return not backbone.weights_file or (torch_hub_path() / backbone.weights_file).is_file()


def find_commit(backbone: "Backbone") -> str | None:
    """The commit that a name of a hub's backbone stands for on this computer. Where no revision was
    asked for: the one that Thaw downloaded, or another program."""
    if COMMIT_PATTERN.fullmatch(backbone.revision):
        return backbone.revision
    for name in (backbone.revision,) if backbone.revision else ("thaw", "main"):
        try:
            found = (backbone_path(backbone) / "refs" / name).read_text("ascii").strip()
        except (OSError, ValueError):
            continue
        if COMMIT_PATTERN.fullmatch(found):
            return found
    return None


def find_snapshot(backbone: "Backbone") -> Path | None:
    """The folder with all files of a hub's backbone; None where one is missing."""
    revision = find_commit(backbone)
    if revision is None:
        return None
    folder = backbone_path(backbone) / "snapshots" / revision
    whole = (
        (folder / "config.json").is_file()
        and any((folder / name).is_file() for name in TOKENIZER_FILES)
        and list_weights(folder)
    )
    return folder if whole else None


def list_weights(folder: Path) -> list[Path]:
    """The safetensors files of a snapshot; [] where one is missing."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    shards = set(_read_json(folder / WEIGHTS_INDEX_FILE).get("weight_map", {}).values())
    files = [folder / name for name in sorted(shards)]
    return files if all(file.is_file() for file in files) else []


def read_model_info(folder: Path) -> dict[str, Any]:
    """Return `width`, `max_tokens` and `parameters` of a snapshot's model, as fields of `Backbone`.

    `width` is missing if the configuration does not state it.
    """
    config = _read_json(folder / "config.json")
    width = config.get("hidden_size") or config.get("dim") or config.get("d_model")
    lengths = (
        MAX_TOKENS,
        config.get("max_position_embeddings"),
        _read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _read_json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    return {
        **({"width": width} if isinstance(width, int) else {}),
        "max_tokens": int(min(length for length in lengths if _is_length(length))),
        "parameters": sum(_count_parameters(file) for file in list_weights(folder)),
    }


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and value >= 1


def _count_parameters(file: Path) -> int:
    """Return the number of parameters in a safetensors file, from its header; 0 if it is none."""
    with open(file, "rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        header = opened.read(size) if size < MAX_HEADER_BYTES else b""
    try:
        tensors = {k: v for k, v in json.loads(header).items() if k != "__metadata__"}
        return sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0


def _read_json(file: Path) -> dict[str, Any]:
    """{} where it is missing or damaged: then it says nothing."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
