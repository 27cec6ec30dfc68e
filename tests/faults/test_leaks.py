"""Starts and stops leave nothing behind; a thousand of them are counted by
`python tests/bench/starts_and_stops.py`."""

import runpy

# Tolerances, all ours. Files: SQLite's pool may keep some connections more (three files each), and
# an event writer may be between two. Memory: what 1,000 leave is measured by the script.
FILES, MEGABYTES, THREADS = 12, 40, 3
TIMES, FIRST = 32, 8


def test_runs_that_start_and_stop_leave_no_process_no_file_and_no_memory(root, home):
    bench = runpy.run_path(str(root / "tests" / "bench" / "starts_and_stops.py"))
    before, after, first, last = bench["counted"](TIMES, FIRST)
    assert first == last  # the same workers: none died, none was added
    assert set(before) == {"parent", "worker", "light"}
    for role, was in before.items():
        now = after[role]
        assert now.files <= was.files + FILES, (role, was, now)
        assert now.megabytes <= was.megabytes + MEGABYTES, (role, was, now)
        assert now.threads <= was.threads + THREADS, (role, was, now)
