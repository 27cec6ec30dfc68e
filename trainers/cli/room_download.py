"""`thaw download --for-room`: download what a workshop without internet needs, and try it.

Each data set is tried with each backbone that reads it, by a run of transfer learning, so that
whatever is broken is known before the workshop.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from trainers import backbones, datasets
from trainers.backbones import Backbone
from trainers.cli.views import draw_download
from trainers.datasets import catalog
from trainers.events import RunFinished
from trainers.plan import Plan
from trainers.system.paths import data_dir
from trainers.system.registry import look_up
from trainers.tasks.download import find_downloader
from trainers.workers.execute import describe_failure

PILOT_SECONDS = 20  # budget of a trial run; most need less. Chosen by us


def prepare_room(data_keys: Sequence[str], backbone_keys: Sequence[str], seconds: float) -> int:
    """Download and try everything, and print what then works offline.

    Returns the exit code: 1 where something could not be downloaded or does not work.
    Raises `UnknownKey`.
    """
    known = {**datasets.BUNDLED_DATASETS, **catalog.CATALOG}
    data = [look_up(known, key, "data set").key for key in data_keys or datasets.BUNDLED_DATASETS]
    chosen = [backbones.pick(key) for key in backbone_keys]
    rows = list(dict.fromkeys([*map(backbones.get_bundled, ("images", "text")), *chosen]))
    missing = _find_missing(data, rows)
    print(_describe_size(missing))
    broken = [key for key in missing if not _try_download(key)]
    if seconds > 0:
        broken += [
            f"{key} with {row.key}"
            for key, row in _list_pairs(data, rows)
            if not _try_run(key, row, seconds)
        ]
    print(describe_offline(rows))
    if broken:
        print(
            f"Not ready: {', '.join(broken)}. Run this again once it is fixed: what is here stays.",
            file=sys.stderr,
        )
    return 1 if broken else 0


def _find_missing(data: Sequence[str], rows: Sequence[Backbone]) -> dict[str, int | None]:
    """Return {key: bytes to download, None if unknown}."""
    sets = {
        key: catalog.CATALOG[key].download_bytes
        for key in data
        if key in catalog.CATALOG and not catalog.is_downloaded(key)
    }
    return sets | {row.key: row.download_bytes for row in rows if not backbones.is_downloaded(row)}


def _describe_size(missing: dict[str, int | None]) -> str:
    if not missing:
        return "Nothing has to be downloaded."
    total = sum(size or 0 for size in missing.values())
    unknown = [key for key, size in missing.items() if size is None]
    more = f", and {', '.join(unknown)}, of unknown size" if unknown else ""
    free = shutil.disk_usage(data_dir()).free
    return (
        f"To download: {total / 1e6:,.0f} MB ({', '.join(missing)}){more}. "
        f"{free / 1e6:,.0f} MB are free on this disk."
    )


def _try_download(key: str) -> bool:
    """Download `key` and return whether that worked."""
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints as it downloads
            for _ in draw_download(find_downloader(key)()):
                pass
    except Exception as error:  # the others are downloaded all the same
        print(f"{key}: {describe_failure(error)}", file=sys.stderr)
        return False
    print(f"{key} is here.")
    return True


def _list_pairs(data: Sequence[str], rows: Sequence[Backbone]) -> list[tuple[str, Backbone]]:
    """Return each data set that is here with each backbone that is here and reads it."""
    available = {row.key: row for row in datasets.list_available()}
    usable = [row for row in rows if backbones.is_downloaded(row)]
    return [
        (key, row)
        for key in data
        if key in available
        for row in usable
        if row.modality == available[key].modality
    ]


def _try_run(key: str, row: Backbone, seconds: float) -> bool:
    """Run transfer learning once, without storing it, and return whether it reached a score."""
    from trainers.training.run import run  # imported only now: it loads torch

    try:
        *_, end = run(Plan(data=key, approach="transfer", backbone=row.key, seconds=seconds))
    except Exception as error:  # the others are tried all the same
        print(f"{key} with {row.key}: {describe_failure(error)}", file=sys.stderr)
        return False
    assert isinstance(end, RunFinished)
    print(f"{key} with {row.key} works: {end.test_accuracy:.0%} right in {end.seconds:.1f} s")
    return True


def describe_offline(more: Sequence[Backbone] = ()) -> str:
    """Return what works on this computer without internet; `more`: backbones of Hugging Face."""
    data = [row.key for row in datasets.list_available()]
    rows = {row.key: row for row in [*backbones.BACKBONES.values(), *more]}
    here = [key for key, row in rows.items() if backbones.is_downloaded(row)]
    missing = [key for key in (*catalog.CATALOG, *rows) if key not in (*data, *here)]
    lines = [f"These work without internet: data {', '.join(data)}; backbones {', '.join(here)}."]
    if missing:
        lines.append(f"These need a download first: {', '.join(missing)}.")
    return "\n".join(lines)
