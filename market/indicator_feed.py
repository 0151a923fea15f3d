"""Indicators with the rings and bars that they need, fed by events: for tests, research and slow paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import Rows
from domain.market_events import Levels, Tick, Trade
from market.bar import BarRings
from market.indicator_feed_kernels import (
    ARRAYS_AT,
    BLOCK_HEAD,
    SYMBOLS_AT,
    TICK_CAPACITY,
    forget_book,
    on_clock,
    on_levels,
    on_rows,
)
from market.indicators import Indicators
from market.ring import TickRings
from market.rows import rows_of
from market.schedule import Schedule


class IndicatorFeed:
    """Keep rings, bars and indicators of some symbols, and bring events to them one way.

    >>> feed = IndicatorFeed(["ema:3@trade"], symbols=1)
    >>> for number, price in enumerate((1, 3, 5, 7)):
    ...     feed.take(0, Trade(0, number, number, number, price, 1, 1))
    >>> feed.indicators.value(0, "ema:3@trade")
    5.0
    """

    def __init__(self, names: Sequence[str], symbols: int, schedule: Schedule | None = None) -> None:
        self._block = np.zeros(BLOCK_HEAD, np.int64)
        self._build(names, symbols, schedule)  # tells how much room they want
        self._build(names, symbols, schedule)
        mine = self.indicators
        self._indicators = mine.program, mine.marks, mine.state, mine.values
        self._barred = (self.bars.bars, self.bars.bar_heads, *self._indicators)

    def _build(self, names: Sequence[str], symbols: int, schedule: Schedule | None) -> None:
        block, begins = self._block, [BLOCK_HEAD]

        def zeros(shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
            begins.append(begins[-1] + math.prod(shape))
            if begins[-1] > len(block):
                return np.zeros(shape, kind)
            given: NDArray[Any] = block[begins[-2] : begins[-1]].view(kind).reshape(shape)
            return given

        self.rings, self.bars = TickRings(symbols, zeros=zeros), BarRings(symbols, zeros)
        self.indicators = Indicators(names, symbols, schedule, zeros)
        if begins[-1] > len(block):
            self._block = np.zeros(begins[-1], np.int64)
        self._block[SYMBOLS_AT], self._block[TICK_CAPACITY] = symbols, self.rings.capacity
        self._block[ARRAYS_AT : ARRAYS_AT + len(begins)] = begins

    def take(self, n: int, event: Tick | Trade) -> None:
        """Take a tick or a trade of symbol `n`."""
        self.take_rows(n, rows_of(event), 0, 1)

    def take_rows(self, n: int, rows: Rows, start: int, end: int) -> None:
        """Take rows of ticks and trades of symbol `n`."""
        self.indicators.settle(end - start)
        on_rows(self._block, n, rows, start, end)
        self.indicators.dispatch()

    def take_book(self, n: int, local_ns: int, bids: Levels, asks: Levels) -> None:
        """Take the best levels of a changed book of symbol `n`."""
        sides = np.array([*bids, *asks], np.int64).reshape(-1)
        self.indicators.settle(1)
        on_levels(*self._indicators, n, local_ns, sides, 0, len(bids), 2 * len(bids), len(asks))
        self.indicators.dispatch()

    def forget_book(self, n: int) -> None:
        """Count no order flow across a break of the book of symbol `n`."""
        forget_book(self.indicators.program, self.indicators.state, n)

    def close_until(self, n: int, exchange_ns: int, local_ns: int) -> None:
        """Close the bars of symbol `n` that have ended by then."""
        on_clock(*self._barred, n, exchange_ns, local_ns)

    def bytes_per_symbol(self) -> int:
        """Tell how much memory one symbol takes: its ring, its bars, its indicators."""
        parts = self.rings, self.bars, self.indicators
        return sum(part.bytes_per_symbol() for part in parts)
