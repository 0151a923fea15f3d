"""What volume and the book tell, each O(1) per event (a profile: O(bins), bounded by its own parameter)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.indicator_average_kernels import NAN, WINDOW, window_sum

Floats = NDArray[np.float64]

VALUE_AREA_FRAC = 0.7
# FULL, PLACE, first bin, whether there is one; then the bins, then (bin, volume) of each trade.
PROFILE_HEAD = 4


@kernel
def vwap(s: Floats, at: int, n: int, volume: float, notional: float) -> float:
    """Give the average price of what was traded; state: a window of volume, one of turnover."""
    lots = window_sum(s, at, n, volume)
    turnover = window_sum(s, at + WINDOW + n, n, notional)
    if lots > 0.0:
        return turnover / lots
    return NAN


@kernel
def obv(s: Floats, at: int, close: float, volume: float) -> float:
    """Add up volume by the direction of the price; state: begun, last, sum and what it lost (Kahan)."""
    change = close - s[at + 1]
    if s[at] == 0.0:
        s[at] = 1.0
        change = 1.0
    s[at + 1] = close
    if change != 0.0:
        part = (volume if change > 0.0 else -volume) - s[at + 3]
        total = s[at + 2] + part
        s[at + 3] = (total - s[at + 2]) - part
        s[at + 2] = total
    return float(s[at + 2])


@kernel
def profile(
    s: Floats,
    at: int,
    width: int,
    bins: int,
    n: int,
    price: float,
    volume: float,
    last: bool,
    values: Floats,
    row: int,
    column: int,
) -> None:
    """Give the price most traded at among the last `n` trades, and where 70 % of their volume lies around it.

    Bins are `width` ticks wide. A trade outside them puts the range anew, in the middle around itself;
    trades that are then outside do not count.
    """
    ring, place, number = at + PROFILE_HEAD + bins, int(s[at + 1]), float(int(price) // width)
    if s[at] != 0.0:
        old = int(s[ring + 2 * place] - s[at + 2])
        if 0 <= old < bins:
            s[at + PROFILE_HEAD + old] -= s[ring + 2 * place + 1]
    s[ring + 2 * place] = number
    s[ring + 2 * place + 1] = volume
    held = n if s[at] != 0.0 else place + 1
    if s[at + 3] == 0.0 or number < s[at + 2] or number >= s[at + 2] + bins:
        s[at + 3] = 1.0
        s[at + 2] = number - bins // 2
        _recount(s, at, bins, ring, held)
    else:
        s[at + PROFILE_HEAD + int(number - s[at + 2])] += volume
    place += 1
    if place == n:
        s[at] = 1.0
        place = 0
    s[at + 1] = place
    if s[at] != 0.0 and last:
        _value_area(s, at, width, bins, values, row, column)


@kernel
def _recount(s: Floats, at: int, bins: int, ring: int, held: int) -> None:
    for each in range(bins):
        s[at + PROFILE_HEAD + each] = 0.0
    for each in range(held):
        place = int(s[ring + 2 * each] - s[at + 2])
        if 0 <= place < bins:
            s[at + PROFILE_HEAD + place] += s[ring + 2 * each + 1]


@kernel
def _value_area(s: Floats, at: int, width: int, bins: int, values: Floats, row: int, column: int) -> None:
    first, best, total = at + PROFILE_HEAD, 0, 0.0
    for each in range(bins):
        total += s[first + each]
        if s[first + each] > s[first + best]:
            best = each
    low, high, held = best, best, s[first + best]
    while held < VALUE_AREA_FRAC * total and (low > 0 or high < bins - 1):
        above = s[first + high + 1] if high < bins - 1 else -1.0
        below = s[first + low - 1] if low > 0 else -1.0
        if above >= below:
            high += 1
            held += above
        else:
            low -= 1
            held += below
    values[row, column] = (s[at + 2] + best) * width + 0.5 * (width - 1)
    values[row, column + 1] = (s[at + 2] + low) * width
    values[row, column + 2] = (s[at + 2] + high) * width + width - 1


@kernel
def imbalance(s: Floats, levels_at: int, levels: int) -> float:
    """Give (bids - asks) / (bids + asks) of the sizes in the first `levels` levels."""
    bids, asks = 0.0, 0.0
    for level in range(levels):
        bids += s[levels_at + 4 * level + 1]
        asks += s[levels_at + 4 * level + 3]
    if bids + asks > 0.0:
        return (bids - asks) / (bids + asks)
    return NAN


@kernel
def microprice(s: Floats, levels_at: int) -> float:
    """Weigh the best prices by each other's size."""
    bid_lots, ask_lots = s[levels_at + 1], s[levels_at + 3]
    if bid_lots > 0.0 and ask_lots > 0.0:
        return float((s[levels_at] * ask_lots + s[levels_at + 2] * bid_lots) / (bid_lots + ask_lots))
    return NAN


@kernel
def order_flow(s: Floats, at: int, levels: int, n: int, levels_at: int, broken: float) -> float:
    """Sum what entered and left the first levels over the last `n` changes (Cont, Kukanov and Stoikov 2014).

    State: begun, the levels as they were, then a window. Nothing is counted across a break of the book.
    """
    before, flow = at + 1, 0.0
    for word in range(0, 4 * levels, 4):
        bid, bid_lots = s[levels_at + word], s[levels_at + word + 1]
        ask, ask_lots = s[levels_at + word + 2], s[levels_at + word + 3]
        if bid >= s[before + word]:
            flow += bid_lots
        if bid <= s[before + word]:
            flow -= s[before + word + 1]
        if ask <= s[before + word + 2]:
            flow -= ask_lots
        if ask >= s[before + word + 2]:
            flow += s[before + word + 3]
        s[before + word] = bid
        s[before + word + 1] = bid_lots
        s[before + word + 2] = ask
        s[before + word + 3] = ask_lots
    window = before + 4 * levels
    if s[at] == 0.0 or broken != 0.0:
        s[at] = 1.0
        return s[window + 2] if s[window] != 0.0 else NAN
    return window_sum(s, window, n, flow)
