"""What .github/SECURITY.md says holds is held by tests that are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / ".github" / "SECURITY.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
TESTS = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_is_there(name):
    assert f"\ndef {name}(" in TESTS


def test_every_row_names_a_test():
    """Of the two tables that say what holds."""
    held = [row for row in ROWS if row.count("|") == 4 and not row.endswith("| test |")]
    tables = PAGE.partition("## What Thaw does")[2].partition("## Before a proxy")[0]
    rows = [row for row in held if row in tables]
    assert len(rows) > 30
    assert [row for row in rows if "`test_" not in row] == []


TELEMETRY = """
import trainers
from huggingface_hub import constants
import os
print(os.environ["HF_HUB_DISABLE_TELEMETRY"], constants.HF_HUB_DISABLE_TELEMETRY)
print(os.environ["DO_NOT_TRACK"],
      os.environ["RAY_USAGE_STATS_ENABLED"], os.environ["MLFLOW_DISABLE_TELEMETRY"])
"""


def test_the_libraries_that_would_count_us_are_told_not_to():
    names = ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED",
             "MLFLOW_DISABLE_TELEMETRY", "DISABLE_TELEMETRY")  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if name not in names}
    told = subprocess.run([sys.executable, "-c", TELEMETRY], cwd=ROOT, env=plain, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert told.stdout.split() == ["1", "True", "1", "0", "true"]
