"""Averages and momentum, each O(1) per value: `s[at:]` is one indicator's state; NaN says "not yet".

Running sums do not drift: beside the sum that slides, a fresh one is built from nothing over each stretch of
as many values as the window holds, and takes the place of the first when it covers the whole window.
Conventions are TA-Lib's: averages are seeded by the simple mean, Wilder's by the mean of the first changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Floats = NDArray[np.float64]

NAN = float("nan")
ZERO = 1e-14  # below this a spread or a share counts as none
# Averages that only shrink stop here: their ratio stands, and no bits are lost to numbers near the least.
STILL = 1e-100

# A window of sums: FULL, PLACE, SUM, FRESH, then the values.
WINDOW = 4


@kernel
def window_sum(s: Floats, at: int, n: int, x: float) -> float:
    """Slide a sum of `n` values on by one."""
    place = int(s[at + 1])
    s[at + 3] += x
    s[at + 2] += x - s[at + WINDOW + place]
    s[at + WINDOW + place] = x
    place += 1
    if place == n:
        s[at] = 1.0
        s[at + 2] = s[at + 3]
        s[at + 3] = 0.0
        place = 0
    s[at + 1] = place
    if s[at] == 0.0:
        return NAN
    return float(s[at + 2])


@kernel
def sma(s: Floats, at: int, n: int, x: float) -> float:
    """Average the last `n` values."""
    return window_sum(s, at, n, x) / n


@kernel
def ema(s: Floats, at: int, n: int, x: float) -> float:
    """Average with weights that fall by 1 - 2/(n + 1); state: count, value, that factor."""
    if s[at] < n:
        s[at] += 1.0
        s[at + 1] += x
        if s[at] < n:
            return NAN
        s[at + 1] /= n
    else:
        s[at + 1] += s[at + 2] * (x - s[at + 1])
    return float(s[at + 1])


@kernel
def wma(s: Floats, at: int, n: int, x: float) -> float:
    """Average with weights 1 to `n`; state: full, place, weighted and plain sum, the same fresh, values."""
    place = int(s[at + 1])
    s[at + 4] += (place + 1) * x
    s[at + 5] += x
    s[at + 2] += n * x - s[at + 3]
    s[at + 3] += x - s[at + 6 + place]
    s[at + 6 + place] = x
    place += 1
    if place == n:
        s[at] = 1.0
        s[at + 2], s[at + 3] = s[at + 4], s[at + 5]
        s[at + 4] = 0.0
        s[at + 5] = 0.0
        place = 0
    s[at + 1] = place
    if s[at] == 0.0:
        return NAN
    return float(s[at + 2]) / (0.5 * n * (n + 1))


@kernel
def rsi(s: Floats, at: int, n: int, x: float) -> float:
    """Weigh gains against losses (Wilder), 0 where nothing ever moved; state: count, last, gain, loss.

    A market that stands still keeps its value.
    """
    seen, change = s[at], x - s[at + 1]
    s[at + 1] = x
    if seen == 0.0:
        s[at] = 1.0
        return NAN
    gain, loss = max(change, 0.0), max(-change, 0.0)
    if seen <= n:
        s[at] = seen + 1.0
        s[at + 2] += gain
        s[at + 3] += loss
        if seen < n:
            return NAN
        s[at + 2] /= n
        s[at + 3] /= n
    elif change != 0.0 or s[at + 2] + s[at + 3] > STILL:
        s[at + 2] = (s[at + 2] * (n - 1) + gain) / n
        s[at + 3] = (s[at + 3] * (n - 1) + loss) / n
    total = s[at + 2] + s[at + 3]
    if total == 0.0:
        return 0.0
    return float(100.0 * s[at + 2] / total)


@kernel
def macd(
    s: Floats, at: int, fast: int, slow: int, signal: int, x: float, values: Floats, n: int, column: int
) -> None:
    """Give the gap of two EMAs, its own EMA and the gap to that, all from where the last is there.

    State: count, fast, slow, signal, and their three factors. Both EMAs begin together, as in TA-Lib.
    """
    if s[at] < slow:
        s[at] += 1.0
        s[at + 2] += x
        if s[at] > slow - fast:
            s[at + 1] += x
        if s[at] < slow:
            return
        s[at + 1] /= fast
        s[at + 2] /= slow
    else:
        s[at] += 1.0
        s[at + 1] += s[at + 4] * (x - s[at + 1])
        s[at + 2] += s[at + 5] * (x - s[at + 2])
    line = s[at + 1] - s[at + 2]
    gaps = s[at] - slow + 1.0
    if gaps <= signal:
        s[at + 3] += line
        if gaps < signal:
            return
        s[at + 3] /= signal
    else:
        s[at + 3] += s[at + 6] * (line - s[at + 3])
    values[n, column] = line
    values[n, column + 1] = s[at + 3]
    values[n, column + 2] = line - s[at + 3]


@kernel
def roc(s: Floats, at: int, n: int, x: float) -> float:
    """Give the change over `n` steps as a fraction, 0 from a price of 0; state: full, place, values."""
    place = int(s[at + 1])
    old, full = s[at + 2 + place], s[at]
    s[at + 2 + place] = x
    place += 1
    if place == n:
        s[at] = 1.0
        place = 0
    s[at + 1] = place
    if full == 0.0:
        return NAN
    if old == 0.0:
        return 0.0
    return float((x - old) / old)
