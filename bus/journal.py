"""The journal: everything that happened, in order, hash-chained, durable by group commit in SQLite."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bus.journal_block import block_hash, genesis_hash, pack
from bus.journal_chain import OpenReport, block_hash_at, compare, read_records, verify_chain
from bus.journal_mark import Mark, MarkFile, read_mark
from bus.journal_snapshots import Snapshot, read_snapshot, snapshot_sequences, write_snapshot
from bus.journal_trouble import broken, reading, writing
from bus.owned_file import owned
from bus.segment import Extent, Origin, create_segment, drop_drafts, segment_path
from bus.segment_writer import SegmentWriter

LOCK_FILE = "lock"


class JournalConfig(BaseModel):
    """Bound a journal's queue and its files.

    A full queue (`pending_events_max` or `pending_bytes_max`) commits inline in `append`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending_events_max: int = Field(default=65_536, ge=1)
    pending_bytes_max: int = Field(default=64 << 20, ge=1)
    segment_events_max: int = Field(default=1_000_000, ge=1)
    segment_bytes_max: int = Field(default=256 << 20, ge=1)
    page_bytes: Literal[512, 1024, 2048, 4096, 8192, 16384, 32768] = 4096


class Journal:
    """Append in memory, commit in blocks, read back what was committed.

    One thread appends; `commit` may run in another meanwhile. Nothing is dropped when a commit fails: the
    records stay in the queue for the next one.
    """

    def __init__(self, directory: Path, name: str, config: JournalConfig, lock: int) -> None:
        """Use `Journal.open`."""
        self.directory, self.name, self.config = directory, name, config
        self._pending_events_max, self._pending_bytes_max = (
            config.pending_events_max,
            config.pending_bytes_max,
        )
        self._lock_file: int | None = lock
        self._committing = threading.Lock()
        self._pending: list[bytes] = []
        mark = read_mark(directory)
        extents = self._verified(mark)
        last = extents[-1]
        self.report = compare(directory, extents, mark)
        self._number, self._segment_first = last.origin.number, last.origin.first_sequence
        self._committed = self._appended = last.events
        self._appended_bytes = self._committed_bytes = 0
        self._head, self._sealed = last.hash, last.sealed
        self._writer = SegmentWriter(segment_path(directory, self._number))
        self._note_tear(self._writer.torn_bytes)
        self._marks = MarkFile(directory)
        self._write_mark()

    @classmethod
    def open(cls, directory: Path, name: str, config: JournalConfig | None = None) -> Journal:
        """Open a folder's journal, alone, after checking all of it; `report` says what was found."""
        directory = Path(directory)
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            lock = _lock(directory)
        try:
            with reading(directory):
                return cls(directory, name, config or JournalConfig(), lock)
        except BaseException:
            os.close(lock)
            raise

    def append(self, record: bytes) -> int:
        """Add a record in memory and give its sequence; a full queue is committed first."""
        if (
            len(self._pending) >= self._pending_events_max
            or self._appended_bytes - self._committed_bytes >= self._pending_bytes_max
        ):
            self.commit()
        self._pending.append(record)
        self._appended_bytes += len(record)
        self._appended += 1
        return self._appended

    def commit(self) -> None:
        """Make everything appended so far durable, as one block."""
        with self._committing:
            count = len(self._pending)
            if count == 0:
                return
            assert self._lock_file is not None, "a closed journal takes nothing more"
            if self._sealed or self._segment_full():
                self._rotate()
            batch = self._pending[:count]
            payload, first = pack(batch), self._committed + 1
            chained = block_hash(self._head, first, payload)
            self._writer.add(first, chained, payload)
            # Appends go on in another thread meanwhile: only what is durable leaves the queue.
            del self._pending[:count]
            self._committed, self._head = self._committed + count, chained
            self._committed_bytes += sum(map(len, batch))
            self._write_mark()

    def snapshot(self, state: bytes, sequence: int | None = None) -> None:
        """Keep a state as of the last appended record; where that is named, any thread may call."""
        sequence = self._appended if sequence is None else sequence
        self.commit()
        block = block_hash_at(self.directory, sequence) if sequence else genesis_hash(self.name)
        assert block is not None, "what was just committed is in a block"
        with writing(self.directory):
            write_snapshot(self.directory, Snapshot(sequence, block, state))

    def snapshot_writer(self) -> Callable[[bytes], None]:
        """Commit, and give what keeps a state as of now, touching nothing else of this journal."""
        self.commit()
        assert self._committed == self._appended, "call it from the thread that appends"
        directory, sequence, block = self.directory, self._appended, self._head
        return lambda state: write_snapshot(directory, Snapshot(sequence, block, state))

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """Give the newest snapshot that verifies against the chain."""
        with reading(self.directory):
            for sequence in snapshot_sequences(self.directory):
                found = read_snapshot(self.directory, sequence)
                if found is not None and found.block_hash == self._block_hash(sequence):
                    return sequence, found.state
        return None

    def read(self, first_sequence: int) -> Iterator[tuple[int, bytes]]:
        """Give committed records from a sequence on."""
        return read_records(self.directory, first_sequence)

    @property
    def events(self) -> int:
        """Count the records appended."""
        return self._appended

    @property
    def committed_events(self) -> int:
        """Count the records that are durable."""
        return self._committed

    @property
    def head_hash(self) -> str:
        """Give the chain's hash over everything committed."""
        return self._head.hex()

    def close(self) -> None:
        """Commit what is left and let go of the folder; closing twice is harmless."""
        if self._lock_file is None:
            return
        try:
            self.commit()
        finally:
            self._writer.close()
            self._write_mark()
            self._marks.close()
            os.close(self._lock_file)
            self._lock_file = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _verified(self, mark: Mark | None) -> list[Extent]:
        drop_drafts(self.directory)
        extents = verify_chain(self.directory, self.name)
        if extents:
            return extents
        if mark is not None and mark.events > 0:
            raise broken(segment_path(self.directory, 1), 1, "every segment is missing")
        origin = Origin(self.name, 1, 1, genesis_hash(self.name))
        create_segment(self.directory, origin, self.config.page_bytes)
        return verify_chain(self.directory, self.name)

    def _note_tear(self, torn_bytes: int) -> None:
        if torn_bytes and self.report.reason is None:
            reason = "the last commit was not finished"
            self.report = replace(self.report, cut_bytes=torn_bytes, reason=reason)

    def _segment_full(self) -> bool:
        return (
            self._committed + 1 - self._segment_first >= self.config.segment_events_max
            or self._writer.bytes() >= self.config.segment_bytes_max
        )

    def _rotate(self) -> None:
        self._writer.seal(self._committed, self._head)
        self._sealed = True
        origin = Origin(self.name, self._number + 1, self._committed + 1, self._head)
        with writing(self.directory):
            create_segment(self.directory, origin, self.config.page_bytes)
        following = SegmentWriter(segment_path(self.directory, origin.number))
        self._writer.close()
        self._writer, self._number, self._sealed = following, origin.number, False
        self._segment_first = origin.first_sequence

    def _write_mark(self) -> None:
        with writing(self.directory):
            self._marks.write(Mark(self._number, self._committed, self._writer.wal_bytes(), self._head))

    def _block_hash(self, sequence: int) -> bytes | None:
        return block_hash_at(self.directory, sequence) if sequence else genesis_hash(self.name)


def _lock(directory: Path) -> int:
    mend = "stop that process first, or choose another folder with --state"
    return owned(directory / LOCK_FILE, "the journal is in use by", directory, mend)


__all__ = ["Journal", "JournalConfig", "OpenReport"]
