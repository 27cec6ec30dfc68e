"""A backbone or a data set, downloaded."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

from trainers.cli.options import json_option
from trainers.events import Event, JobFailed, Notice, Progress, Stage
from trainers.tasks.download import exit_with_parent, find_downloader
from trainers.workers.execute import describe_failure


def add(commands: Any) -> None:
    command = commands.add_parser("fetch", help="download a backbone or a data set")
    command.add_argument("key", help="of `backbones` or `samples`, or hf:organisation/model")
    json_option(command)
    command.add_argument("--parent", type=int, help="end when the process of this number ends")


def run(given: dict[str, Any]) -> int:
    key, as_json, parent = given["key"], given["json"], given["parent"]
    # A download's own threads would hold the process: ended from outside, it clears up and goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if parent:
        threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    out = sys.stdout
    stream = find_downloader(key)()
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints as it downloads
            for event in stream if as_json else with_bar(stream):
                if as_json:
                    print(json.dumps(event.as_json()), file=out, flush=True)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled; nothing half was kept.", file=sys.stderr, flush=True)
        os._exit(130)
    except Exception as error:  # it must end with a word, whatever happened in it
        if as_json:
            print(
                json.dumps(JobFailed(describe_failure(error), 0.0).as_json()), file=out, flush=True
            )
        else:
            print(describe_failure(error), file=sys.stderr)
        return 1
    if not as_json:
        print(f"{key} is here.")
    return 0


def with_bar(stream: Iterator[Event]) -> Iterator[Event]:
    """The events of a download, drawn as they pass."""
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for event in stream:
            match event:
                case Stage() | Notice():
                    bar.write(event.text, file=sys.stderr)
                case Progress():
                    bar.unit = "B" if event.unit == "bytes" else f" {event.unit}"
                    bar.total, bar.n = event.total, event.done
                    bar.refresh()
            yield event
