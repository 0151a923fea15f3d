"""One market's depth: kept in step with the venue by sequence, and stale whenever it cannot be believed.

A `Book` looks at one symbol's words and levels in a block (`market.columns`) that kernels change. Only what
waits for a snapshot is kept here.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.dtypes import INSTRUMENT, KIND, LEVEL_DTYPE, ROW_WIDTH, SNAPSHOT_ROW, Rows
from domain.market_events import BookDelta, BookSnapshot
from market import book_kernels as k
from market.columns import (
    AGE_LIMIT_NS,
    APPLIED_NS,
    AREA,
    ASKED_BOOK_NS,
    ATTEMPTS,
    BOOK_SEQUENCE,
    COUNT,
    DEPTH,
    EPOCH,
    FIXED_WORDS,
    LINKED,
    REASON,
    START,
    SYMBOL_WORDS,
    Columns,
)
from market.rows import rows_of

DEPTH_MAX = 1000
BUFFERED_MAX = 1024
AGE_NS_MAX = 30_000_000_000
RETRY_NS_MIN, RETRY_NS_MAX = 500_000_000, 16_000_000_000


class BookChange(IntEnum):
    """What an event did to a book."""

    UNCHANGED = k.UNCHANGED
    CHANGED = k.CHANGED
    SYNCED = k.SYNCED
    STALE = k.STALE


class StaleReason(IntEnum):
    """Why a book must not be believed."""

    FRESH = k.FRESH
    NEVER_SYNCED = k.NEVER_SYNCED
    GAP = k.GAP
    CROSSED = k.CROSSED
    FEED_LOST = k.FEED_LOST
    AGE = k.AGE
    THIN = k.THIN
    RESTARTED = k.RESTARTED
    CHECKSUM = k.BAD_CHECKSUM


_CHANGES, _REASONS = tuple(BookChange), tuple(StaleReason)


class BookState(msgspec.Struct, frozen=True, array_like=True):
    """Everything that a book is, as data; `words` begin after those that a config fixes."""

    words: bytes
    bids: bytes
    asks: bytes
    waiting: list[bytes]


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(BookState)


class Book:
    """Follow one market: snapshot, then diffs without a gap; anything else makes it stale and empty.

    >>> book = Book(0)
    >>> book.feed_up(1)
    >>> book.wants_snapshot(1)
    True
    >>> book.apply(BookSnapshot(0, 2, 2, 7, bids=((99, 5),), asks=((101, 4),)))
    <BookChange.SYNCED: 2>
    >>> book.apply(BookDelta(0, 3, 3, 8, 9, bids=((100, 1),), asks=()))
    <BookChange.CHANGED: 1>
    >>> book.bid_ticks, book.ask_ticks, book.bids.tolist()
    (100, 101, [(100, 1), (99, 5)])
    """

    __slots__ = (
        "_area",
        "_base",
        "_block",
        "_levels",
        "_plain",
        "_side_places",
        "_waiting",
        "_words",
        "instrument_index",
    )

    def __init__(
        self,
        instrument_index: int,
        depth_max: int = DEPTH_MAX,
        age_ns_max: int = AGE_NS_MAX,
        *,
        columns: Columns | None = None,
    ) -> None:
        self.instrument_index = instrument_index
        slot = instrument_index
        if columns is None:
            columns, slot = Columns(1, 0, (), depth_max), 0
            columns.allocate()
            columns.fit(0, depth_max, age_ns_max)
        self._block, self._base = columns.block, columns.symbol(slot)
        # The memoryview is taken while the array may be written; strategies only get read-only views.
        self._words = self._block.data[self._base : self._base + SYMBOL_WORDS]
        self._area, self._side_places = columns.area(slot), columns.side_words // 2
        levels = self._block[self._area : self._area + 2 * columns.side_words].view(LEVEL_DTYPE)
        levels.flags.writeable = False
        self._levels: NDArray[np.void] = levels
        self._plain = self._block.view()
        self._plain.flags.writeable = False
        self._waiting: deque[Rows] = deque(maxlen=BUFFERED_MAX)

    @property
    def stale(self) -> bool:
        """Tell whether the book must not be believed; a stale book has no levels."""
        return self._words[REASON] != 0

    @property
    def reason(self) -> StaleReason:
        """Tell why the book must not be believed."""
        return _REASONS[self._words[REASON]]

    @property
    def epoch(self) -> int:
        """Count the connections that this book has seen."""
        return self._words[EPOCH]

    @property
    def sequence(self) -> int:
        """Give the venue's sequence that the book stands at."""
        return self._words[BOOK_SEQUENCE]

    @property
    def age_ns_max(self) -> int:
        """Tell for how long the book may hear nothing."""
        return self._words[AGE_LIMIT_NS]

    @property
    def bids(self) -> NDArray[np.void]:
        """Give bid levels, best first, without copying; the view is overwritten by the next change."""
        first = (self._words[START] - self._area) >> 1
        return self._levels[first : first + self._words[COUNT]]

    @property
    def asks(self) -> NDArray[np.void]:
        """Give ask levels, best first, without copying; the view is overwritten by the next change."""
        first = (self._words[START + 1] - self._area) >> 1
        return self._levels[first : first + self._words[COUNT + 1]]

    def taken(self, side: int, most: int) -> NDArray[np.int64]:
        """Give the first (price_ticks, size_lots) that an order of a side takes, as a view."""
        words = self._words
        place = 1 if side > 0 else 0
        first = words[START + place]
        return self._plain[first : first + 2 * min(words[COUNT + place], most)].reshape(-1, 2)

    @property
    def bid_ticks(self) -> int:
        """Give the best bid, 0 where there is none."""
        words = self._words
        return int(self._block[words[START]]) if words[COUNT] != 0 else 0

    @property
    def ask_ticks(self) -> int:
        """Give the best ask, 0 where there is none."""
        words = self._words
        return int(self._block[words[START + 1]]) if words[COUNT + 1] != 0 else 0

    def apply(self, event: BookSnapshot | BookDelta) -> BookChange:
        """Take what the venue says and tell what it did to the book."""
        assert event.instrument == self.instrument_index
        return self.take(rows_of(event))

    def take(self, rows: Rows) -> BookChange:
        """Take the rows of one event."""
        flat = rows.reshape(-1)
        if flat[KIND] == SNAPSHOT_ROW:
            change = k.load_book(flat, 0, self._block, self._base)
            return self.settle() if change != k.UNCHANGED else BookChange.UNCHANGED
        if self._words[REASON] != 0:
            self._waiting.append(rows)
            return BookChange.UNCHANGED
        return _CHANGES[self._follow(rows)]

    def _follow(self, rows: Rows) -> int:
        change: int = k.follow_book(rows.reshape(-1), 0, self._block, self._base)
        if change == k.STALE:
            self.dropped(rows)
        return change

    def wait(self, rows: Rows) -> None:
        """Keep the rows of a change until a snapshot comes."""
        self._waiting.append(rows.copy())

    def dropped(self, rows: Rows) -> None:
        """Forget what waited when a change made the book stale; one after a gap is the next to wait."""
        self._waiting.clear()
        if self._words[REASON] == k.GAP:
            self._waiting.append(rows.copy())

    def forget(self) -> None:
        """Forget what waited: a change came that nobody could read."""
        self._waiting.clear()

    def settle(self) -> BookChange:
        """Apply what waited for the snapshot that was just loaded."""
        waiting, self._waiting = self._waiting, deque(maxlen=BUFFERED_MAX)
        for rows in waiting:
            if self._words[REASON] == 0:
                self._follow(rows)
            else:
                self._waiting.append(rows)
        if self._words[REASON] != 0:
            return BookChange.STALE
        self._words[ATTEMPTS] = 0
        return BookChange.SYNCED

    def _drop(self, reason: StaleReason) -> None:
        k.drop_book(self._block, self._base, int(reason))
        self._waiting.clear()

    def feed_up(self, now_ns: int) -> None:
        """Begin a new book epoch on a new connection: nothing of the old one counts."""
        self._drop(StaleReason.NEVER_SYNCED)
        words = self._words
        words[EPOCH] += 1
        words[LINKED], words[ATTEMPTS], words[ASKED_BOOK_NS] = 1, 0, now_ns - RETRY_NS_MIN

    def feed_lost(self) -> None:
        """Go stale with the connection; snapshots are not asked for until the next one stands."""
        self._drop(StaleReason.FEED_LOST)
        self._words[LINKED] = 0

    def restarted(self) -> None:
        """Go stale because the process began again."""
        self._drop(StaleReason.RESTARTED)
        self._words[LINKED] = 0

    def watch(self, now_ns: int) -> BookChange:
        """Go stale when nothing was applied for too long."""
        words = self._words
        if words[REASON] == 0 and now_ns - words[APPLIED_NS] > words[AGE_LIMIT_NS]:
            self._drop(StaleReason.AGE)
            return BookChange.STALE
        return BookChange.UNCHANGED

    def wants_snapshot(self, now_ns: int) -> bool:
        """Tell, once per retry interval, that a snapshot must be fetched; saying so counts as asking.

        The interval doubles from 0.5 s to 16 s while snapshots do not lead to a book.
        """
        words = self._words
        if words[REASON] == 0 or words[LINKED] == 0:
            return False
        attempts = words[ATTEMPTS]
        if now_ns - words[ASKED_BOOK_NS] < min(RETRY_NS_MIN << max(attempts - 1, 0), RETRY_NS_MAX):
            return False
        words[ASKED_BOOK_NS], words[ATTEMPTS] = now_ns, min(attempts + 1, 6)
        return True

    def state(self) -> bytes:
        """Give everything that a restart needs, as data."""
        words = np.array(self._words[FIXED_WORDS:])
        words[START - FIXED_WORDS : START - FIXED_WORDS + 2] = 0
        waiting = [rows.tobytes() for rows in self._waiting]
        return _ENCODER.encode(BookState(words.tobytes(), self.bids.tobytes(), self.asks.tobytes(), waiting))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; one too deep for this book begins stale."""
        kept = _DECODER.decode(state)
        words = np.frombuffer(kept.words, np.int64)
        assert len(words) == SYMBOL_WORDS - FIXED_WORDS, "a state of another layout"
        self._block[self._base + FIXED_WORDS : self._base + SYMBOL_WORDS] = words
        for side, cells in enumerate((kept.bids, kept.asks)):
            levels = np.frombuffer(cells, np.int64)
            first = self._words[AREA] + side * 2 * self._side_places
            self._words[START + side] = first
            if len(levels) > 2 * self._words[DEPTH]:
                self._drop(StaleReason.RESTARTED)
                break
            self._block[first : first + len(levels)] = levels
        self._waiting = deque(
            (self._own(np.frombuffer(rows, np.int64)) for rows in kept.waiting), maxlen=BUFFERED_MAX
        )

    def _own(self, kept: NDArray[np.int64]) -> Rows:
        """Give rows of a change that name the market by the place that it has now."""
        rows = kept.reshape(-1, ROW_WIDTH).copy()
        rows[0, INSTRUMENT] = self.instrument_index
        return rows
