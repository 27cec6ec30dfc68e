"""The runs of everyone on this computer, or one of them from or to a file."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from trainers.cli.output import one_line
from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.store import get_store


def add(commands: Any) -> None:
    command = commands.add_parser("runs", help="list what was run, or take runs along as files")
    command.add_argument(
        "--search", default="", metavar="WORDS", help="in name, note, approach, data"
    )
    command.add_argument("--limit", type=int, default=20, help="how many (20), the newest first")
    command.add_argument("--json", action="store_true", help="one run a line")
    files = command.add_subparsers(dest="what")
    export = files.add_parser("export", help="write a run to a file")
    export.add_argument("id", help="as `runs` lists it, or out of a page's address")
    export.add_argument("--to", metavar="FILE", default="-", help="- (default): print it")
    files.add_parser("import", help="keep the run in a file").add_argument("file", help="or -")


def run(given: dict[str, Any]) -> int:
    # Imported only now: a list should not wait for what checks files.
    from trainers.reports.run_file import BadFile

    try:
        match given["what"]:
            case "export":
                _to_file(given["id"], given["to"])
            case "import":
                _from_file(given["file"])
            case _:
                _list(given["search"], given["limit"], as_json=given["json"])
    except (BadFile, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _to_file(key: str, to: str) -> None:
    from trainers.reports.run_file import export_run

    text = export_run(get_store(), key)
    if to == "-":
        print(text)
    else:
        Path(to).write_text(text, encoding="utf-8")
        print(f"Written to {to}, {len(text) / 1e6:.1f} MB.")


def _from_file(name: str) -> None:
    from trainers.reports.run_file import MAX_BYTES, import_run

    with sys.stdin.buffer if name == "-" else open(name, "rb") as file:
        content = file.read(MAX_BYTES + 1)  # of more, that it is too much is all we need
    key = import_run(get_store(), content, visitor=LOCAL_VISITOR)
    past = get_store().get_summary(key)
    kind = "run" if past.kind == "run" else "compare"
    print(f"{past.title} is kept as {key}. In the app: /{kind}?{kind}={key}")


def _list(search: str, limit: int, *, as_json: bool) -> None:
    page, total = get_store().list_history(None, search=search, limit=max(1, limit))
    for past in page:
        if as_json:
            print(json.dumps(asdict(past) | {"title": past.title}))
            continue
        score = "" if past.score is None else f"{past.score:.0%} right"
        took = "" if past.seconds is None else f"{past.seconds:.0f} s"
        when = f"{datetime.fromtimestamp(past.created):%Y-%m-%d %H:%M}"
        print(f"{past.id}  {when}  {past.state:9}  {score:>10}  {took:>6}  {one_line(past.title)}")
    if not total:
        print("Nothing is found." if search else "Nothing was run yet.", file=sys.stderr)
    if not as_json and total > len(page):
        print(f"… and {total - len(page):,} more: --limit {total}, or --search WORDS")
