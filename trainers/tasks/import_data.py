"""Data of a visitor's own, read by a worker: from the inbox into the form that trains fast."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trainers.datasets import uploads
from trainers.events import Event, JobCancelled, JobDone, Progress, Stage
from trainers.jobs import ImportData
from trainers.store import get_store

PROGRESS_INTERVAL_SECONDS = 0.2  # between two words on how far it is
PROGRESS_TOTAL = 1000


def import_data(
    job: ImportData, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The events of a reading; the last is `Done`, with the key of the data.

    Raises `BadUpload`. Stopped or closed, nothing is kept.
    """
    began, told = time.monotonic(), 0.0
    reading = uploads.import_upload(
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
            if job.replaced_data:
                uploads.delete(job.replaced_data)
                get_store().erase_examples(job.replaced_data)
            if not uploads.get_upload(key).columns:  # else other columns may be asked for
                uploads.inbox.delete_draft(Path(job.path).name)
            yield JobDone({"data": key}, time.monotonic() - began)
            return
        seconds = time.monotonic() - began
        if should_stop():
            reading.close()
            yield JobCancelled(seconds)
            return
        if seconds - told > PROGRESS_INTERVAL_SECONDS:
            told = seconds
            yield Stage("read", f"Reading: {progress.text}", seconds)
            yield Progress(
                round(PROGRESS_TOTAL * progress.fraction), PROGRESS_TOTAL, seconds, unit="share"
            )
