"""The header of a run's checkpoint, read without torch."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

CHECKPOINT_FILE = "standing.safetensors"
FORMAT_VERSION = 1  # a checkpoint of another version is ignored


def read_checkpoint_header(folder: Path) -> dict[str, Any] | None:
    """Return the metadata of the checkpoint in `folder`; None if there is none to resume from."""
    try:
        with safe_open(folder / CHECKPOINT_FILE, framework="np") as file:
            facts = json.loads((file.metadata() or {})["standing"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return facts if facts.get("form") == FORMAT_VERSION else None
