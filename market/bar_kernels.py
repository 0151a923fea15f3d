"""Build bars of a minute and of an hour out of trades, per symbol, in mirrored rings of closed bars.

A bar is made of trades, in exchange time, as the venues' own klines are; quotes only tell that time has
passed. It enters its ring when it closes, so that nobody can look ahead. A minute without a trade closes
flat at the last price with no volume; before the first trade there are no bars. An hour is made of all of its
sixty minutes or not at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Ints = NDArray[np.int64]

MINUTES, HOURS = 1440, 168
HOURS_AT = 2 * MINUTES
ROWS = 2 * (MINUTES + HOURS)
MINUTE_NS = 60_000_000_000

# Columns of a bar. FIRST_NS and LAST_NS are those of its trades, 0 in a flat one.
START_NS, OPEN, HIGH, LOW, CLOSE, VOLUME, TRADES, NOTIONAL, BUYS, FIRST_NS, LAST_NS = range(11)
BAR_WIDTH = 11

# Words of a symbol's head. OPEN_MINUTE is one more than the minute, so that 0 says "none yet".
MINUTE_COUNT, HOUR_COUNT, LATE, SKIPPED, OPEN_MINUTE, HOUR_NEXT, LAST_CLOSE, TRADED = range(8)
MINUTE_BAR, HOUR_BAR = 8, 20
HEAD_WIDTH = 32

NOTHING, MINUTE_CLOSED, HOUR_CLOSED = 0, 1, 2
NOTIONAL_MAX = 1 << 62


@kernel
def minute_over(bar_heads: Ints, n: int, exchange_ns: int) -> bool:
    """Tell whether the open minute of a symbol has ended; the first call opens one."""
    if bar_heads[n, OPEN_MINUTE] == 0:
        bar_heads[n, OPEN_MINUTE] = exchange_ns // MINUTE_NS + 1
    return bool(exchange_ns >= bar_heads[n, OPEN_MINUTE] * MINUTE_NS)


@kernel
def fold_trade(
    bar_heads: Ints, n: int, exchange_ns: int, price_ticks: int, size_lots: int, aggressor: int
) -> bool:
    """Take a trade into the open minute; one of a minute that is closed is counted as late.

    Minutes that are over must have been closed before (`minute_over`, `close_minute`).
    """
    if exchange_ns < (bar_heads[n, OPEN_MINUTE] - 1) * MINUTE_NS:
        bar_heads[n, LATE] += 1
        return False
    at = MINUTE_BAR
    if bar_heads[n, at + TRADES] == 0:
        bar_heads[n, at + OPEN] = price_ticks
        bar_heads[n, at + HIGH] = price_ticks
        bar_heads[n, at + LOW] = price_ticks
        bar_heads[n, at + FIRST_NS] = exchange_ns
        bar_heads[n, at + LAST_NS] = exchange_ns
    bar_heads[n, at + HIGH] = max(bar_heads[n, at + HIGH], price_ticks)
    bar_heads[n, at + LOW] = min(bar_heads[n, at + LOW], price_ticks)
    bar_heads[n, at + CLOSE] = price_ticks
    bar_heads[n, at + VOLUME] += size_lots
    bar_heads[n, at + TRADES] += 1
    if float(price_ticks) * float(size_lots) < float(NOTIONAL_MAX - bar_heads[n, at + NOTIONAL]):
        bar_heads[n, at + NOTIONAL] += price_ticks * size_lots
    else:
        bar_heads[n, at + NOTIONAL] = NOTIONAL_MAX
    if aggressor > 0:
        bar_heads[n, at + BUYS] += size_lots
    bar_heads[n, at + LAST_NS] = max(bar_heads[n, at + LAST_NS], exchange_ns)
    bar_heads[n, LAST_CLOSE] = price_ticks
    bar_heads[n, TRADED] = 1
    return True


@kernel
def close_minute(bars: Ints, bar_heads: Ints, n: int, exchange_ns: int) -> int:
    """Close the open minute and open the one after it; tell which bars were finished by that.

    Of a gap longer than the ring only the last `MINUTES` minutes are filled; SKIPPED counts the others.
    """
    minute, target = bar_heads[n, OPEN_MINUTE] - 1, exchange_ns // MINUTE_NS
    follows = minute + 1
    if bar_heads[n, TRADED] == 0:
        bar_heads[n, OPEN_MINUTE] = target + 1
        return NOTHING
    if target - follows > MINUTES:
        bar_heads[n, SKIPPED] += target - MINUTES - follows
        follows = target - MINUTES
    at = MINUTE_BAR
    if bar_heads[n, at + TRADES] == 0:
        for column in (OPEN, HIGH, LOW, CLOSE):
            bar_heads[n, at + column] = bar_heads[n, LAST_CLOSE]
    bar_heads[n, at + START_NS] = minute * MINUTE_NS
    _keep(bars, bar_heads, n, at, 0, MINUTES, MINUTE_COUNT)
    closed = MINUTE_CLOSED
    if _fold_minute(bar_heads, n, minute):
        _keep(bars, bar_heads, n, HOUR_BAR, HOURS_AT, HOURS, HOUR_COUNT)
        closed |= HOUR_CLOSED
    for column in range(BAR_WIDTH):
        bar_heads[n, at + column] = 0
    bar_heads[n, OPEN_MINUTE] = follows + 1
    return closed


@kernel
def _fold_minute(bar_heads: Ints, n: int, minute: int) -> bool:
    """Take the closed minute into the open hour; tell whether that made the hour whole."""
    hour, at = HOUR_BAR, MINUTE_BAR
    if minute % 60 == 0:
        for column in range(BAR_WIDTH):
            bar_heads[n, hour + column] = bar_heads[n, at + column]
        bar_heads[n, HOUR_NEXT] = minute + 2
        return False
    if bar_heads[n, HOUR_NEXT] != minute + 1:
        bar_heads[n, HOUR_NEXT] = 0
        return False
    bar_heads[n, hour + HIGH] = max(bar_heads[n, hour + HIGH], bar_heads[n, at + HIGH])
    bar_heads[n, hour + LOW] = min(bar_heads[n, hour + LOW], bar_heads[n, at + LOW])
    bar_heads[n, hour + CLOSE] = bar_heads[n, at + CLOSE]
    for column in (VOLUME, TRADES, BUYS):
        bar_heads[n, hour + column] += bar_heads[n, at + column]
    room = NOTIONAL_MAX - bar_heads[n, hour + NOTIONAL]
    bar_heads[n, hour + NOTIONAL] += min(bar_heads[n, at + NOTIONAL], room)
    if bar_heads[n, at + TRADES] != 0:
        if bar_heads[n, hour + FIRST_NS] == 0:
            bar_heads[n, hour + FIRST_NS] = bar_heads[n, at + FIRST_NS]
        bar_heads[n, hour + LAST_NS] = bar_heads[n, at + LAST_NS]
    bar_heads[n, HOUR_NEXT] = minute + 2
    return bool(minute % 60 == 59)


@kernel
def _keep(bars: Ints, bar_heads: Ints, n: int, bar: int, first: int, capacity: int, counter: int) -> None:
    at = first + bar_heads[n, counter] % capacity
    bar_heads[n, counter] += 1
    for column in range(BAR_WIDTH):
        bars[n, at, column] = bar_heads[n, bar + column]
        bars[n, at + capacity, column] = bar_heads[n, bar + column]


@kernel(called=True)
def close_minutes(bars: Ints, bar_heads: Ints, n: int, exchange_ns: int) -> int:
    """Close every minute that is over, for bars used without indicators; give how many bars that made."""
    made = 0
    while minute_over(bar_heads, n, exchange_ns):
        closed = close_minute(bars, bar_heads, n, exchange_ns)
        made += (closed & 1) + (closed >> 1)
    return made


@kernel(called=True)
def take_trade(
    bars: Ints, bar_heads: Ints, n: int, exchange_ns: int, price_ticks: int, size_lots: int, aggressor: int
) -> int:
    """Close what is over, then take a trade, for bars used without indicators."""
    made: int = close_minutes(bars, bar_heads, n, exchange_ns)
    fold_trade(bar_heads, n, exchange_ns, price_ticks, size_lots, aggressor)
    return made
