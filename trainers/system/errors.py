"""Errors of the disk, the data folder, the database and the memory, in words."""

import errno
import os
import sqlite3

from sqlalchemy.exc import (
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as NoConnectionFree,
)

from trainers.system.backups import database_path, describe_newest_backup
from trainers.system.paths import data_dir, data_dir_path, database_url
from trainers.system.settings import is_hosted


class StoreUnavailable(RuntimeError):
    """Thaw cannot save anything; the text says why and what to do."""


DISK_FULL_TEXT = (
    "The disk is full, so nothing more can be kept{data}. Make room on it, and try again. What was "
    "kept before is whole."
)
NOT_WRITABLE_TEXT = (
    "Thaw may not write to its data folder{data}. Give it the right to, or set THAW_HOME to a "
    "folder of your own: THAW_HOME=~/thaw"
)
DATABASE_LOCKED_TEXT = (
    "Another program keeps Thaw's database{file} locked: a backup, perhaps, or a tool that looks "
    "into it. Nothing is lost. Close that program or wait for it, and try again."
)
DATABASE_DAMAGED_TEXT = (
    "Thaw's database{file} is damaged. It was left as it is. To go back to its newest backup"
    "{backup}, close Thaw and run: thaw repair. What was saved later is lost then, and the "
    "damaged file is moved aside."
)
DATABASE_WITHOUT_BACKUP_TEXT = (
    "Thaw's database{file} is damaged, and has no backup. It was left as it is. "
    ".github/docs/database.md says how to save what can still be read."
)
DATABASE_UNREACHABLE_TEXT = (
    "The database of this Thaw cannot be reached at the moment. What has ended is safe, and what "
    "runs goes on. Wait a moment and try again. If that lasts, tell whoever runs this Thaw."
)
CONNECTION_ERRORS = (OperationalError, InterfaceError, NoConnectionFree)  # of a database server

TEXT_BY_ERRNO = {
    errno.ENOSPC: DISK_FULL_TEXT,
    errno.EDQUOT: DISK_FULL_TEXT,
    errno.EFBIG: DISK_FULL_TEXT,  # a limit on files, which ends as a full disk does
    errno.EROFS: NOT_WRITABLE_TEXT,
    errno.EACCES: NOT_WRITABLE_TEXT,
    errno.EPERM: NOT_WRITABLE_TEXT,
}
TEXT_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: DISK_FULL_TEXT,
    sqlite3.SQLITE_READONLY: NOT_WRITABLE_TEXT,
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE_TEXT,
    sqlite3.SQLITE_PERM: NOT_WRITABLE_TEXT,
    sqlite3.SQLITE_BUSY: DATABASE_LOCKED_TEXT,
    sqlite3.SQLITE_LOCKED: DATABASE_LOCKED_TEXT,
    sqlite3.SQLITE_CORRUPT: DATABASE_DAMAGED_TEXT,
    sqlite3.SQLITE_NOTADB: DATABASE_DAMAGED_TEXT,
    sqlite3.SQLITE_IOERR: DISK_FULL_TEXT,  # its index file could not grow
}


def user_message(error: BaseException) -> str:
    """Return what `error` means and what to do; "" for an error of another kind."""
    text = ""
    if isinstance(error, SQLAlchemyError | sqlite3.Error):
        number = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
        if number is not None:
            text = TEXT_BY_SQLITE_CODE.get(number & 0xFF, "")
        elif isinstance(error, CONNECTION_ERRORS):
            text = DATABASE_UNREACHABLE_TEXT
    elif isinstance(error, OSError):
        text = TEXT_BY_ERRNO.get(error.errno, "")
    file = database_path()
    backup = ""
    if text == DATABASE_DAMAGED_TEXT and file:
        backup = describe_newest_backup(file)
        text = text if backup else DATABASE_WITHOUT_BACKUP_TEXT
    if is_hosted():  # paths are not for visitors
        return text.format(data="", file="", backup="")
    return text.format(
        data=f", {data_dir_path()}",
        file=f", {file}," if file else "",
        backup=f", {backup}" if backup else "",
    )


def operator_message(error: BaseException) -> str:
    """Return the same for the operator, with the cause if the database cannot be reached.

    Never with its address, which has a password.
    """
    text = user_message(error)
    if text != DATABASE_UNREACHABLE_TEXT:
        return text
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"The database cannot be used: {lines[0] if lines else type(error).__name__}"


def open_database_url() -> str:
    """Return `database_url()` if the data folder is writable. Raises `StoreUnavailable`."""
    try:
        url = database_url()
        if not os.access(data_dir(), os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        other = (
            f"Thaw's data folder, {data_dir_path()}, cannot be used ({error}). Set THAW_HOME to "
        )
        raise StoreUnavailable(user_message(error) or f"{other}another.") from error
    return url


# numpy and Python raise MemoryError. Torch says "can't allocate memory" on a CPU, "out of memory"
# on a GPU, C++ "bad_alloc", the system "Cannot allocate memory".
OUT_OF_MEMORY_PHRASES = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
    "failed to create a memory",
    "not enough memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error, of whichever library, says that memory ran out."""
    text = str(error).casefold()
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY_PHRASES)
