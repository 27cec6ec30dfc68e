"""Thaw from a terminal: `python -m trainers run --data digits --approach hybrid`."""

import argparse
import logging
import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from trainers.backbones import BackboneNotDownloaded
from trainers.cli import (
    advise,
    backbones,
    bench,
    bench_advice,
    claims,
    compare,
    curve,
    delete,
    download,
    export,
    fairness,
    forgetting,
    predict,
    prefetch,
    repair,
    report,
    resume,
    run,
    runs,
    samples,
    storage,
    worker,
)
from trainers.datasets.uploads import BadUpload
from trainers.plan import BadPlan
from trainers.store import RunNotFound
from trainers.store.resume import CannotResume
from trainers.system.errors import StoreUnavailable, operator_message
from trainers.system.registry import UnknownKey
from trainers.system.settings import BadSetting
from trainers.workers.ray.cluster import ClusterUnavailable

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
    "try": predict,
    "forgot": forgetting,
    "fairness": fairness,
    "report": report,
    "continue": resume,
    "samples": samples,
    "backbones": backbones,
    "fetch": download,
    "prefetch": prefetch,
    "forget": delete,
    "storage": storage,
    "repair": repair,
    "work": worker,
}
# What was asked for cannot be; the text says why.
REFUSED = (
    *(BadPlan, BadSetting, BadUpload, CannotResume, ClusterUnavailable),
    *(StoreUnavailable, RunNotFound, BackboneNotDownloaded, UnknownKey),
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
        cause = error.__cause__ if isinstance(error, StoreUnavailable) else None
        print((cause and operator_message(cause)) or error, file=sys.stderr)
        return 2
    except (OSError, SQLAlchemyError) as error:
        if not (text := operator_message(error)):
            raise
        print(text, file=sys.stderr)
        return 2


if __name__ == "__main__":
    # Read when torch is loaded. OpenMP's threads spin while they wait for each other: beside other
    # work, and an app's browser is that, one step then took over 20 times as long (two cores).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    sys.exit(main())
