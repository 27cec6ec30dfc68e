"""What goes wrong around Thaw, in words: the disk, the data folder, the database, the memory."""

import errno
import os
import sqlite3
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as NoConnectionFree,
)

from trainers.system.paths import database_url, home, home_folder
from trainers.system.settings import hosted


class NoStore(RuntimeError):
    """Thaw cannot keep anything; the text says why, and what to do."""


FULL = (
    "The disk is full, so nothing more can be kept{data}. Make room on it, and try again. What was "
    "kept before is whole."
)
NOT_OURS = (
    "Thaw may not write to its data folder{data}. Give it the right to, or set THAW_HOME to a "
    "folder of your own: THAW_HOME=~/thaw"
)
BUSY = (
    "Another program keeps Thaw's database{file} locked: a backup, perhaps, or a tool that looks "
    "into it. Nothing is lost. Close that program or wait for it, and try again."
)
DAMAGED = (
    "Thaw's database{file} is damaged. It was left as it is. To go on, close Thaw and run: "
    "python -m trainers repair. That puts the file aside and saves what can still be read of it."
)
AWAY = (
    "The database of this Thaw cannot be reached at the moment. What has ended is safe, and what "
    "runs goes on. Wait a moment and try again. If that lasts, tell whoever runs this Thaw."
)
UNREACHED = (OperationalError, InterfaceError, NoConnectionFree)  # of a server

BY_NUMBER = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,  # a limit on files, which ends as a full disk does
    errno.EROFS: NOT_OURS,
    errno.EACCES: NOT_OURS,
    errno.EPERM: NOT_OURS,
}
BY_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: NOT_OURS,
    sqlite3.SQLITE_CANTOPEN: NOT_OURS,
    sqlite3.SQLITE_PERM: NOT_OURS,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: FULL,  # its index file could not grow
}


def said(error: BaseException) -> str:
    """What `error` means and what to do; "" where it is none of these."""
    text = ""
    if isinstance(error, SQLAlchemyError):
        number = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        if number is not None:
            text = BY_SQLITE.get(number & 0xFF, "")
        elif isinstance(error, UNREACHED):
            text = AWAY
    elif isinstance(error, OSError):
        text = BY_NUMBER.get(error.errno, "")
    file = database_file()
    if hosted():  # visitors have no business with its paths
        return text.format(data="", file="")
    return text.format(data=f", {home_folder()}", file=f", {file}," if file else "")


def in_full(error: BaseException) -> str:
    """The same for who runs this Thaw: of a database that is away, what it was that failed. No
    address of ours: it has a password."""
    text = said(error)
    if text != AWAY:
        return text
    told = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"The database cannot be used: {told[0] if told else type(error).__name__}"


def database_file() -> Path | None:
    """SQLite's, where that is the database."""
    url = make_url(os.environ.get("THAW_DATABASE_URL") or f"sqlite:///{home_folder() / 'thaw.db'}")
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def opened() -> str:
    """`database_url()`, once the data folder can be written to. Raises `NoStore`."""
    try:
        url = database_url()
        if not os.access(home(), os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        other = f"Thaw's data folder, {home_folder()}, cannot be used ({error}). Set THAW_HOME to "
        raise NoStore(said(error) or f"{other}another.") from error
    return url


# How libraries say it: numpy and Python by MemoryError; torch on a processor "can't allocate
# memory", on a card "out of memory"; C++ "bad_alloc"; the system "Cannot allocate memory".
MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "bad_alloc",
          "can't start new thread", "failed to create a memory", "not enough memory")  # fmt: skip


def short_of_memory(error: BaseException) -> bool:
    told = str(error).casefold()
    return isinstance(error, MemoryError) or any(words in told for words in MEMORY)
