"""The latest ticks of every market, any window of which is one contiguous array."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import TICK_DTYPE
from domain.market_events import Tick
from market.ring_kernels import TICK_WIDTH

CAPACITY = 1024
_ROW = Struct("=6q")
_COUNT = Struct("=2q")

Zeros = Callable[[tuple[int, ...], type[Any]], NDArray[Any]]


class TickRing:
    """Keep the newest `capacity` ticks; each is written twice, so no window ever wraps.

    >>> ring = TickRing(capacity=2)
    >>> for price in (7, 8, 9):
    ...     ring.push(Tick(0, 0, 0, price, 1, price + 1, 1, 0))
    >>> ring.last(5)["bid_ticks"].tolist(), len(ring)
    ([8, 9], 2)
    """

    __slots__ = ("_bytes", "_count", "_rows", "_span", "capacity")

    def __init__(
        self,
        capacity: int = CAPACITY,
        cells: NDArray[np.int64] | None = None,
        count: NDArray[np.int64] | None = None,
    ) -> None:
        assert capacity > 0
        self.capacity = capacity
        # One symbol's part of `TickRings`, or memory of its own.
        own = np.zeros((2 * capacity, TICK_WIDTH), np.int64) if cells is None else cells
        assert own.shape == (2 * capacity, TICK_WIDTH) and own.flags.c_contiguous
        flat = own.reshape(-1)
        self._bytes = flat.view(np.uint8).data
        self._rows: NDArray[np.void] = flat.view(TICK_DTYPE)
        self._rows.flags.writeable = False
        self._span = capacity * _ROW.size
        self._count = (np.zeros(1, np.int64) if count is None else count).data

    @property
    def count(self) -> int:
        """Tell how many ticks there ever were."""
        return self._count[0]

    def push(self, tick: Tick) -> None:
        """Add a tick; the oldest goes when the ring is full."""
        count = self._count[0]
        at = count % self.capacity * 48
        row = _ROW.pack(
            tick.exchange_ts_ns,
            tick.local_ts_ns,
            tick.bid_ticks,
            tick.bid_lots,
            tick.ask_ticks,
            tick.ask_lots,
        )
        cells, mirror = self._bytes, at + self._span
        cells[at : at + 48] = row
        cells[mirror : mirror + 48] = row
        self._count[0] = count + 1

    def last(self, count: int) -> NDArray[np.void]:
        """Give up to `count` latest ticks, oldest first, as a view that later pushes overwrite."""
        size = min(max(count, 0), self.count, self.capacity)
        end = (self.count - 1) % self.capacity + self.capacity + 1
        return self._rows[end - size : end]

    def __len__(self) -> int:
        return min(self.count, self.capacity)

    def state(self) -> bytes:
        """Give everything that a restart needs, as data."""
        return _COUNT.pack(self.capacity, self.count) + self.last(self.capacity).tobytes()

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave, from a ring of the same capacity."""
        capacity, count = _COUNT.unpack_from(state)
        assert capacity == self.capacity, f"a ring of {capacity} cannot fill one of {self.capacity}"
        kept = state[_COUNT.size :]
        rows = len(kept) // _ROW.size
        for index in range(rows):
            slot = (count - rows + index) % capacity * _ROW.size
            row = kept[index * _ROW.size : (index + 1) * _ROW.size]
            self._bytes[slot : slot + 48] = row
            self._bytes[slot + self._span : slot + self._span + 48] = row
        self._count[0] = count


class TickRings:
    """Keep the newest ticks of every symbol in one array.

    `zeros(shape, dtype)` gives the memory, so that a pipeline can hold all that is its in one block.

    >>> rings = TickRings(symbols=2, capacity=4)
    >>> rings.ring(1).push(Tick(1, 0, 0, 7, 1, 8, 1, 0))
    >>> rings.tick_counts.tolist(), len(rings.ring(1))
    ([0, 1], 1)
    """

    def __init__(self, symbols: int, capacity: int = CAPACITY, zeros: Zeros = np.zeros) -> None:
        assert symbols > 0 and capacity > 0
        self.symbols, self.capacity = symbols, capacity
        self.ticks: NDArray[np.int64] = zeros((symbols, 2 * capacity, TICK_WIDTH), np.int64)
        self.tick_counts: NDArray[np.int64] = zeros((symbols,), np.int64)

    def ring(self, n: int) -> TickRing:
        """Give the ring of symbol `n`, over the same memory."""
        return TickRing(self.capacity, self.ticks[n], self.tick_counts[n : n + 1])

    def bytes_per_symbol(self) -> int:
        """Tell how much memory one symbol takes."""
        return int(self.ticks[0].nbytes + self.tick_counts.itemsize)

    def state_of(self, n: int) -> bytes:
        """Give everything of symbol `n` that a restart needs, as data."""
        return self.ring(n).state()

    def restore_to(self, n: int, state: bytes) -> None:
        """Take back what `state_of` gave."""
        self.ring(n).restore(state)

    def state(self) -> bytes:
        """Give everything that a restart needs, as data."""
        return framed([self.state_of(n) for n in range(self.symbols)])

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave, from rings of as many symbols."""
        parts = unframed(state)
        assert len(parts) == self.symbols, f"rings of {len(parts)} symbols cannot fill {self.symbols}"
        for n, part in enumerate(parts):
            self.restore_to(n, part)


def framed(parts: list[bytes]) -> bytes:
    """Join parts so that `unframed` can take them apart."""
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def unframed(state: bytes) -> list[bytes]:
    """Take apart what `framed` joined.

    >>> unframed(framed([b"a", b"", b"bc"]))
    [b'a', b'', b'bc']
    """
    parts, at = [], 0
    while at < len(state):
        size = int.from_bytes(state[at : at + 8], "little")
        parts.append(state[at + 8 : at + 8 + size])
        at += 8 + size
    return parts
