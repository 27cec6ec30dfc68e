"""The look at known holes in what we depend on: a hole fails, a service out of reach does not."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / ".ci" / "audit"
HOLE = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
SAFE = {"name": "safe", "version": "1.0", "vulns": []}
OPEN = {"name": "open", "version": "1.0", "vulns": [HOLE]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("report", "status", "words"),
    [
        ({"dependencies": [SAFE, UNKNOWN]}, 0, "No known holes in the 1 packages"),
        ({"dependencies": [SAFE, OPEN]}, 1, "open 1.0: PYSEC-1, mended in 2.0"),
        ({"dependencies": [UNKNOWN, UNKNOWN]}, 0, "NOT AUDITED"),
        ({"dependencies": []}, 0, "NOT AUDITED"),
        (None, 0, "NOT AUDITED"),
    ],
)
def test_what_was_found_decides(report, status, words):
    found, said = runpy.run_path(str(AUDIT))["judged"](report)
    assert found == status
    assert words in said


WRITES = "import sys, pathlib; pathlib.Path(sys.argv[-1]).write_text({text!r}); sys.exit({code})"
ASKED = {
    "a hole": (WRITES.format(text='{"dependencies": [{"name": "open", "version": "1", "vulns": '
               '[{"id": "PYSEC-1", "fix_versions": []}]}]}', code=1), 1),
    "no hole": (WRITES.format(text='{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}',
                              code=0), 0),
    "out of reach": ("import sys; print('ConnectionError'); sys.exit(1)", 0),
    "half a report": (WRITES.format(text='{"dep', code=1), 0),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_as_ci_calls_it(case, tmp_path):
    script, status = ASKED[case]
    stand_in = tmp_path / "pip-audit"
    stand_in.write_text(f"#!{sys.executable}\n{script}\n")
    stand_in.chmod(0o700)
    done = subprocess.run([sys.executable, str(AUDIT), str(stand_in)], check=False)
    assert done.returncode == status


def test_it_never_hangs():
    report = runpy.run_path(str(AUDIT))["report"]
    assert report([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.5) is None


def test_ci_asks_once_the_tests_have_passed():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines.index(".ci/audit .venv/bin/pip-audit") > lines.index('eval "$command"')
