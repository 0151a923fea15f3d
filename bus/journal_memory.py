"""A journal in memory, for simulations and tests: the same records give the same hash."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from bus.journal_block import block_hash, genesis_hash, pack, unpack


class MemoryJournal:
    """Keep blocks in a list; nothing outlives the process.

    >>> journal = MemoryJournal("node")
    >>> journal.append(b"tick"), journal.append(b"order")
    (1, 2)
    >>> journal.commit()
    >>> list(journal.read(2))
    [(2, b'order')]
    """

    def __init__(self, name: str) -> None:
        self._pending: list[bytes] = []
        self._starts: list[int] = []
        self._payloads: list[bytes] = []
        self._head = genesis_hash(name)
        self._appended = 0
        self._snapshot: tuple[int, bytes] | None = None

    def append(self, record: bytes) -> int:
        """Add a record and give its sequence."""
        self._pending.append(record)
        self._appended += 1
        return self._appended

    def commit(self) -> None:
        """Chain everything appended so far as one block."""
        if not self._pending:
            return
        first = self._appended - len(self._pending) + 1
        payload = pack(self._pending)
        self._head = block_hash(self._head, first, payload)
        self._starts.append(first)
        self._payloads.append(payload)
        self._pending.clear()

    def snapshot(self, state: bytes, sequence: int | None = None) -> None:
        """Keep a state as of the last appended record, or an earlier one."""
        self.commit()
        self._snapshot = (self._appended if sequence is None else sequence, state)

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """Give the newest snapshot."""
        return self._snapshot

    def read(self, first_sequence: int) -> Iterator[tuple[int, bytes]]:
        """Give committed records from a sequence on."""
        begin = max(0, bisect_right(self._starts, first_sequence) - 1)
        for start, payload in zip(self._starts[begin:], self._payloads[begin:], strict=True):
            yield from islice(enumerate(unpack(payload), start), max(0, first_sequence - start), None)

    @property
    def events(self) -> int:
        """Count the records appended."""
        return self._appended

    @property
    def committed_events(self) -> int:
        """Count the records that are chained."""
        return self._appended - len(self._pending)

    @property
    def head_hash(self) -> str:
        """Give the chain's hash over everything committed."""
        return self._head.hex()

    def close(self) -> None:
        """Commit what is left, as a journal on disk does."""
        self.commit()
