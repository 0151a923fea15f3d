"""A file that one process owns: locked, with the owner's number in it for whoever comes second."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from domain.errors import ExitCode, SwarmError


def owned(path: Path, what: str, where: Path, mend: str) -> int:
    """Own a file until the handle that this gives is closed, or say which process does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "?"
        os.close(handle)
        raise SwarmError(
            f"{what} process {owner}", where=str(where), mend=mend, code=ExitCode.STATE_IN_USE
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle
