"""Data of one's own, or that was downloaded, deleted."""

from typing import Any

from trainers.datasets import catalog
from trainers.hosting import erase


def add(commands: Any) -> None:
    command = commands.add_parser("forget", help="delete data of your own, or that was downloaded")
    command.add_argument("key", metavar="|".join(["own-…", *catalog.CATALOG]))


def run(given: dict[str, Any]) -> int:
    key = given["key"]
    if key in catalog.CATALOG:
        catalog.delete(key)
    else:
        erase.erase_data(key)
    print(f"Deleted {key}.")
    return 0
