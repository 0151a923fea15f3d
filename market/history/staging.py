"""Changes to history that are whole or not there: prepared aside, noted, then moved into place.

A process works in a folder of its own under `.staging`, held by a lock. What it wrote and did not note is
thrown away by whoever comes next; a change that was noted is finished. So a kill at any moment leaves
either the old files or the new ones, once anybody has opened the history to write.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

import msgspec

from bus.owned_file import owned
from domain.errors import ExitCode, SwarmError
from market.history.layout import STAGING, escaped

LOCK, NOTE = "lock", "change.json"
MAINTENANCE = "maintenance"


class Change(msgspec.Struct, frozen=True):
    """Files to move in, as (staged name, place under the root), and places to remove after that."""

    adds: tuple[tuple[str, str], ...]
    removes: tuple[str, ...] = ()


class Leftovers(msgspec.Struct, frozen=True):
    """What an earlier process left behind, and what became of it."""

    finished_changes: int = 0
    dropped_files: int = 0
    dropped_bytes: int = 0

    def __add__(self, other: Leftovers) -> Leftovers:
        return Leftovers(
            self.finished_changes + other.finished_changes,
            self.dropped_files + other.dropped_files,
            self.dropped_bytes + other.dropped_bytes,
        )

    def __bool__(self) -> bool:
        return self.finished_changes > 0 or self.dropped_files > 0

    def __str__(self) -> str:
        return (
            f"an earlier process did not end well: {self.dropped_files} unfinished files "
            f"({self.dropped_bytes} bytes) removed, {self.finished_changes} changes finished"
        )


class Staging:
    """A locked folder beside the history, on the same disk, where files are prepared."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.folder = root, root / STAGING / escaped(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = _locked(self.folder / LOCK, name, root)
        self.leftovers = _settled(root, self.folder)
        if name == MAINTENANCE:
            self.leftovers += _swept(root, self.folder)
        self._numbers = 0

    def number(self) -> int:
        """Give a number for a new file."""
        self._numbers += 1
        return self._numbers

    def commit(self, change: Change) -> None:
        """Put a change in place: from the moment it is noted it will happen."""
        note = self.folder / NOTE
        fresh = note.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(change))
        _synced(fresh)
        fresh.replace(note)
        _synced(self.folder)
        _apply(self.root, self.folder, change)
        note.unlink()

    def close(self) -> None:
        """Remove the folder and let go of it; closing twice is harmless."""
        if self._lock is None:
            return
        _cleared(self.folder)
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def place(staged: Path, final: Path) -> None:
    """Show one whole file; what is there already stays."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        raise SwarmError(
            f"{final.name} is there already",
            where=str(final.parent),
            mend="the same stretch was recorded twice: choose another --root",
            code=ExitCode.STATE_IN_USE,
        )
    staged.replace(final)
    _synced(final.parent)


def _settled(root: Path, folder: Path) -> Leftovers:
    note, finished = folder / NOTE, 0
    if note.exists():
        _apply(root, folder, msgspec.json.decode(note.read_bytes(), type=Change))
        note.unlink()
        finished = 1
    return Leftovers(finished, *_cleared(folder))


def _swept(root: Path, own: Path) -> Leftovers:
    """Settle what processes left whose name nobody uses any more; who is at work is left alone."""
    found = Leftovers()
    for folder in sorted(path for path in own.parent.iterdir() if path.is_dir() and path != own):
        try:
            lock = _locked(folder / LOCK, folder.name, root)
        except SwarmError:
            continue
        try:
            found += _settled(root, folder)
        finally:
            os.close(lock)
    return found


def _cleared(folder: Path) -> tuple[int, int]:
    files, size = 0, 0
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name == LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
            continue
        files, size = files + 1, size + path.stat().st_size
        path.unlink()
    return files, size


def _apply(root: Path, folder: Path, change: Change) -> None:
    touched: dict[Path, None] = {}
    for staged, target in change.adds:
        final = root / target
        if (folder / staged).exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            (folder / staged).replace(final)
        touched[final.parent] = None
    for target in change.removes:
        (root / target).unlink(missing_ok=True)
        touched[(root / target).parent] = None
    standing = [folder for folder in touched if folder.is_dir()]
    for each in standing:
        _synced(each)
    for each in standing:
        _pruned(each, root)


def _pruned(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _synced(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _locked(path: Path, name: str, root: Path) -> int:
    mend = "wait for it or stop it, or choose another --root"
    return owned(path, f"{name} of this history is at work in", root, mend)
