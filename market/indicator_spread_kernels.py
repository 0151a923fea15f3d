"""How far prices spread, each O(1) per value. Deviations are the population's, as in TA-Lib."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.indicator_average_kernels import NAN, ZERO, window_sum

Floats = NDArray[np.float64]

# FULL, PLACE, then sum, sum of squares and the value both are taken from; the same fresh; then MEAN, values.
MOMENTS = 9
MEAN = 8


@kernel
def window_deviation(s: Floats, at: int, n: int, x: float) -> float:
    """Give the deviation of the last `n` values and leave their mean in the state.

    Sums are of distances to a value of the window itself, so that a high price does not drown its moves.
    """
    place = int(s[at + 1])
    away, old = x - s[at + 4], s[at + MOMENTS + place] - s[at + 4]
    s[at + 2] += away - old
    s[at + 3] += away * away - old * old
    s[at + MOMENTS + place] = x
    if place == 0:
        s[at + 5] = 0.0
        s[at + 6] = 0.0
        s[at + 7] = x
    fresh = x - s[at + 7]
    s[at + 5] += fresh
    s[at + 6] += fresh * fresh
    place += 1
    if place == n:
        s[at] = 1.0
        s[at + 2], s[at + 3], s[at + 4] = s[at + 5], s[at + 6], s[at + 7]
        place = 0
    s[at + 1] = place
    if s[at] == 0.0:
        return NAN
    shift = s[at + 2] / n
    s[at + MEAN] = s[at + 4] + shift
    variance = s[at + 3] / n - shift * shift
    if variance < ZERO:
        return 0.0
    return math.sqrt(variance)


@kernel
def bollinger(s: Floats, at: int, n: int, x: float, values: Floats, row: int, column: int) -> None:
    """Put bands of deviations around the mean; state: how many deviations, then the window."""
    deviation = s[at] * window_deviation(s, at + 1, n, x)
    if not math.isnan(deviation):
        middle = s[at + 1 + MEAN]
        values[row, column] = middle
        values[row, column + 1] = middle + deviation
        values[row, column + 2] = middle - deviation


@kernel
def zscore(s: Floats, at: int, n: int, x: float) -> float:
    """Give the distance to the mean in deviations, 0 where nothing deviates."""
    deviation = window_deviation(s, at, n, x)
    if deviation == 0.0:
        return 0.0
    return float((x - s[at + MEAN]) / deviation)


@kernel
def realised(s: Floats, at: int, n: int, log_return: float) -> float:
    """Give the root of the sum of the last `n` squared log returns."""
    if math.isnan(log_return):
        return NAN
    total = window_sum(s, at, n, log_return * log_return)
    if math.isnan(total):
        return NAN
    return math.sqrt(max(total, 0.0))


@kernel
def ewma(s: Floats, at: int, n: int, log_return: float) -> float:
    """Give the root of the exponentially weighted mean of squared log returns.

    State: count, variance, weight of the past. Seeded by the plain mean of the first `n`.
    """
    if math.isnan(log_return):
        return NAN
    square = log_return * log_return
    if s[at] < n:
        s[at] += 1.0
        s[at + 1] += square
        if s[at] < n:
            return NAN
        s[at + 1] /= n
    else:
        s[at + 1] = s[at + 2] * s[at + 1] + (1.0 - s[at + 2]) * square
    return math.sqrt(s[at + 1])
