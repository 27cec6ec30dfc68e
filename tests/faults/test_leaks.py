"""Starts and stops leave nothing behind; a thousand of them are counted by
`python tests/bench/starts_and_stops.py`."""

import runpy

# Tolerances, all ours. Files: SQLite's pool may keep some connections more (three files each), and
# a heart may be between two. Memory: what 1,000 leave is measured by the script; 60 leave less.
FILES, MEGABYTES, THREADS = 12, 40, 3
TIMES = 60


def test_runs_that_start_and_stop_leave_no_process_no_file_and_no_memory(root, home):
    bench = runpy.run_path(str(root / "tests" / "bench" / "starts_and_stops.py"))
    before, after, first, last = bench["counted"](TIMES)
    assert first == last  # the same workers: none died, none was added
    assert set(before) == {"parent", "worker", "light"}
    for role, was in before.items():
        now = after[role]
        assert now.files <= was.files + FILES, (role, was, now)
        assert now.megabytes <= was.megabytes + MEGABYTES, (role, was, now)
        assert now.threads <= was.threads + THREADS, (role, was, now)
