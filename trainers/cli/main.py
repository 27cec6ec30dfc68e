"""The list of commands, and what the user reads when a command cannot be carried out."""

import logging
import os
import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from trainers.backbones import BackboneNotDownloaded
from trainers.cli import data, measure, models, runs, server
from trainers.cli.commands import CommandGroup, examples
from trainers.cli.output import CANCELLED_CODE
from trainers.datasets.uploads import BadUpload
from trainers.plan import BadPlan
from trainers.store import RunNotFound
from trainers.store.resume import CannotResume
from trainers.system.errors import StoreUnavailable, operator_message
from trainers.system.registry import UnknownKey
from trainers.system.settings import BadSetting
from trainers.workers.ray.cluster import ClusterUnavailable

SECTIONS = {
    "Train": (runs.run, runs.compare, runs.curve, runs.resume, runs.runs),
    "Use a trained model": (
        *(models.predict, models.export, models.report, models.fairness, models.forgetting),
    ),
    "Data and backbones": (
        *(data.advise, data.datasets, data.backbones, data.download, data.delete_data),
    ),
    "Measure": (measure.claims, measure.bench, measure.bench_advice),
    "Serve": (server.start, server.worker, server.storage, server.repair),
}
# The request cannot be carried out; the error's text says why.
REFUSED = (
    *(BadPlan, BadSetting, BadUpload, CannotResume, ClusterUnavailable),
    *(StoreUnavailable, RunNotFound, BackboneNotDownloaded, UnknownKey),
)


@click.group(
    cls=CommandGroup,
    sections=SECTIONS,
    invoke_without_command=True,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    epilog=examples(
        "thaw                                          start the app",
        "thaw run --data digits --approach hybrid      the same run as in the app",
        "thaw compare --data photos.zip                which approach suits your data?",
        'thaw predict last --text "Where is it?"       use the model',
        'eval "$(_THAW_COMPLETE=bash_source thaw)"     complete commands in this shell',
    ),
)
@click.pass_context
def thaw(ctx: click.Context) -> None:
    """Find the best way to train your own classifier: transfer learning, fine-tuning or a hybrid.

    Without a command, the app starts and your browser opens.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(server.start)


def main(arguments: list[str] | None = None, prog: str = "thaw") -> int:
    """Run a command and return its exit code.

    0: done; 1: the run ended without a score; 2, and one line on stderr: it could not be started.
    """
    try:
        return thaw.main(arguments, prog, standalone_mode=False) or 0
    except click.ClickException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", prog)
        print(f"{error.format_message()} See: {path} --help", file=sys.stderr)
        return 2
    except click.Abort:
        print("\nCancelled.", file=sys.stderr)
        return CANCELLED_CODE
    except REFUSED as error:
        cause = error.__cause__ if isinstance(error, StoreUnavailable) else None
        print((cause and operator_message(cause)) or error, file=sys.stderr)
        return 2
    except (OSError, SQLAlchemyError) as error:
        if not (text := operator_message(error)):
            raise
        print(text, file=sys.stderr)
        return 2


def run_as_program(prog: str = "thaw") -> None:
    """Run the command line of this process and exit."""
    # Read when torch is loaded: OpenMP's threads spin while they wait for each other. Next to other
    # busy processes, such as the app's browser, a step took over 20 times as long (two cores).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    sys.exit(main(prog=prog))
