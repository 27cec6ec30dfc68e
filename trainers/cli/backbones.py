"""The pre-trained models."""

from typing import Any

from trainers.backbones import BACKBONES, is_downloaded


def add(commands: Any) -> None:
    commands.add_parser("backbones", help="list the pre-trained models")


def run(given: dict[str, Any]) -> int:
    for backbone in BACKBONES.values():
        here = "here" if is_downloaded(backbone) else "not here"
        print(f"{backbone.key:18} {backbone.modality:7} {backbone.parameters:>11,} "
              f"parameters  {backbone.size:15} {here:9} {backbone.good_for} "
              f"({backbone.source})")  # fmt: skip
    return 0
