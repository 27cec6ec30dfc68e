"""The data folder and the paths in it: `THAW_HOME`, else the platform's user data folder."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from trainers.system.atomic import PARTIAL_SUFFIX, unique_suffix
from trainers.system.settings import get_settings


def data_dir_path() -> Path:
    """Return the data folder, which may not exist yet."""
    return get_settings().home or user_data_path("thaw", appauthor=False)


def data_dir() -> Path:
    """Return the data folder; create it if necessary."""
    folder = data_dir_path()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def database_url() -> str:
    """Return `THAW_DATABASE_URL`, by default SQLite in the data folder."""
    return get_settings().database_url or f"sqlite:///{data_dir() / 'thaw.db'}"


def data_dir_id() -> str:
    """Return the random id of the data folder: app servers may share a database but not files."""
    file = data_dir() / "machine"
    with suppress(FileNotFoundError):
        return file.read_text()
    draft = file.with_name(f"machine{unique_suffix()}{PARTIAL_SUFFIX}")
    draft.write_text(secrets.token_hex(8))
    with suppress(FileExistsError):  # another process was quicker
        os.link(draft, file)
    draft.unlink(missing_ok=True)
    return file.read_text()


def run_dir(run: str) -> Path:
    """Return the folder of a run's weights. `run` is an id from the store, no visitor's text."""
    return data_dir() / "runs" / run


def bundle_path(run: str) -> Path:
    """Return the path of a run's export, which is deleted with the run and with its data."""
    return run_dir(run) / "take-away.zip"
