"""Random bars, and what indicators make of them one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.indicator_feed_kernels import inputs_of
from market.indicator_kernels import set_bar, step_bar
from market.indicator_layout import HOUR_CLOCK, MINUTE_CLOCK
from market.indicators import Indicators

Floats = NDArray[np.float64]


@dataclass
class Series:
    """Hold bars as TA-Lib takes them."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def random_series(seed: int, count: int, whole: bool = False) -> Series:
    """Give bars that wander; `whole` ones have many equal prices, flat bars and no moves at all."""
    draw = np.random.default_rng(seed)
    scale = 0.7 if whole else 3.0
    close = 500.0 + np.cumsum(draw.normal(0, scale, count))
    open_ = np.concatenate(([500.0], close[:-1])) + draw.normal(0, scale / 3, count)
    high = np.maximum(open_, close) + np.abs(draw.normal(0, scale, count))
    low = np.minimum(open_, close) - np.abs(draw.normal(0, scale, count))
    volume = np.floor(draw.exponential(40, count))
    if whole:
        open_, high, low, close = np.round(open_), np.round(high), np.round(low), np.round(close)
    return Series(open_, high, low, close, volume)


def run(names: list[str], series: Series, clock: int = MINUTE_CLOCK) -> dict[str, Floats]:
    """Give every value after every bar, NaN while absent."""
    indicators = Indicators(names, 1)
    arrays = indicators.program, indicators.marks, indicators.state, indicators.values
    count = len(series.close)
    found = np.empty((count, len(indicators.columns)))
    i = inputs_of(indicators.program, 0, clock)
    assert clock in (MINUTE_CLOCK, HOUR_CLOCK)
    bars = zip(series.open, series.high, series.low, series.close, series.volume, strict=True)
    for at, (open_, high, low, close, volume) in enumerate(bars):
        turnover = (high + low + close) / 3.0 * volume
        set_bar(indicators.state, i, open_, high, low, close, volume, turnover)
        step_bar(*arrays, 0, clock, at, at)
        found[at] = indicators.row(0)
    return {name: found[:, at] for at, name in enumerate(indicators.columns)}
