"""Data of a visitor's own, read by a worker: from the inbox into the form that trains fast."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trainers.datasets import uploads
from trainers.events import Cancelled, Done, Event, Progress, Stage
from trainers.jobs import Reading
from trainers.store import store

TOLD_SECONDS = 0.2  # between two words on how far it is
WHOLE = 1000


def read(job: Reading, *, stop: Callable[[], bool], folder: Path | None = None) -> Iterator[Event]:
    """The events of a reading; the last is `Done`, with the key of the data.

    Raises `BadUpload`. Stopped or closed, nothing is kept.
    """
    began, told = time.monotonic(), 0.0
    reading = uploads.read(
        Path(job.path),
        title=job.title,
        visitor=job.visitor,
        text_column=job.text_column,
        label_column=job.label_column,
        group_column=job.group_column,
    )
    yield Stage("read", "Opening it", 0.0)
    while True:
        try:
            progress = next(reading)
        except StopIteration as end:
            key = f"own-{end.value}"
            if job.replaces:
                uploads.forget(job.replaces)
                store().forget_examples(job.replaces)
            if not uploads.sample(key).columns:  # else other columns may be asked for
                uploads.inbox.forget(Path(job.path).name)
            yield Done({"data": key}, time.monotonic() - began)
            return
        seconds = time.monotonic() - began
        if stop():
            reading.close()
            yield Cancelled(seconds)
            return
        if seconds - told > TOLD_SECONDS:
            told = seconds
            yield Stage("read", f"Reading: {progress.text}", seconds)
            yield Progress(round(WHOLE * progress.share), WHOLE, seconds, unit="share")
