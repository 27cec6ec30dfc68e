"""A real PostgreSQL for tests: a private server in a folder of its own, reached by a socket there.

Debian's binaries (`apt-get install postgresql`). They refuse to run as root, who lends them to
the user "postgres".
"""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

USER = "postgres"
SETTINGS = {
    "listen_addresses": "''",  # no network
    "fsync": "off",  # nobody pulls the plug
    "max_connections": "60",
    "autovacuum": "off",  # so that tests see what we clear away ourselves
}


def binaries() -> Path | None:
    """Where the newest installed server lies."""
    found = [place.parent for place in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return max(found, key=lambda place: place.parent.name.zfill(3), default=None)


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.as_user = ["runuser", "-u", USER, "--"] if getpass.getuser() == "root" else []
        self._made, self._kept = 0, ""

    def run(self, command: str, *arguments: str) -> None:
        told = subprocess.run(
            [*self.as_user, str(binaries() / command), "-D", str(self.data), *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE if command == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        assert told.returncode == 0, (told.stdout or b"").decode()

    def make(self) -> None:
        if self.as_user:
            shutil.chown(self.folder, USER)
        self.run("initdb", "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C")
        with (self.data / "postgresql.conf").open("a") as file:
            told = SETTINGS | {"unix_socket_directories": f"'{self.folder}'"}
            file.writelines(f"{name} = {value}\n" for name, value in told.items())
        self.start()

    def start(self) -> None:
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"))

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "stop", "-w", "-m", how)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def execute(self, command: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as sql:
            sql.execute(command)

    def emptied(self, make: Callable[[str], None]) -> str:
        """The address of a database with the tables that `make` makes, once, and no rows."""
        if not self._kept:
            self._kept = "thaw"
            self.execute(f"CREATE DATABASE {self._kept}")
            make(self.url(self._kept))
        with psycopg.connect(self.url(self._kept)) as sql:
            sql.execute("SET lock_timeout = '10s'")
            names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            tables = {name for (name,) in sql.execute(names)} - {"alembic_version"}
            sql.execute("".join(f"DELETE FROM {name};" for name in tables).encode())  # noqa: S608
        return self.url(self._kept)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a new database, gone afterwards."""
        self._made += 1
        name = f"thaw_{os.getpid()}_{self._made}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            with suppress(psycopg.OperationalError):  # a test may have stopped the server
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def served() -> Iterator[Server]:
    """A server as long as this lasts. Without PostgreSQL the test is skipped, under CI it fails."""
    if binaries() is None:
        missing = "No PostgreSQL is installed: apt-get install postgresql"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    # Not pytest's folder: that of root is closed to others, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="thaw-pg-"))
    server = Server(folder)
    try:
        server.make()
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
