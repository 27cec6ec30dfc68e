"""The data that comes with Thaw, or can be fetched."""

from typing import Any

from trainers.datasets import BUNDLED_DATASETS, catalog


def add(commands: Any) -> None:
    commands.add_parser("samples", help="list the data that comes with Thaw")


def run(given: dict[str, Any]) -> int:
    for sample in BUNDLED_DATASETS.values():
        print(f"{sample.key:17} {sample.modality:7} {sample.classes:3} classes  "
              f"up to {sample.train_examples_per_class} each, {sample.test} to test  "
              f"{sample.about} ({sample.made})")  # fmt: skip
    for row in catalog.CATALOG.values():
        here = (
            "downloaded"
            if catalog.is_downloaded(row.key)
            else catalog.format_size(row.download_bytes)
        )
        print(f"{row.key:17} {row.modality:7} {row.classes:3} classes  {here:>10}  "
              f"{row.about} ({row.source}; licence: {row.licence})")  # fmt: skip
    return 0
