"""Where everything of the pipeline lies: one int64 block for all symbols, so that a kernel takes one array.

The block holds a header of settings and of what was seen last, then a record of words for each symbol, for
each venue and for each group of equal markets, then the books. Some words hold the bits of a float64. A
side's area holds twice the levels that it may, and its levels begin in the middle of it: a change near the
best price moves only what is better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.int64]
Reals = NDArray[np.float64]

# Header words: what `advance` saw; TRADE_* only where a trade was seen.
FLAGS, SEEN, SEEN_EXCHANGE_NS, SEEN_LOCAL_NS, SEEN_SEQUENCE = 0, 1, 2, 3, 4
SEEN_BID, SEEN_BID_LOTS, SEEN_ASK, SEEN_ASK_LOTS = 5, 6, 7, 8
TRADE_PRICE, TRADE_SIZE, TRADE_AGGRESSOR, TRADE_ID, BEGAN, CHANGE = 9, 10, 11, 12, 13, 14
SEEN_WORDS = 16
# Header words: settings, counts and places. Those in bps and per second are float64.
SYMBOLS, SYMBOLS_AT, PLACES = 16, 17, 18
TICKS, UNKNOWN_ROWS = 19, 20
FORCED_MODE, ASK_TRADES, MOVE_BPS, QUIET_NS, LATCH_NS = 21, 22, 23, 24, 25
SMART_UP, SMART_DOWN, LATCH_UP, LATCH_DOWN, RATE_NS = 26, 27, 28, 29, 30
SUSPECT_BPS, REJECT_BPS, CLAIM_NS_MAX, FROZEN_NS, FROZEN_BPS = 31, 32, 33, 34, 35
SKEW_NS, SKEW_WINDOW_NS = 36, 37
# The row that a touch taken from a book is told by, and room to sort prices in.
ROW_AT, SORT_AT = 40, 50
GROUP_MEMBERS_MAX = 15
# Places of the arrays of rings, bars and indicators: (first word, word after) of each, from here on.
PARTS_AT, PARTS_MAX = 66, 8
HEADER = 96

# Words of a symbol that its config fixes.
PRESENT, DEPTH, TRUNCATED, AGE_LIMIT_NS, PRICE_UNITS, SIZE_UNITS = 0, 1, 2, 3, 4, 5
GROUP, VENUE, TICK_VALUE, AREA, FIXED_WORDS = 6, 7, 8, 9, 12
# Words of its book; those of a side come in pairs, bids first.
START, COUNT, HORIZON = 12, 14, 16
REASON, LINKED, STRADDLED, EPOCH, BOOK_SEQUENCE = 18, 19, 20, 21, 22
APPLIED_NS, ASKED_BOOK_NS, ATTEMPTS, FIRST_SEQUENCE = 23, 24, 25, 26
# Words of its touch and of its last trade.
BID, BID_LOTS_AT, ASK, ASK_LOTS_AT, TOUCH_SEQUENCE, TOUCH_NS, TOUCH_EXCHANGE_NS = 30, 31, 32, 33, 34, 35, 36
LAST_TRADE, LAST_TRADE_NS, LAST_PRICE, LAST_SIZE, TRADE_EPOCH = 37, 38, 39, 40, 41
# Words of its significance: RATE is a float64.
MODE, ASKED_NS, ASKED_MID, RATE, TICK_NS, TICK_COUNT, ASKS = 44, 45, 46, 47, 48, 49, 50
# Words of its quality: CLAIM and MEDIAN are float64 prices.
LEVEL, CLAIM, CLAIM_NS, CHANGED_NS, MEDIAN, HEARD_NS, FROZEN = 54, 55, 56, 57, 58, 59, 60
COUNTS, REASONS = 64, 16
SYMBOL_WORDS = 80

# Words of a venue: what its clock was found to be against ours. DRIFT is a float64, in parts per billion.
KNOWN, OFFSET_NS, OFFSET_AT_NS, WINDOW_NS, WINDOW_MIN_NS, DRIFT, JUMPS = 0, 1, 2, 3, 4, 5, 6
VENUE_WORDS = 8

FIGURE_MAX = 1 << 53
TIME_MAX = (1 << 62) - 1
NO_HORIZON = 1 << 62


def places(depth_max: int) -> int:
    """Give how many levels a side's area holds."""
    return 2 * depth_max + 2


class Columns:
    """Lay out one block; parts follow the books, in the order in which they are asked for."""

    def __init__(self, symbols: int, venues: int, groups: Iterable[int], depth_max: int) -> None:
        sizes = list(groups)
        self.symbols, self.depth_max = symbols, depth_max
        self.symbols_at = HEADER
        self.venues_at = self.symbols_at + symbols * SYMBOL_WORDS
        self.groups_at = self.venues_at + venues * VENUE_WORDS
        self.books_at = self.groups_at + len(sizes) * (1 + GROUP_MEMBERS_MAX)
        self.side_words = 2 * places(depth_max)
        self.end = self.books_at + symbols * 2 * self.side_words
        self.block: Block = np.zeros(0, np.int64)
        self._parts = 0

    def symbol(self, slot: int) -> int:
        """Give where a symbol's words begin."""
        return self.symbols_at + slot * SYMBOL_WORDS

    def venue(self, place: int) -> int:
        """Give where a venue's words begin."""
        return self.venues_at + place * VENUE_WORDS

    def group(self, place: int) -> int:
        """Give where a group's words begin: how many members, then where each begins."""
        return self.groups_at + place * (1 + GROUP_MEMBERS_MAX)

    def area(self, slot: int) -> int:
        """Give where a symbol's two sides begin."""
        return self.books_at + slot * 2 * self.side_words

    def allocate(self, more_words: int = 0) -> Block:
        """Make the block, with room for parts; nothing is in it yet but where things lie."""
        # Written once from end to end: what the system gives lazily would be faulted in between a tick and
        # its order, and would look like a leak for as long as rings fill.
        self.block = np.empty(self.end + more_words, np.int64)
        self.block.fill(0)
        header = self.block
        header[SYMBOLS], header[SYMBOLS_AT], header[PLACES] = (
            self.symbols,
            self.symbols_at,
            places(self.depth_max),
        )
        return self.block

    def zeros(self, shape: Any, dtype: Any) -> NDArray[Any]:
        """Give the next part of the block as an array: `np.zeros` for those whose memory lies here."""
        words = int(np.prod(shape))
        at, self.end = self.end, self.end + words
        assert self.end <= len(self.block) and self._parts < PARTS_MAX and np.dtype(dtype).itemsize == 8
        self.block[PARTS_AT + 2 * self._parts], self.block[PARTS_AT + 2 * self._parts + 1] = at, self.end
        self._parts += 1
        part: NDArray[Any] = self.block[at : self.end].view(dtype).reshape(shape)
        return part

    def fit(self, slot: int, depth: int, age_ns_max: int, *, truncated: bool = False) -> None:
        """Say that a slot has a symbol, and how its book is kept."""
        assert 0 < depth <= self.depth_max
        base, block = self.symbol(slot), self.block
        block[base + PRESENT], block[base + DEPTH], block[base + TRUNCATED] = 1, depth, truncated
        block[base + AGE_LIMIT_NS], block[base + AREA] = age_ns_max, self.area(slot)
        block[base + PRICE_UNITS], block[base + SIZE_UNITS] = 1, 1
        block[base + REASON], block[base + TOUCH_SEQUENCE], block[base + MODE] = 1, -1, 1
        for side in (0, 1):
            block[base + START + side] = self.area(slot) + side * self.side_words
            block[base + HORIZON + side] = NO_HORIZON
