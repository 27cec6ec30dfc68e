"""Data of one's own, or that was downloaded, deleted."""

from typing import Any

from trainers.privacy import erase
from trainers.samples import online


def add(commands: Any) -> None:
    command = commands.add_parser("forget", help="delete data of your own, or that was downloaded")
    command.add_argument("key", metavar="|".join(["own-…", *online.ONLINE]))


def run(given: dict[str, Any]) -> int:
    key = given["key"]
    if key in online.ONLINE:
        online.forget(key)
    else:
        erase.data(key)
    print(f"Deleted {key}.")
    return 0
