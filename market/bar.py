"""Closed bars of each symbol: the last 1,440 minutes and 168 hours; `bar_kernels` tells how they are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.market_events import Tick, Trade
from market.bar_kernels import (
    BAR_WIDTH,
    HEAD_WIDTH,
    HOUR_COUNT,
    HOURS,
    HOURS_AT,
    LATE,
    MINUTE_COUNT,
    MINUTES,
    ROWS,
    SKIPPED,
    close_minutes,
    take_trade,
)
from market.ring import Zeros, framed, unframed

BAR_DTYPE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "start_ns",
            "open_ticks",
            "high_ticks",
            "low_ticks",
            "close_ticks",
            "volume_lots",
            "trades",
            "notional_tick_lots",
            "buy_lots",
            "first_ns",
            "last_ns",
        )
    ]
)


class BarRings:
    """Keep the closed bars of every symbol in one array.

    >>> bars = BarRings(symbols=1)
    >>> bars.trade(0, Trade(0, 30_000_000_000, 0, 1, 100, 5, 1))
    >>> bars.trade(0, Trade(0, 59_000_000_000, 0, 2, 97, 1, -1))
    >>> len(bars.minutes(0, 10))
    0
    >>> bars.trade(0, Trade(0, 61_000_000_000, 0, 3, 99, 1, -1))
    >>> bars.minutes(0, 10)[["open_ticks", "low_ticks", "close_ticks", "volume_lots"]].tolist()
    [(100, 97, 97, 6)]
    """

    def __init__(self, symbols: int, zeros: Zeros = np.zeros) -> None:
        assert symbols > 0
        self.symbols = symbols
        self.bars: NDArray[np.int64] = zeros((symbols, ROWS, BAR_WIDTH), np.int64)
        self.bar_heads: NDArray[np.int64] = zeros((symbols, HEAD_WIDTH), np.int64)

    def trade(self, n: int, trade: Trade) -> None:
        """Take a trade of symbol `n`."""
        take_trade(
            self.bars,
            self.bar_heads,
            n,
            trade.exchange_ts_ns,
            trade.price_ticks,
            trade.size_lots,
            trade.aggressor,
        )

    def tick(self, n: int, tick: Tick) -> None:
        """Close what a tick of symbol `n` tells to be over."""
        self.close_until(n, tick.exchange_ts_ns)

    def close_until(self, n: int, exchange_ns: int) -> None:
        """Close every minute of symbol `n` that ended by then."""
        close_minutes(self.bars, self.bar_heads, n, exchange_ns)

    def minutes(self, n: int, count: int = MINUTES) -> NDArray[np.void]:
        """Give up to `count` latest minutes, oldest first, as a view that later bars overwrite."""
        return self._last(n, count, 0, MINUTES, MINUTE_COUNT)

    def hours(self, n: int, count: int = HOURS) -> NDArray[np.void]:
        """Give up to `count` latest hours, oldest first, as a view that later bars overwrite."""
        return self._last(n, count, HOURS_AT, HOURS, HOUR_COUNT)

    def _last(self, n: int, count: int, first: int, capacity: int, counter: int) -> NDArray[np.void]:
        made = int(self.bar_heads[n, counter])
        size = min(max(count, 0), made, capacity)
        end = first + (made - 1) % capacity + capacity + 1
        view: NDArray[np.void] = self.bars[n].reshape(-1).view(BAR_DTYPE)[end - size : end]
        view.flags.writeable = False
        return view

    def late(self, n: int) -> int:
        """Tell how many trades came after their minute had closed."""
        return int(self.bar_heads[n, LATE])

    def skipped(self, n: int) -> int:
        """Tell how many minutes of long gaps were left out."""
        return int(self.bar_heads[n, SKIPPED])

    def bytes_per_symbol(self) -> int:
        """Tell how much memory one symbol takes."""
        return int(self.bars[0].nbytes + self.bar_heads[0].nbytes)

    def state_of(self, n: int) -> bytes:
        """Give everything of symbol `n` that a restart needs, as data."""
        head = self.bar_heads[n].tobytes()
        return framed([head, self.minutes(n).tobytes(), self.hours(n).tobytes()])

    def restore_to(self, n: int, state: bytes) -> None:
        """Take back what `state_of` gave."""
        head, minutes, hours = (np.frombuffer(part, np.int64) for part in unframed(state))
        self.bar_heads[n] = head
        self._fill(n, minutes.reshape(-1, BAR_WIDTH), 0, MINUTES, MINUTE_COUNT)
        self._fill(n, hours.reshape(-1, BAR_WIDTH), HOURS_AT, HOURS, HOUR_COUNT)

    def _fill(self, n: int, kept: NDArray[np.int64], first: int, capacity: int, counter: int) -> None:
        made = int(self.bar_heads[n, counter])
        places = first + np.arange(made - len(kept), made) % capacity
        self.bars[n, places] = kept
        self.bars[n, places + capacity] = kept

    def state(self) -> bytes:
        """Give everything that a restart needs, as data."""
        return framed([self.state_of(n) for n in range(self.symbols)])

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave, from bars of as many symbols."""
        parts = unframed(state)
        assert len(parts) == self.symbols, f"bars of {len(parts)} symbols cannot fill {self.symbols}"
        for n, part in enumerate(parts):
            self.restore_to(n, part)
