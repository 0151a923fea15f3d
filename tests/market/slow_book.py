"""The slow and obvious book that the kernels are checked against: dicts, sorted again for every question."""

from __future__ import annotations

import zlib
from collections import deque

from domain.market_events import BookDelta, BookSnapshot, Levels
from market.book import BUFFERED_MAX, BookChange, StaleReason


class SlowSide:
    """One side as a dict; sign −1 for bids."""

    def __init__(self, sign: int, depth: int, *, truncated: bool) -> None:
        self.sign, self.depth, self.truncated = sign, depth, truncated
        self.sizes: dict[int, int] = {}
        self.horizon: int | None = None

    def levels(self) -> list[tuple[int, int]]:
        """Give the levels, best first."""
        return sorted(self.sizes.items(), key=lambda level: level[0] * self.sign)

    def clear(self) -> None:
        """Forget everything."""
        self.sizes, self.horizon = {}, None

    def load(self, levels: Levels) -> None:
        """Take a whole side; a full one is assumed cut."""
        self.clear()
        self.update(levels[: self.depth])
        if len(levels) >= self.depth and self.sizes and not self.truncated:
            self.horizon = self.levels()[-1][0] * self.sign

    def update(self, levels: Levels) -> None:
        """Set sizes; nothing beyond the horizon is believed."""
        for price, size in levels:
            if self.horizon is not None and price * self.sign > self.horizon:
                continue
            if size == 0:
                self.sizes.pop(price, None)
                continue
            self.sizes[price] = size
            if len(self.sizes) > self.depth and not self.truncated:
                worst = self.levels()[-1][0]
                del self.sizes[worst]
                self.horizon = self.levels()[-1][0] * self.sign

    def truncate(self) -> None:
        """Cut what lies deeper than the venue keeps us at."""
        if self.truncated:
            self.sizes = dict(self.levels()[: self.depth])

    def thin(self) -> bool:
        """Tell whether little is left of a cut side."""
        return self.horizon is not None and len(self.sizes) < max(1, self.depth // 8)


class SlowBook:
    """Snapshot, then diffs without a gap; anything else makes it stale and empty."""

    def __init__(self, depth: int, *, truncated: bool = False) -> None:
        self.bids = SlowSide(-1, depth, truncated=truncated)
        self.asks = SlowSide(1, depth, truncated=truncated)
        self.waiting: deque[BookDelta] = deque(maxlen=BUFFERED_MAX)
        self.sequence, self.straddled, self.linked = 0, False, False
        self.reason = StaleReason.NEVER_SYNCED

    def apply(self, event: BookSnapshot | BookDelta) -> BookChange:
        """Take what the venue says."""
        if isinstance(event, BookSnapshot):
            return self.load(event)
        if self.reason != StaleReason.FRESH:
            self.waiting.append(event)
            return BookChange.UNCHANGED
        return self.follow(event)

    def follow(self, delta: BookDelta) -> BookChange:
        """Apply a diff to a fresh book."""
        expected = self.sequence + 1
        if delta.first_sequence != expected:
            if not self.straddled and delta.last_sequence < expected:
                return BookChange.UNCHANGED
            if self.straddled or delta.first_sequence > expected:
                self.drop(StaleReason.GAP)
                self.waiting.append(delta)
                return BookChange.STALE
        self.straddled, self.sequence = True, delta.last_sequence
        self.bids.update(delta.bids)
        self.asks.update(delta.asks)
        return self.judge(delta.checksum, BookChange.CHANGED)

    def judge(self, checksum: int, otherwise: BookChange) -> BookChange:
        """Find a crossed, thin or wrong book."""
        self.bids.truncate()
        self.asks.truncate()
        bids, asks = self.bids.levels(), self.asks.levels()
        if bids and asks and bids[0][0] >= asks[0][0]:
            return self.drop(StaleReason.CROSSED)
        if self.bids.thin() or self.asks.thin():
            return self.drop(StaleReason.THIN)
        if checksum >= 0 and checksum != self.checksum():
            return self.drop(StaleReason.CHECKSUM)
        return otherwise

    def checksum(self, price_units: int = 1, size_units: int = 1) -> int:
        """Hash the top ten of each side as the venue does."""
        top = self.asks.levels()[:10] + self.bids.levels()[:10]
        return zlib.crc32("".join(f"{p * price_units}{s * size_units}" for p, s in top).encode())

    def load(self, snapshot: BookSnapshot) -> BookChange:
        """Take a snapshot and what waited for it."""
        fresh = self.reason == StaleReason.FRESH
        if not self.linked or (fresh and snapshot.sequence <= self.sequence):
            return BookChange.UNCHANGED
        self.bids.load(snapshot.bids)
        self.asks.load(snapshot.asks)
        self.sequence, self.straddled, self.reason = snapshot.sequence, False, StaleReason.FRESH
        waiting, self.waiting = self.waiting, deque(maxlen=BUFFERED_MAX)
        self.judge(snapshot.checksum, BookChange.SYNCED)
        for delta in waiting:
            if self.reason == StaleReason.FRESH:
                self.follow(delta)
            else:
                self.waiting.append(delta)
        return BookChange.SYNCED if self.reason == StaleReason.FRESH else BookChange.STALE

    def drop(self, reason: StaleReason) -> BookChange:
        """Go stale and empty."""
        self.reason = reason
        self.bids.clear()
        self.asks.clear()
        self.waiting.clear()
        return BookChange.STALE

    def feed_up(self) -> None:
        """Begin anew on a new connection."""
        self.drop(StaleReason.NEVER_SYNCED)
        self.linked = True
