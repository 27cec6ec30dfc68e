"""A finished run as one page, to print or send."""

import sys
from pathlib import Path
from typing import Any

from trainers.cli.options import finished, run_option


def add(commands: Any) -> None:
    command = commands.add_parser(
        "report", help="write a finished run as one page, to print or send"
    )
    run_option(command)
    command.add_argument("--to", type=Path, required=True, metavar="FILE.html")


def run(given: dict[str, Any]) -> int:
    found, to = finished(given["run"]), given["to"]
    # Imported only now: a wrong name should not wait for what a report rests on.
    from trainers.reports.report import ReportUnavailable, render_stored_report

    try:
        to.write_text(render_stored_report(found), "utf-8")
    except ReportUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{to} cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    print(f"{to}: open it in a browser, print it, or send it.")
    return 0
