"""Ranges of highs, lows and closes, each O(1) per bar (amortised for extremes); TA-Lib's conventions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.indicator_average_kernels import NAN, STILL, WINDOW, ZERO, ema, sma

Floats = NDArray[np.float64]

EMA_WORDS, ATR_WORDS = 3, 3


@kernel
def true_range(high: float, low: float, close_before: float) -> float:
    """Give how far prices went since the last close."""
    return max(high - low, abs(high - close_before), abs(low - close_before))


@kernel
def atr(s: Floats, at: int, n: int, high: float, low: float, close: float) -> float:
    """Average true ranges (Wilder), from the second bar on; state: count, last close, value."""
    seen, reach = s[at], true_range(high, low, s[at + 1])
    s[at + 1] = close
    if seen == 0.0:
        s[at] = 1.0
        return NAN
    if seen <= n:
        s[at] = seen + 1.0
        s[at + 2] += reach
        if seen < n:
            return NAN
        s[at + 2] /= n
    else:
        s[at + 2] = (s[at + 2] * (n - 1) + reach) / n
    return float(s[at + 2])


@kernel
def adx(
    s: Floats, at: int, n: int, high: float, low: float, close: float, values: Floats, row: int, column: int
) -> None:
    """Give the strength of a trend and both directions' shares; they stand while the market stands still.

    State: count, last high, low and close, then Wilder's sums of rises, falls and ranges, and the index.
    """
    seen = s[at]
    rise, fall = high - s[at + 1], s[at + 2] - low
    reach = true_range(high, low, s[at + 3])
    s[at] = seen + 1.0
    s[at + 1] = high
    s[at + 2] = low
    s[at + 3] = close
    if seen == 0.0:
        return
    if seen >= n and (reach > 0.0 or s[at + 6] > STILL):
        s[at + 4] -= s[at + 4] / n
        s[at + 5] -= s[at + 5] / n
        s[at + 6] -= s[at + 6] / n
    if fall > 0.0 and rise < fall:
        s[at + 5] += fall
    elif rise > 0.0 and rise > fall:
        s[at + 4] += rise
    s[at + 6] += reach
    if seen < n:
        return
    plus, minus = 0.0, 0.0
    if s[at + 6] > 0.0:
        plus, minus = 100.0 * s[at + 4] / s[at + 6], 100.0 * s[at + 5] / s[at + 6]
    values[row, column + 1] = plus
    values[row, column + 2] = minus
    moved = plus + minus >= ZERO
    share = 100.0 * abs(minus - plus) / (plus + minus) if moved else 0.0
    if seen < 2 * n:
        s[at + 7] += share
        if seen == 2 * n - 1:
            s[at + 7] /= n
            values[row, column] = s[at + 7]
        return
    if moved:
        s[at + 7] = (s[at + 7] * (n - 1) + share) / n
    values[row, column] = s[at + 7]


@kernel
def keltner(
    s: Floats,
    at: int,
    n: int,
    atr_n: int,
    high: float,
    low: float,
    close: float,
    values: Floats,
    row: int,
    column: int,
) -> None:
    """Put bands of average true ranges around an EMA; state: how many ranges, the EMA's, the ATR's."""
    middle = ema(s, at + 1, n, close)
    reach = s[at] * atr(s, at + 1 + EMA_WORDS, atr_n, high, low, close)
    if not (math.isnan(middle) or math.isnan(reach)):
        values[row, column] = middle
        values[row, column + 1] = middle + reach
        values[row, column + 2] = middle - reach


@kernel
def window_max(s: Floats, at: int, n: int, number: float, x: float) -> float:
    """Give the largest of the last `n` values, by a deque in which no value is under a later one.

    State: first place, how many, then (value, number) in a ring of `n`. Each value enters and leaves once.
    """
    first, count = int(s[at]), int(s[at + 1])
    if count > 0 and s[at + 3 + 2 * first] <= number - n:
        first += 1
        if first == n:
            first = 0
        count -= 1
    while count > 0:
        last = first + count - 1
        if last >= n:
            last -= n
        if s[at + 2 + 2 * last] > x:
            break
        count -= 1
    place = first + count
    if place >= n:
        place -= n
    s[at + 2 + 2 * place] = x
    s[at + 3 + 2 * place] = number
    s[at] = first
    s[at + 1] = count + 1
    return float(s[at + 2 + 2 * first])


@kernel
def donchian(
    s: Floats, at: int, n: int, high: float, low: float, values: Floats, row: int, column: int
) -> None:
    """Give the middle, top and bottom of the last `n` bars; state: count, both deques."""
    number = s[at] + 1.0
    s[at] = number
    top = window_max(s, at + 1, n, number, high)
    bottom = -window_max(s, at + 3 + 2 * n, n, number, -low)
    if number >= n:
        values[row, column] = 0.5 * (top + bottom)
        values[row, column + 1] = top
        values[row, column + 2] = bottom


@kernel
def stochastic(
    s: Floats,
    at: int,
    n: int,
    smooth: int,
    signal: int,
    high: float,
    low: float,
    close: float,
    values: Floats,
    row: int,
    column: int,
) -> None:
    """Place the close in the range of `n` bars, smoothed twice; state: count, deques, both averages."""
    number = s[at] + 1.0
    s[at] = number
    top = window_max(s, at + 1, n, number, high)
    bottom = -window_max(s, at + 3 + 2 * n, n, number, -low)
    if number < n:
        return
    fast = 100.0 * (close - bottom) / (top - bottom) if top != bottom else 0.0
    averages = at + 5 + 4 * n
    slow = sma(s, averages, smooth, fast)
    if math.isnan(slow):
        return
    line = sma(s, averages + WINDOW + smooth, signal, slow)
    if not math.isnan(line):
        values[row, column] = slow
        values[row, column + 1] = line
