"""What takes how much room, and what would go by the settings."""

import json
from typing import Any

from trainers.cli.options import json_option
from trainers.hosting import retention
from trainers.system.settings import get_settings

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def add(commands: Any) -> None:
    told = commands.add_parser("storage", help="what takes how much room, and what would go")
    told.add_argument("--now", action="store_true", help="delete what would go, at once")
    json_option(told, "print it as JSON")


def run(given: dict[str, Any]) -> int:
    get_settings()
    now = given["now"]
    kept = retention.measure_disk_usage()
    going = retention.clean_up() if now else list(retention.list_expired())
    if given["json"]:
        _as_json(kept, going, done=now)
        return 0
    for name, size in vars(kept).items():
        print(f"{TITLES[name]:42} {_size(size):>10}")
    print()
    done = "Deleted" if now else "Would go"
    for one in going:
        print(f"{done}: {one.kind} {one.key} ({_size(one.size)}), {one.reason}")
    if not going:
        print("Nothing goes by the settings: see trainers/system/settings.py.")
    elif not now:
        print("Delete it now: python -m trainers storage --now")
    return 0


TITLES = {
    "models": "Models of runs",
    "events": "Curves and scores of runs",
    "data": "Data of one's own",
    "features": "Computed features",
    "weights": "Pre-trained models that Thaw downloaded",
    "samples": "Data sets that were downloaded",
}


def _as_json(kept: Any, going: list, *, done: bool) -> None:
    told = {"kept": vars(kept), "deleted" if done else "going": [one._asdict() for one in going]}
    print(json.dumps(told))


def _size(count: int) -> str:
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"
