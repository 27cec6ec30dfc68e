"""The uploads of a visitor, on whichever app server they came in."""

from trainers.datasets import uploads
from trainers.store import get_store


def list_own_data(visitor: str) -> list[uploads.UploadedDataset]:
    """Return the uploads of `visitor` that still exist, newest first."""
    return uploads.list_uploads(visitor, also=get_store().datasets_imported_by(visitor))
