"""The mark beside a journal: how far it was committed, so that a lost tail never goes unseen."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_LAYOUT = struct.Struct("<4sIQQ32s")
_MAGIC = b"MMK1"
MARK_FILE = "head"


@dataclass(frozen=True)
class Mark:
    """Say what was durable when it was written: it is written after the commit, so it may only be late."""

    segment: int
    events: int
    wal_bytes: int
    hash: bytes

    def to_bytes(self) -> bytes:
        """Write the mark with its checksum."""
        body = _LAYOUT.pack(_MAGIC, self.segment, self.events, self.wal_bytes, self.hash)
        return body + zlib.crc32(body).to_bytes(4, "little")

    @staticmethod
    def of(content: bytes) -> Mark | None:
        """Read a mark; `None` when it cannot be believed."""
        body, check = content[: _LAYOUT.size], content[_LAYOUT.size :]
        if len(check) != 4 or zlib.crc32(body) != int.from_bytes(check, "little"):
            return None
        magic, segment, events, wal_bytes, head = _LAYOUT.unpack(body)
        return Mark(segment, events, wal_bytes, head) if magic == _MAGIC else None


def read_mark(directory: Path) -> Mark | None:
    """Read a journal's mark; `None` when it is missing or cannot be believed."""
    for _ in range(3):  # a writer beside us may be half through
        try:
            mark = Mark.of((directory / MARK_FILE).read_bytes())
        except FileNotFoundError:
            return None
        if mark is not None:
            return mark
    return None


class MarkFile:
    """Keep the mark up to date with one small write into the page cache per commit.

    It is not synced: a killed process loses nothing of it, and after a power loss it is late, never early.
    """

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / MARK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, mark: Mark) -> None:
        """Write the mark in place."""
        content = mark.to_bytes()
        os.pwrite(self._file, content, 0)
        os.ftruncate(self._file, len(content))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
