"""A damaged database, put aside and saved from."""

import sys
from typing import Any

from trainers.store.repair import CannotRepair, repair

SAID = {"runs": "runs and other jobs", "events": "facts about them"}


def add(commands: Any) -> None:
    told = "put a damaged database aside, and save what can be read of it"
    commands.add_parser("repair", help=told)


def run(given: dict[str, Any]) -> int:
    try:
        done = repair()
    except CannotRepair as error:
        print(error, file=sys.stderr)
        return 2
    if done is None:
        print("Nothing is wrong with Thaw's database. It was left as it is.")
        return 0
    print(f"The damaged database was put aside, as it was: {done.damaged_path}")
    told = ", ".join(f"{done.saved_rows[name]:,} {what}" for name, what in SAID.items())
    rest = sum(count for name, count in done.saved_rows.items() if name not in SAID)
    print(f"Saved from it: {told}, {rest:,} other entries (rooms, links and the like).")
    if done.gaps:
        parts = "1 part" if done.gaps == 1 else f"{done.gaps:,} parts"
        print(f"{parts} of it could not be read: what was in there is gone.")
    print(
        "Thaw can be started again. Trained models stay, also those of runs that could not be "
        "saved, until you delete the file that was put aside."
    )
    return 0
