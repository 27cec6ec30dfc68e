"""A visitor's own data: read in a stream, stored on this computer, used like a bundled data set.

`reader` imports an upload: `archive` lists the files of a zip or a folder, `images`, or `tables`
and `texts`, read them, and `writer` stores the examples. `dataset` loads what was stored.
"""

from trainers.datasets.uploads.dataset import (
    StoredDataset,
    UploadedDataset,
    delete,
    get_upload,
    list_uploads,
)
from trainers.datasets.uploads.limits import BadUpload, Progress
from trainers.datasets.uploads.reader import (
    find_previous_import,
    fingerprint_source,
    import_upload,
)
from trainers.datasets.uploads.storage import LOCAL_VISITOR, load_check, save_check

__all__ = [
    "LOCAL_VISITOR",
    "BadUpload",
    "Progress",
    "StoredDataset",
    "UploadedDataset",
    "delete",
    "find_previous_import",
    "fingerprint_source",
    "get_upload",
    "import_upload",
    "list_uploads",
    "load_check",
    "save_check",
]
