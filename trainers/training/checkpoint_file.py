"""The file in which a run keeps where it stands, as far as that can be read without torch."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

CHECKPOINT_FILE = "standing.safetensors"
FORMAT_VERSION = 1  # of that file: one of another is passed over


def read_checkpoint_header(folder: Path) -> dict[str, Any] | None:
    """The plain values of what a run kept in `folder`; None where there is none to go on from."""
    try:
        with safe_open(folder / CHECKPOINT_FILE, framework="np") as file:
            facts = json.loads((file.metadata() or {})["standing"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return facts if facts.get("form") == FORMAT_VERSION else None
