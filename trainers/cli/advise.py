"""Answers from the data with their evidence, and the advice that follows from them."""

import json
import sys
from typing import Any

from trainers import backbones
from trainers.cli.options import data_options, json_option, planned


def add(commands: Any) -> None:
    command = commands.add_parser("advise", help="look a data set over and say what suits it")
    data_options(command)
    command.add_argument("--backbone", default="", help="that a run would use; its speed is timed")
    command.add_argument("--seconds", type=float, default=60, help="budget of a run (60)")
    json_option(command, "print the advice as JSON")


def run(given: dict[str, Any]) -> int:
    try:
        plan = planned(given | {"approach": "transfer"})  # any: what cannot be run gets no advice
        backbones.pick(plan.backbone).check_downloaded()
        # Imported only now: a wrong option should not wait for torch.
        from trainers.cli.advise_text import check_data, format_page, to_document

        found = check_data(plan.data, plan.backbone, plan.seconds)
    except KeyboardInterrupt:
        print("\nCancelled.", file=sys.stderr)
        return 130
    document = given["json"] and json.dumps(to_document(found), indent=2)
    print(document or format_page(found, plan.backbone))
    return 0
