"""Turn what SQLite and the file system say into one line that an operator can act on."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import ExitCode, JournalBroken, SwarmError

MEND_BROKEN = (
    "restore this folder from a backup, or move it aside and start anew: "
    "positions are then reconciled with the venue"
)
_FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
# Trouble around the files; everything else that SQLite reports is trouble in them.
_AROUND_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOLFS,
}
_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def broken(path: Path, sequence: int, what: str) -> JournalBroken:
    """Say where a chain does not hold."""
    one_line = " ".join(what.split())
    return JournalBroken(
        f"the journal is broken at event {sequence}: {one_line}", where=str(path), mend=MEND_BROKEN
    )


@contextmanager
def reading(path: Path, sequence: int = 0) -> Iterator[None]:
    """Give trouble met while reading a journal its name."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, path, sequence) from None
    except OSError as error:
        raise _of_system(error, path) from None
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise broken(path, sequence, str(error)) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Give trouble met while writing a journal its name."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, path, 0) from None
    except OSError as error:
        raise _of_system(error, path) from None


def _of_sqlite(error: sqlite3.Error, path: Path, sequence: int) -> SwarmError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _FULL_CODES:
        return disk_full(path, str(error))
    if code not in _AROUND_CODES:
        return broken(path, sequence, str(error))
    return SwarmError(
        f"the journal cannot be used: {error}",
        where=str(path),
        mend="make the folder and its files readable and writable, and stop what else uses them",
        code=ExitCode.STATE_IN_USE if code == sqlite3.SQLITE_BUSY else ExitCode.CONFIG,
    )


def _of_system(error: OSError, path: Path) -> SwarmError:
    if error.errno in _FULL_ERRNOS:
        return disk_full(path, error.strerror or str(error))
    return SwarmError(
        f"the journal cannot be used: {error.strerror or error}",
        where=str(error.filename or path),
        mend="make it a readable and writable folder, or choose another with --state",
        code=ExitCode.CONFIG,
    )


def disk_full(path: Path, what: str) -> SwarmError:
    """Say that the disk took no more; what was committed stands and a later commit can succeed."""
    return SwarmError(
        f"the journal cannot be written: {what}",
        where=str(path),
        mend="free space on this disk; nothing that was committed is lost",
        code=ExitCode.DISK_FULL,
        retryable=True,
    )
