"""Commands for the app and its storage: start, worker, storage, repair."""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from runpy import run_module
from typing import Any

import click

from trainers.cli.commands import Command, examples
from trainers.cli.options import json_option
from trainers.hosting import cleanup, disk_usage, retention
from trainers.system import backups
from trainers.system.settings import get_settings

ROOT = Path(__file__).parents[2]
DISTRIBUTION = "thaw-guide"
UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
USAGE_TITLES = {
    "models": "Models of runs",
    "events": "Curves and scores of runs",
    "data": "Uploaded data",
    "features": "Cached features",
    "weights": "Downloaded backbones",
    "samples": "Downloaded data sets",
}


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "thaw", "thaw start --port 8080 --no-browser", "thaw start --server.address 0.0.0.0"
    ),
)
@click.option("--port", type=int, help="By default 8501, or the next free one.")
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.argument("streamlit_options", nargs=-1, type=click.UNPROCESSED)
def start(port: int | None, no_browser: bool, streamlit_options: tuple[str, ...]) -> None:
    """Start the app. `thaw` alone does the same.

    Further options go to `streamlit run`.
    """
    options = [*read_packaged_options(), *streamlit_options]
    if port is not None:
        options += ["--server.port", str(port)]
    if no_browser:
        options += ["--server.headless", "true"]
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *options]
    run_module("streamlit", run_name="__main__", alter_sys=True)


def read_packaged_options() -> list[str]:
    """Return Thaw's Streamlit configuration as options of `streamlit run`.

    Empty in a clone: there Streamlit finds .streamlit/config.toml beside app.py itself.
    """
    if (ROOT / ".streamlit" / "config.toml").exists():
        return []
    import tomllib

    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError:
        return []
    config = next((Path(file.locate()) for file in files if file.name == "config.toml"), None)
    return _to_options(tomllib.loads(config.read_text("utf-8"))) if config else []


def _to_options(config: dict[str, Any], prefix: str = "") -> list[str]:
    options = []
    for name, value in config.items():
        if isinstance(value, dict):
            options += _to_options(value, f"{prefix}{name}.")
            continue
        for item in value if isinstance(value, list) else [value]:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            options += [f"--{prefix}{name}", text]
    return options


@click.command(cls=Command)
@click.option("--name", help="In the database; random by default.")
@click.option("--threads", type=int, help="Of torch.")
@click.option("--light", is_flag=True, help="Do not train: import data and download only.")
@click.option("--ray", is_flag=True, help="Let a Ray cluster train.")
@click.option("--parent", type=int, help="End when the process with this number ends.")
def worker(**options: Any) -> None:
    """Work on the app's queue of runs. The app starts its workers itself."""
    from trainers.workers.worker import run_worker

    run_worker(**options)


@click.command(cls=Command)
@click.option("--now", is_flag=True, help="Delete at once what the settings no longer allow.")
@json_option("Print it as JSON.")
def storage(now: bool, as_json: bool) -> None:
    """Show what takes up space, and what the settings will delete."""
    get_settings()  # a wrong setting is an error before anything is deleted
    usage = disk_usage.measure_disk_usage()
    expired = cleanup.clean_up() if now else list(retention.list_expired())
    if as_json:
        rows = [
            {"what": expiry.kind, "key": expiry.key, "bytes": expiry.size, "why": expiry.reason}
            for expiry in expired
        ]
        print(json.dumps({"kept": vars(usage), "deleted" if now else "going": rows}))
        return
    for name, size in vars(usage).items():
        print(f"{USAGE_TITLES[name]:42} {_format_size(size):>10}")
    print()
    verb = "Deleted" if now else "Will be deleted"
    for expiry in expired:
        size = _format_size(expiry.size)
        print(f"{verb}: {expiry.kind} {expiry.key} ({size}), {expiry.reason}")
    if not expired:
        print("The settings (.github/docs/settings.md) delete nothing of it.")
    elif not now:
        print("To delete it now: thaw storage --now")


def _format_size(count: int) -> str:
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"


@click.command(cls=Command)
def repair() -> int:
    """Go back to the newest backup of a damaged database."""
    try:
        restored = backups.restore_backup()
    except backups.CannotRestore as error:
        print(error, file=sys.stderr)
        return 2
    if restored is None:
        print("Nothing is wrong with Thaw's database. It was not changed.")
        return 0
    print(f"The database is again as in its backup {restored.backup}")
    if restored.damaged:
        print(f"The damaged database was moved, unchanged, to {restored.damaged}")
        print("It stays there for a week: .github/docs/database.md says how to read what it holds.")
    print("Thaw can be started again. Trained models stay, also those of runs since the backup.")
    return 0
