"""The federation's folder: versions that are there or not, never half, and updates not yet counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from bus.owned_file import owned
from domain.errors import ExitCode, SwarmError
from federation.loop.version import Version, decode_update, decode_version, encode
from federation.update import Update

Read = TypeVar("Read")
REFUSED_FILE, REFUSED_MAX = "refused.json", 256


class Refused(msgspec.Struct, frozen=True):
    """Why what a region was last asked for did not count: it stands until something of the region counts."""

    version: int
    reason: str
    at_ns: int


class VersionStore:
    """Keep the line of versions. A version's file is its commit: written whole, synced, never overwritten."""

    def __init__(self, folder: Path, *, kept: int = 256) -> None:
        self.folder, self.kept = folder, kept
        self._versions, self._held = folder / "versions", folder / "held"
        for each in (self._versions, self._held):
            each.mkdir(parents=True, exist_ok=True)
        self._lock = owned(
            folder / "lock",
            "the federation's versions are written by",
            folder,
            "stop that one, or choose another --state folder",
        )

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock)

    def store(self, version: Version) -> None:
        """Make a version durable, then forget what it has counted and what is too old."""
        path = self._path(version.number)
        if path.exists():
            raise damaged(path, "is there already", "two loops have written here")
        write_durably(path, encode(version))
        for held in self._held_files():  # the loop counts all that it holds, or none
            held.unlink()
        for old in self.numbers()[: -self.kept]:
            if old != version.champion:
                self._path(old).unlink()

    def refuse(self, refused: Mapping[str, Refused]) -> None:
        """Keep whose work does not count, and why, for whoever asks; unsynced."""
        write_whole(self.folder / REFUSED_FILE, msgspec.json.encode(refused))

    def hold(self, update: Update) -> None:
        """Keep an accepted update; a region's newer one takes its place.

        It outlives this process, but is not synced: one that a power cut takes is asked for again.
        """
        write_whole(self._held / f"{update.region}.update", encode(update))

    def numbers(self) -> list[int]:
        """List the versions that are there, oldest first."""
        return [int(path.stem) for path in _line_of(self.folder)]

    def version(self, number: int) -> Version:
        """Read one version; one that is damaged is refused by name."""
        path = self._path(number)
        try:
            return decode_version(path.read_bytes())
        except FileNotFoundError:
            raise SwarmError(
                f"there is no version {number}",
                where=str(self._versions),
                mend="see `swarm federate rounds`",
                code=ExitCode.BAD_DATA,
            ) from None
        except (msgspec.DecodeError, ValueError) as error:
            raise damaged(path, "is damaged", str(error)) from None

    def newest(self, count: int) -> list[Version]:
        """Read the last versions, oldest first, after the champion where that is older."""
        numbers = self.numbers()
        if not numbers:
            return []
        last = self.version(numbers[-1])
        before = [self.version(number) for number in numbers[-count:-1]]
        older = last.champion in numbers and last.champion not in numbers[-count:]
        return [*([self.version(last.champion)] if older else []), *before, last]

    def held(self) -> list[Update]:
        """Read the updates that were kept and not counted; a torn one will be asked for again."""
        found = [_read(path, decode_update) for path in self._held_files()]
        return [each for each in found if each is not None]

    def _held_files(self) -> list[Path]:
        return sorted(self._held.glob("*.update"))

    def _path(self, number: int) -> Path:
        return self._versions / f"{number:08d}.version"


def _line_of(folder: Path) -> list[Path]:
    """List the versions' files, oldest first; what somebody else put there is none of them."""
    found = [path for path in folder.glob("versions/*.version") if path.stem.isdecimal()]
    return sorted(found, key=lambda path: int(path.stem))


def _read(path: Path, decode: Callable[[bytes], Read]) -> Read | None:
    try:
        return decode(path.read_bytes())
    except (msgspec.DecodeError, ValueError, OSError):
        return None


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put a whole file in place: it and its folder are synced before this returns."""
    write_whole(path, data, sync=True, mode=mode)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(path: Path, data: bytes, *, sync: bool = False, mode: int = 0o644) -> None:
    """Put a whole file in place: whoever reads sees the old one or the new one."""
    draft = path.with_name(f"{path.name}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)


def read_refused(folder: Path) -> dict[str, Refused]:
    """Read whose work did not count the last time, and why."""
    try:
        return msgspec.json.decode((folder / REFUSED_FILE).read_bytes(), type=dict[str, Refused])
    except (OSError, msgspec.DecodeError):
        return {}


def read_line(folder: Path, last: int) -> list[Version]:
    """Read the newest versions for whoever looks at the line: a damaged one is refused by name."""
    found = []
    for path in _line_of(folder)[-last:]:
        try:
            found.append(decode_version(path.read_bytes()))
        except FileNotFoundError:  # forgotten meanwhile
            continue
        except (msgspec.DecodeError, ValueError) as error:
            raise damaged(path, "is damaged", str(error)) from None
    return found


def damaged(path: Path, what: str, why: str) -> SwarmError:
    """Say which file of the line is wrong."""
    return SwarmError(
        f"{path.name} {what}: {why}",
        where=str(path.parent),
        mend="move the file away to go on from the version before it",
        code=ExitCode.BAD_DATA,
    )


def read_versions(folder: Path, last: int) -> list[Version]:
    """Read the newest versions without owning the folder: a version's file never changes."""
    found = [_read(path, decode_version) for path in _line_of(folder)[-last:]]
    return [each for each in found if each is not None]


def champion_in(folder: Path) -> Version | None:
    """Read the best version so far, for whoever puts it to use: its shared tensors join a region's own."""
    newest = read_versions(folder, 1)
    if not newest:
        return None
    path = folder / "versions" / f"{newest[0].champion:08d}.version"
    return _read(path, decode_version)
