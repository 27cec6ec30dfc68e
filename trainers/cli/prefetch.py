"""Everything that a room without internet needs, fetched and tried.

What was fetched is tried by a run of transfer learning on each data set with each backbone that
reads it, so that what is broken is known before the class is there.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from trainers import backbones, datasets
from trainers.backbones import Backbone
from trainers.cli.download import with_bar
from trainers.datasets import catalog
from trainers.events import RunFinished
from trainers.plan import Plan
from trainers.system.paths import data_dir
from trainers.system.registry import look_up
from trainers.tasks.download import find_downloader
from trainers.workers.execute import describe_failure

TRY_SECONDS = 20  # budget of a try: most samples need less. Ours


def add(commands: Any) -> None:
    command = commands.add_parser("prefetch", help="fetch and try all that a room without internet "
                                  "needs")  # fmt: skip
    command.add_argument("--sample", action="append", metavar="KEY",
                         help="again for each more; what comes with Thaw by default")  # fmt: skip
    command.add_argument("--backbone", action="append", metavar="KEY",
                         help="again for each more; besides those that come with Thaw")  # fmt: skip
    command.add_argument("--seconds", type=float, default=TRY_SECONDS,
                         help=f"budget of each try ({TRY_SECONDS}); 0: fetch only")  # fmt: skip


def run(given: dict[str, Any]) -> int:
    """0; 1 where something could not be fetched or tried. Raises `UnknownKey`."""
    data = [_data(key) for key in given["sample"] or datasets.BUNDLED_DATASETS]
    rows = [backbones.pick(key) for key in given["backbone"] or ()]
    rows = list(dict.fromkeys([*map(backbones.get_bundled, ("images", "text")), *rows]))
    missing = _missing(data, rows)
    print(_size(missing))
    broken = [key for key in missing if not _came(key)]
    if given["seconds"] > 0:
        for key, row in _pairs(data, rows):
            if not _works(key, row, given["seconds"]):
                broken.append(f"{key} with {row.key}")
    print(offline(rows))
    if broken:
        print(f"Not ready: {', '.join(broken)}. Mend it, and run this again: what is here stays.",
              file=sys.stderr)  # fmt: skip
    return 1 if broken else 0


def _data(key: str) -> str:
    look_up({**datasets.BUNDLED_DATASETS, **catalog.CATALOG}, key, "sample")
    return key


def _missing(data: Sequence[str], rows: Sequence[Backbone]) -> dict[str, int | None]:
    """What has to be downloaded, and its bytes; None where nobody knows them."""
    sets = {
        key: catalog.CATALOG[key].download_bytes
        for key in data
        if key in catalog.CATALOG and not catalog.is_downloaded(key)
    }
    return sets | {row.key: row.download_bytes for row in rows if not backbones.is_downloaded(row)}


def _size(missing: dict[str, int | None]) -> str:
    if not missing:
        return "Nothing has to be downloaded."
    total = sum(size or 0 for size in missing.values())
    unknown = [key for key, size in missing.items() if size is None]
    more = f", and {', '.join(unknown)}, whose size is not known" if unknown else ""
    free = shutil.disk_usage(data_dir()).free
    return (
        f"To download: {total / 1e6:,.0f} MB ({', '.join(missing)}){more}. "
        f"{free / 1e6:,.0f} MB are free on this disk."
    )


def _came(key: str) -> bool:
    """Downloads what `key` names, and says how far it is; whether it came."""
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints as it downloads
            for _ in with_bar(find_downloader(key)()):
                pass
    except Exception as error:  # the others are fetched all the same
        print(f"{key}: {describe_failure(error)}", file=sys.stderr)
        return False
    print(f"{key} is here.")
    return True


def _pairs(data: Sequence[str], rows: Sequence[Backbone]) -> list[tuple[str, Backbone]]:
    """What can be tried: each data set that is here with each backbone that reads it."""
    known = {sample.key: sample for sample in datasets.list_available()}
    here = [row for row in rows if backbones.is_downloaded(row)]
    return [
        (key, row)
        for key in data
        if key in known
        for row in here
        if row.modality == known[key].modality
    ]


def _works(key: str, row: Backbone, seconds: float) -> bool:
    """Runs transfer learning once, kept nowhere; whether it came to a score."""
    from trainers.training.run import run as runs  # torch: only now

    try:
        *_, end = runs(Plan(data=key, approach="transfer", backbone=row.key, seconds=seconds))
    except Exception as error:  # the others are tried all the same
        print(f"{key} with {row.key}: {describe_failure(error)}", file=sys.stderr)
        return False
    assert isinstance(end, RunFinished)
    print(f"{key} with {row.key} works: {end.test_accuracy:.0%} right in {end.seconds:.1f} s")
    return True


def offline(more: Sequence[Backbone] = ()) -> str:
    """What can be used on this computer when there is no internet; `more`: backbones of a hub."""
    data = [sample.key for sample in datasets.list_available()]
    rows = {row.key: row for row in [*backbones.BACKBONES.values(), *more]}
    here = [key for key, row in rows.items() if backbones.is_downloaded(row)]
    away = [key for key in (*catalog.CATALOG, *rows) if key not in (*data, *here)]
    lines = [f"With no internet these work: data {', '.join(data)}; backbones {', '.join(here)}."]
    if away:
        lines.append(f"These do not, until they are fetched: {', '.join(away)}.")
    return "\n".join(lines)
