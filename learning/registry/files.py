"""Files that are there whole or not at all, whenever the writer is killed, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Reached = Callable[[str], None]
DRAFT = ".draft"


def nothing(_: str) -> None:
    """Go on: what is done at every point of a write outside tests."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Wait until nobody else writes; the lock of a process that dies is free at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(path: Path, content: bytes, reached: Reached, name: str) -> None:
    """Put a whole file in the place of another; it and its name are on the disk when this returns."""
    draft = path.with_name(path.name + DRAFT)
    try:
        with draft.open("wb") as file:
            file.write(content[: len(content) // 2])
            reached(f"{name} half written")
            file.write(content[len(content) // 2 :])
            file.flush()
            os.fsync(file.fileno())
        reached(f"{name} drafted")
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()  # a full disk has better use for it
        raise
    reached(f"{name} renamed")
    sync_folder(path.parent)


def append(path: Path, content: bytes, end: int, reached: Reached, name: str) -> None:
    """Add to a file behind its first `end` bytes: what a killed writer left there is cut off."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(handle, end)
        os.lseek(handle, end, os.SEEK_SET)
        for part in (content[: len(content) // 2], content[len(content) // 2 :]):
            _write(handle, part)
            reached(f"{name} written on")
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)
    reached(f"{name} synced")


def _write(handle: int, part: bytes) -> None:
    """Write all of it: a disk that has room for some takes that, and only then says that it is full."""
    while part:
        part = part[os.write(handle, part) :]


def sync_folder(folder: Path) -> None:
    """Make names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
