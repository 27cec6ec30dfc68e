"""Weights that come in Python packages, read as data folders: their code is never imported."""

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


class DamagedFile(ValueError):
    """A file of the model is not the published one."""


def find_package_folder(package: str, sha256: Mapping[str, str]) -> Path:
    """Return the folder of an installed `package` whose files have the sums `sha256`.

    Reads them all. Raises `DamagedFile`.
    """
    spec = find_spec(package)
    if spec is None:
        raise DamagedFile(f"The package {package} is missing. Install Thaw again with pip.")
    folder = Path(spec.submodule_search_locations[0])
    for name, expected in sha256.items():
        with open(folder / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise DamagedFile(
                    f"{name} of {package} is not the published file. Install the package again."
                )
    return folder
