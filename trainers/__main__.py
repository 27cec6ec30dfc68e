"""Thaw from a terminal: `python -m trainers run --data digits --approach hybrid`."""

import argparse
import logging
import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from trainers import bench
from trainers.backbones import NotHere
from trainers.continuing import CannotContinue
from trainers.engine.cluster import NoCluster
from trainers.plan import BadPlan
from trainers.privacy.settings import BadSetting
from trainers.registry import UnknownKey
from trainers.samples.own import BadUpload
from trainers.store import NoSuchRun
from trainers.terminal import (
    advise,
    ask,
    backbones,
    bench_advice,
    claims,
    compare,
    curve,
    export,
    fairness,
    fetch,
    forget,
    forgot,
    go_on,
    prefetch,
    repair,
    report,
    run,
    runs,
    samples,
    storage,
    work,
)
from trainers.trouble import NoStore, in_full

COMMANDS = {  # in the order of the help
    "run": run,
    "compare": compare,
    "curve": curve,
    "bench": bench,
    "bench-advice": bench_advice,
    "advise": advise,
    "claims": claims,
    "runs": runs,
    "export": export,
    "try": ask,
    "forgot": forgot,
    "fairness": fairness,
    "report": report,
    "continue": go_on,
    "samples": samples,
    "backbones": backbones,
    "fetch": fetch,
    "prefetch": prefetch,
    "forget": forget,
    "storage": storage,
    "repair": repair,
    "work": work,
}
# What was asked for cannot be; the text says why.
REFUSED = (
    *(BadPlan, BadSetting, BadUpload, CannotContinue, NoCluster),
    *(NoStore, NoSuchRun, NotHere, UnknownKey),
)


def main(arguments: list[str] | None = None) -> int:
    """0; 1 when the run ended without a score; 2, and one line, when it could not be asked for."""
    parser = argparse.ArgumentParser(prog="python -m trainers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add(commands)
    given = vars(parser.parse_args(arguments))
    try:
        return COMMANDS[given.pop("command")].run(given)
    except REFUSED as error:
        cause = error.__cause__ if isinstance(error, NoStore) else None
        print((cause and in_full(cause)) or error, file=sys.stderr)
        return 2
    except (OSError, SQLAlchemyError) as error:
        if not (text := in_full(error)):
            raise
        print(text, file=sys.stderr)
        return 2


if __name__ == "__main__":
    # Read when torch is loaded. OpenMP's threads spin while they wait for each other: beside other
    # work, and an app's browser is that, one step then took over 20 times as long (two cores).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    sys.exit(main())
