"""The latest ticks of one market, any window of which is one contiguous array."""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import TICK_DTYPE
from domain.market_events import Tick

CAPACITY = 1024
_ROW = Struct("=6q")
_COUNT = Struct("=2q")


class TickRing:
    """Keep the newest `capacity` ticks; each is written twice, so no window ever wraps.

    >>> ring = TickRing(capacity=2)
    >>> for price in (7, 8, 9):
    ...     ring.push(Tick(0, 0, 0, price, 1, price + 1, 1, 0))
    >>> ring.last(5)["bid_ticks"].tolist(), len(ring)
    ([8, 9], 2)
    """

    __slots__ = ("_bytes", "_rows", "_span", "_write", "capacity", "count")

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity > 0
        self.capacity = capacity
        rows = np.zeros(2 * capacity, TICK_DTYPE)
        self._bytes = rows.view(np.uint8).data
        self._rows: NDArray[np.void] = rows
        rows.flags.writeable = False
        self._span = capacity * _ROW.size
        self._write = 0
        self.count = 0

    def push(self, tick: Tick) -> None:
        """Add a tick; the oldest goes when the ring is full."""
        at = self._write
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
        at += 48
        self._write = at if at != self._span else 0
        self.count += 1

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
        self.count, self._write = count, count % capacity * _ROW.size
