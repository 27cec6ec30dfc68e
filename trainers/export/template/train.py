"""Repeat the run that made this model: `python train.py`, or `python train.py --data PATH`.

This needs Thaw, unlike predict.py: Thaw's own loop, data and random numbers are what makes it the
same run. On the same machine with the versions of requirements.txt the score comes out the same;
elsewhere nearly so. It needs the data too: samples come with Thaw; data of your own is read from
PATH (a zip, a table or a folder), and must be what it was.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

BUNDLE_DIR = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="PATH", help="in place of what the plan names")
    parser.add_argument("--text-column", help="of your table; guessed by default")
    parser.add_argument("--label-column", help="of your table; guessed by default")
    parser.add_argument("--group-column", help="of your table, where the run had one")
    given = parser.parse_args()
    plan = json.loads((BUNDLE_DIR / "plan.json").read_text("utf-8"))
    before = json.loads((BUNDLE_DIR / "result.json").read_text("utf-8"))
    try:
        from trainers.__main__ import main as thaw
        from trainers.datasets import uploads
    except ImportError:
        made_by = json.loads((BUNDLE_DIR / "config.json").read_text("utf-8"))["made_by"]
        print(f"This needs Thaw (it was {made_by}). Install it, then try again.", file=sys.stderr)
        return 2
    if given.data:
        columns = {
            "text_column": given.text_column,
            "label_column": given.label_column,
            "group_column": given.group_column,
        }
        try:
            for _ in (reading := ImportProgress(uploads.import_upload(given.data, **columns))):
                pass
        except uploads.BadUpload as error:
            print(error, file=sys.stderr)
            return 2
        plan["data"] = f"own-{reading.key}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        file.write_text(json.dumps(plan), "utf-8")
        code = thaw(["run", "--plan", str(file)])
    print(f"In the run that made this model it was {before['test_right']} of "
          f"{before['test_examples']}: {before['test_accuracy']:.1%}.")  # fmt: skip
    return code


class ImportProgress:
    """Progress of a reading, and then the key of what was read."""

    def __init__(self, steps) -> None:
        self.steps = steps

    def __iter__(self):
        self.key = yield from self.steps


if __name__ == "__main__":
    sys.exit(main())
