"""The disk space that runs, data, features and downloads take."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from trainers import backbones
from trainers.backbones import cache
from trainers.hosting.cleanup_lease import is_own_lease
from trainers.hosting.quotas import measure_size
from trainers.store import get_store
from trainers.store.tables import cleanup_leases, events, runs
from trainers.system.paths import data_dir, run_dir
from trainers.system.settings import get_settings

GB = 10**9
WARNING_FRACTION = 0.8  # of the limit. Our choice


@dataclass(frozen=True)
class DiskUsage:
    """Bytes on the disk by kind."""

    models: int
    events: int  # of runs: curves and scores, as text
    data: int  # uploaded by visitors
    features: int
    weights: int  # downloaded by Thaw
    samples: int  # downloaded

    @property
    def limited_bytes(self) -> int:
        """Return the bytes that `THAW_STORAGE_LIMIT_GB` limits."""
        return self.models + self.events + self.data + self.features


def feature_cache_dir() -> Path:
    """Return the folder of cached features."""
    return data_dir() / "features"


def measure_disk_usage() -> DiskUsage:
    with get_store().engine.connect() as sql:
        deleted = sql.scalars(select(runs.c.id).where(runs.c.deleted_at.is_not(None))).all()
    return DiskUsage(
        measure_size(data_dir() / "runs") - sum(measure_size(run_dir(run)) for run in deleted),
        sum(event_bytes().values()),
        measure_size(data_dir() / "data"),
        measure_size(feature_cache_dir()),
        sum(size for _, _, size in list_weights()),
        measure_size(data_dir() / "online"),
    )


def event_bytes() -> dict[str, int]:
    """Return the bytes of the events of each run that is not deleted."""
    sizes = select(events.c.run_id, func.sum(func.length(events.c.event)))
    sizes = sizes.join(runs, runs.c.id == events.c.run_id).where(runs.c.deleted_at.is_(None))
    with get_store().engine.connect() as sql:
        return dict(sql.execute(sizes.group_by(events.c.run_id)).all())


def get_storage_warning() -> tuple[float, float] | None:
    """Return (GB used, GB allowed) as of the last clean-up, or None if there is enough space."""
    limit = get_settings().storage_limit_gb
    with get_store().engine.connect() as sql:
        used = (sql.scalar(select(cleanup_leases.c.used_bytes).where(is_own_lease())) or 0.0) / GB
    return (used, limit) if limit and used > WARNING_FRACTION * limit else None


def list_weights() -> list[tuple[float, Path, int]]:
    """Return (last used, path, bytes) of the models that Thaw downloaded, least recent first.

    Other programs share these folders: of Hugging Face's only models with our mark count, of
    torchvision's only files in our registry.
    """
    with get_store().engine.connect() as sql:
        name = runs.c.job["backbone"].as_string()
        used = dict(sql.execute(select(name, func.max(runs.c.created_at)).group_by(name)).all())
    weights = {}
    for key, row in backbones.BACKBONES.items():
        if row.weights_file and not row.repo and cache.is_downloaded(row):
            file = cache.torch_hub_path() / row.weights_file
            weights[file] = max(used.get(key) or 0.0, file.stat().st_mtime), file.stat().st_size
    for mark in cache.hf_hub_path().glob("models--*/refs/thaw"):
        path = mark.parents[1]
        named = path.name.removeprefix("models--").replace("--", "/")
        last = max((at for key, at in used.items() if key and named in key), default=0.0)
        weights[path] = max(last, mark.stat().st_mtime), measure_size(path)
    return sorted((at, path, size) for path, (at, size) in weights.items())
