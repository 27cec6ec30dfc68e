"""A worker of the app."""

from typing import Any

from trainers.workers.worker import run_worker


def add(commands: Any) -> None:
    command = commands.add_parser("work", help="work on the runs of the app")
    command.add_argument("--name")
    command.add_argument("--threads", type=int)
    command.add_argument("--light", action="store_true", help="no training: read and download")
    command.add_argument("--ray", action="store_true", help="have a Ray cluster train")
    command.add_argument("--parent", type=int, help="end when the process of this number ends")


def run(given: dict[str, Any]) -> int:
    run_worker(**given)
    return 0
