"""Commands for data sets and backbones: datasets, backbones, download, advise, delete-data."""

import json
import os
import signal
import sys
import threading
from contextlib import redirect_stdout
from typing import Any

import click

from trainers import backbones as backbone_registry
from trainers.backbones import BACKBONES, is_downloaded
from trainers.cli.commands import Command, complete_keys, examples
from trainers.cli.options import data_options, json_option, make_plan
from trainers.cli.output import CANCELLED_CODE
from trainers.cli.room_download import PILOT_SECONDS, prepare_room
from trainers.cli.views import draw_download
from trainers.datasets import BUNDLED_DATASETS, catalog
from trainers.events import JobFailed
from trainers.hosting import erase
from trainers.tasks.download import exit_with_parent, find_downloader
from trainers.workers.execute import describe_failure


@click.command(cls=Command)
def datasets() -> None:
    """List the data sets that come with Thaw, or can be downloaded."""
    for row in BUNDLED_DATASETS.values():
        print(f"{row.key:17} {row.modality:7} {row.classes:3} classes  "
              f"up to {row.train_examples_per_class} per class, {row.test_examples} for the test  "
              f"{row.description} ({row.origin})")  # fmt: skip
    for row in catalog.CATALOG.values():
        size = catalog.format_size(row.download_bytes)
        state = "downloaded" if catalog.is_downloaded(row.key) else size
        print(f"{row.key:17} {row.modality:7} {row.classes:3} classes  {state:>10}  "
              f"{row.description} ({row.source}; licence: {row.licence})")  # fmt: skip


@click.command(cls=Command)
def backbones() -> None:
    """List the pre-trained models."""
    for row in BACKBONES.values():
        state = "here" if is_downloaded(row) else "not here"
        print(f"{row.key:18} {row.modality:7} {row.parameters:>11,} parameters  "
              f"{row.download_size:15} {state:9} {row.good_for} ({row.source})")  # fmt: skip


def _complete_downloads() -> list[str]:
    return [*BACKBONES, *catalog.CATALOG]


@click.command(
    cls=Command,
    epilog=examples(
        "thaw download mobilenet_v2",
        "thaw download hf:organisation/model",
        "thaw download --for-room --dataset digits --backbone resnet18",
    ),
)
@click.argument("key", required=False, shell_complete=complete_keys(_complete_downloads))
@click.option(
    "--for-room", is_flag=True, help="Download and try everything that a workshop needs offline."
)
@click.option("--dataset", "data_keys", multiple=True, metavar="KEY",
              help="With --for-room; repeat it for more. By default the bundled ones.")  # fmt: skip
@click.option("--backbone", "backbone_keys", multiple=True, metavar="KEY",
              help="With --for-room, besides the bundled ones; repeat it for more.")  # fmt: skip
@click.option("--seconds", type=float, default=PILOT_SECONDS, show_default=True,
              help="With --for-room: time budget of each trial run; 0: download only.")  # fmt: skip
@json_option()
@click.option("--parent", type=int, hidden=True)
def download(
    key: str | None,
    for_room: bool,
    data_keys: tuple[str, ...],
    backbone_keys: tuple[str, ...],
    seconds: float,
    as_json: bool,
    parent: int | None,
) -> int:
    """Download a backbone or a data set.

    KEY is one of `thaw backbones` or `thaw datasets`, or a text encoder of Hugging Face.
    """
    if for_room:
        return prepare_room(data_keys, backbone_keys, seconds)
    if key is None:
        raise click.UsageError("Say what to download: a KEY, or --for-room.")
    return _download(key, as_json=as_json, parent=parent)


def _download(key: str, *, as_json: bool, parent: int | None) -> int:
    """Download in this process, which ends when the process `parent` does."""
    # The download's own threads would keep the process alive after a signal from outside.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if parent:
        threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    out = sys.stdout
    stream = find_downloader(key)()
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints as it downloads
            for event in stream if as_json else draw_download(stream):
                if as_json:
                    print(json.dumps(event.as_json()), file=out, flush=True)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled; nothing was kept.", file=sys.stderr, flush=True)
        os._exit(CANCELLED_CODE)
    except Exception as error:  # the user gets a sentence, whatever went wrong
        text = describe_failure(error)
        if as_json:
            print(json.dumps(JobFailed(text, 0.0).as_json()), file=out, flush=True)
        else:
            print(text, file=sys.stderr)
        return 1
    if not as_json:
        print(f"{key} is here.")
    return 0


@click.command(
    cls=Command,
    epilog=examples(
        "thaw advise --data photos.zip --seconds 60", "thaw advise --data digits --json"
    ),
)
@data_options
@click.option("--backbone", default="", metavar="KEY", help="Its speed is measured.")
@click.option("--seconds", type=float, default=60, show_default=True, help="Budget of a run.")
@json_option("Print the advice as JSON.")
def advise(**args: Any) -> int:
    """Check a data set, answer the guide's questions from it, and recommend an approach."""
    try:
        # Any approach does: data that cannot be trained on gets no advice.
        plan = make_plan(args | {"approach": "transfer"})
        backbone_registry.pick(plan.backbone).check_downloaded()
        # Imported only now: a wrong option should not wait for torch.
        from trainers.tasks.advise_data import check_data, format_page, to_document

        result = check_data(plan.data, plan.backbone, plan.seconds)
    except KeyboardInterrupt:
        print("\nCancelled.", file=sys.stderr)
        return CANCELLED_CODE
    if args["as_json"]:
        print(json.dumps(to_document(result), indent=2))
    else:
        print(format_page(result, plan.backbone))
    return 0


@click.command("delete-data", cls=Command, epilog=examples("thaw delete-data own-1a2b3c"))
@click.argument("key", metavar="KEY", shell_complete=complete_keys(lambda: catalog.CATALOG))
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_data(key: str, yes: bool) -> int:
    """Delete data of your own (own-…), or a data set that was downloaded.

    Runs keep their scores, but lose the examples. This cannot be undone.
    """
    if key in catalog.CATALOG:
        delete = catalog.delete
        if not catalog.is_downloaded(key):
            delete(key)  # says so
    else:
        delete = erase.erase_data
    if not yes and not _confirm(f"Delete {key} for good?"):
        print("Nothing was deleted. --yes deletes without asking.", file=sys.stderr)
        return 2
    delete(key)
    print(f"Deleted {key}.")
    return 0


def _confirm(question: str) -> bool:
    """Return whether the answer is yes. Where nobody can answer, it is no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        print(file=sys.stderr)
        return False
