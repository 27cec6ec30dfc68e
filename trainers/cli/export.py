"""A finished run's model, packed to use without Thaw."""

import sys
from pathlib import Path
from typing import Any

from trainers.cli.options import finished, run_option
from trainers.workers.execute import describe_failure


def add(commands: Any) -> None:
    command = commands.add_parser("export", help="pack a finished run's model, to use without Thaw")
    run_option(command)
    command.add_argument("--to", type=Path, required=True, metavar="FILE.zip")
    command.add_argument("--onnx", action="store_true", help="the model as ONNX, too")


def run(given: dict[str, Any]) -> int:
    key, to = finished(given["run"]).id, given["to"]
    # Imported only now: a wrong name should not wait for torch.
    from trainers.export.bundle import export_bundle

    try:
        export_bundle(key, to, onnx=given["onnx"])
    except Exception as error:  # it must end with a word, whatever happened in it
        print(describe_failure(error), file=sys.stderr)
        return 1
    print(f"{to}: {to.stat().st_size / 1e6:,.1f} MB. Unpack it; its README.md says how to use it.")
    return 0
