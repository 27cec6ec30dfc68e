"""The limit of open files."""

import subprocess
import sys

import pytest

from trainers.system.processes import MAX_OPEN_FILES

SCRIPT = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, hard))
from trainers.system.processes import raise_open_file_limit
raise_open_file_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), hard)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it counts otherwise")
def test_a_low_limit_is_raised_as_far_as_it_goes(root):
    code = [sys.executable, "-c", SCRIPT.format(soft=256)]
    done = subprocess.run(code, capture_output=True, text=True, check=True, cwd=root)
    soft, hard, before = map(int, done.stdout.split())
    assert hard == before
    assert soft == (MAX_OPEN_FILES if hard < 0 else min(MAX_OPEN_FILES, hard))
