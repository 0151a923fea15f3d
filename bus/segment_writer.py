"""The writing end of a segment: one block row per commit, synced by SQLite's write-ahead log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bus.journal_trouble import writing
from bus.segment import file_bytes, torn_bytes, wal_path

_BUSY_S = 5.0


class SegmentWriter:
    """Hold the only writing connection to a segment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            # Any thread may commit: the journal's own lock keeps them apart.
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("pragma synchronous=full")
            self.torn_bytes = torn_bytes(self._connection, path)

    def add(self, first_sequence: int, chained: bytes, payload: bytes) -> None:
        """Make one block durable; when it fails the segment is as it was."""
        with writing(self.path):
            self._connection.execute(
                "insert into blocks values (?, ?, ?)", (first_sequence, chained, payload)
            )

    def seal(self, events: int, chained: bytes) -> None:
        """Write the final hash and move everything from the log into the database."""
        with writing(self.path):
            if self._connection.execute("select count(*) from seal").fetchone() == (0,):
                self._connection.execute("insert into seal values (?, ?)", (events, chained))
            self._connection.execute("pragma wal_checkpoint(truncate)")

    def wal_bytes(self) -> int:
        """Give the size of the write-ahead log."""
        return file_bytes(wal_path(self.path))

    def bytes(self) -> int:
        """Give the size of the segment with its log."""
        return file_bytes(self.path) + self.wal_bytes()

    def close(self) -> None:
        """Let go of the file; SQLite moves its log into the database if nobody else reads."""
        with writing(self.path):
            self._connection.close()
