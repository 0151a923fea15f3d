"""Indicators equal TA-Lib's (whose conventions they take) and, where conventions meet, talipp's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib
import talipp.indicators as peer
from numpy.typing import NDArray
from talipp.ohlcv import OHLCV

from domain.market_events import Trade
from hw.kernel import kernels_on
from market.indicator_feed import IndicatorFeed
from tests.market.indicator_series import Series, random_series, run

Floats = NDArray[np.float64]
COUNT = 400 if kernels_on() else 150
STILL = 30_000 if kernels_on() else 12_000
SEEDS = range(6 if kernels_on() else 2)

# One function of TA-Lib for each column.
TALIB: dict[str, Callable[[Series], Any]] = {
    "sma:17@1m": lambda s: talib.SMA(s.close, 17),
    "sma:2@1m": lambda s: talib.SMA(s.close, 2),
    "ema:9@1m": lambda s: talib.EMA(s.close, 9),
    "wma:12@1m": lambda s: talib.WMA(s.close, 12),
    "rsi:14@1m": lambda s: talib.RSI(s.close, 14),
    "rsi:2@1m": lambda s: talib.RSI(s.close, 2),
    "macd:5,13,4@1m": lambda s: talib.MACD(s.close, 5, 13, 4)[0],
    "macd:5,13,4@1m.signal": lambda s: talib.MACD(s.close, 5, 13, 4)[1],
    "macd:5,13,4@1m.histogram": lambda s: talib.MACD(s.close, 5, 13, 4)[2],
    "roc:7@1m": lambda s: talib.ROCP(s.close, 7),
    "atr:14@1m": lambda s: talib.ATR(s.high, s.low, s.close, 14),
    "adx:9@1m": lambda s: talib.ADX(s.high, s.low, s.close, 9),
    "adx:9@1m.plus": lambda s: talib.PLUS_DI(s.high, s.low, s.close, 9),
    "adx:9@1m.minus": lambda s: talib.MINUS_DI(s.high, s.low, s.close, 9),
    "bollinger:20,2.5@1m": lambda s: talib.BBANDS(s.close, 20, 2.5, 2.5)[1],
    "bollinger:20,2.5@1m.upper": lambda s: talib.BBANDS(s.close, 20, 2.5, 2.5)[0],
    "bollinger:20,2.5@1m.lower": lambda s: talib.BBANDS(s.close, 20, 2.5, 2.5)[2],
    "zscore:16@1m": lambda s: (s.close - talib.SMA(s.close, 16)) / talib.STDDEV(s.close, 16, 1.0),
    "donchian:11@1m": lambda s: (talib.MAX(s.high, 11) + talib.MIN(s.low, 11)) / 2,
    "donchian:11@1m.upper": lambda s: talib.MAX(s.high, 11),
    "donchian:11@1m.lower": lambda s: talib.MIN(s.low, 11),
    "stochastic:14,3,5@1m": lambda s: _stochastic(s)[0],
    "stochastic:14,3,5@1m.signal": lambda s: _stochastic(s)[1],
    "keltner:15,15,1.5@1m": lambda s: _keltner(s, 0.0),
    "keltner:15,15,1.5@1m.upper": lambda s: _keltner(s, 1.5),
    "keltner:15,15,1.5@1m.lower": lambda s: _keltner(s, -1.5),
    "obv@1m": lambda s: talib.OBV(s.close, s.volume),
}
NAMES = [name for name in TALIB if name.count(".") == ("2.5" in name or "1.5" in name)]


def _stochastic(series: Series) -> Any:
    plain: Any = 0
    return talib.STOCH(series.high, series.low, series.close, 14, 3, plain, 5, plain)


def _keltner(series: Series, ranges: float) -> Any:
    reach = talib.ATR(series.high, series.low, series.close, 15)
    return talib.EMA(series.close, 15) + ranges * reach


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_value_of_a_random_series_equals_that_of_ta_lib(seed: int, whole: bool) -> None:
    series = random_series(seed, COUNT, whole)
    ours = run(NAMES, series)
    assert set(ours) == set(TALIB)
    for name, function in TALIB.items():
        np.testing.assert_allclose(ours[name], function(series), rtol=1e-9, atol=1e-7, err_msg=name)


def test_a_series_that_never_moves_is_as_in_ta_lib() -> None:
    flat = np.full(60, 100.0)
    series = Series(flat, flat, flat, flat, flat)
    ours = run([name for name in NAMES if "zscore" not in name] + ["zscore:16@1m"], series)
    for name, function in TALIB.items():
        if "zscore" not in name:
            np.testing.assert_allclose(ours[name], function(series), atol=1e-9, err_msg=name)
    assert ours["zscore:16@1m"][-1] == 0.0  # TA-Lib has no z-score: its parts would give 0 / 0


def _halting(still: int) -> Series:
    """Give 200 bars that move and then `still` that do not."""
    close = np.full(200 + still, 100_000.0)
    close[:200] += np.random.default_rng(3).integers(-5, 6, 200)
    high, low = close.copy(), close.copy()
    high[:200] += 2.0
    low[:200] -= 3.0
    return Series(close, high, low, close, np.full(len(close), 7.0))


def test_a_market_that_stands_still_keeps_its_values_as_in_ta_lib() -> None:
    series = _halting(800)
    names = [name for name in NAMES if "zscore" not in name]
    ours = run(names, series)
    for name, function in TALIB.items():
        if "zscore" not in name:
            np.testing.assert_allclose(ours[name], function(series), rtol=1e-9, atol=1e-7, err_msg=name)
    assert 1.0 < ours["rsi:14@1m"][-1] < 99.0


def test_no_value_jumps_however_long_nothing_moves() -> None:
    # TA-Lib's own ratios go astray here, after some 10,000 values, where the least numbers lose their bits.
    ours = run(["rsi:2@1m", "rsi:14@1m", "adx:2@1m", "adx:9@1m"], _halting(STILL))
    for name, found in ours.items():
        np.testing.assert_allclose(found[400:], found[400], rtol=1e-9, err_msg=name)
        assert found[-1] > 0.0, name


def test_a_market_that_stood_still_goes_on_as_if_it_had_not() -> None:
    series, again = _halting(3_000), random_series(5, 60, whole=True)
    joined = Series(*(np.concatenate(pair) for pair in zip(_columns(series), _columns(again), strict=True)))
    ours = run(["rsi:14@1m", "adx:9@1m"], joined)
    np.testing.assert_allclose(ours["rsi:14@1m"], talib.RSI(joined.close, 14), rtol=1e-9, atol=1e-7)
    theirs = talib.ADX(joined.high, joined.low, joined.close, 9)
    np.testing.assert_allclose(ours["adx:9@1m"], theirs, rtol=1e-9, atol=1e-7)


def _columns(series: Series) -> tuple[Floats, ...]:
    return series.open, series.high, series.low, series.close, series.volume


def test_a_change_from_a_price_of_nothing_is_none_as_in_ta_lib() -> None:
    close = np.array([0.0, 1.0, 2.0])
    series = Series(close, close, close, close, close)
    np.testing.assert_array_equal(run(["roc:1@1m"], series)["roc:1@1m"], talib.ROCP(close, 1))


def _bars(series: Series) -> list[OHLCV]:
    columns = series.open, series.high, series.low, series.close, series.volume
    return [OHLCV(*(float(each) for each in bar)) for bar in zip(*columns, strict=True)]


def _added(indicator: Any, inputs: list[Any], part: Callable[[Any], Any] = lambda value: value) -> Floats:
    found = []
    for each in inputs:
        indicator.add(each)
        value = indicator[-1]
        value = None if value is None else part(value)
        found.append(np.nan if value is None else value)
    return np.array(found)


CLOSES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "sma:17@1m": (lambda: peer.SMA(17), lambda v: v),
    "ema:9@1m": (lambda: peer.EMA(9), lambda v: v),
    "wma:12@1m": (lambda: peer.WMA(12), lambda v: v),
    "roc:7@1m": (lambda: peer.ROC(7), lambda v: v / 100),
    "bollinger:20,2.5@1m.upper": (lambda: peer.BB(20, 2.5), lambda v: v.ub),
    "bollinger:20,2.5@1m.lower": (lambda: peer.BB(20, 2.5), lambda v: v.lb),
}
BARS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "donchian:11@1m": (lambda: peer.DonchianChannels(11), lambda v: v.cb),
    "donchian:11@1m.upper": (lambda: peer.DonchianChannels(11), lambda v: v.ub),
    "stochastic:14,1,5@1m.signal": (lambda: peer.Stoch(14, 5), lambda v: v.d),
    "obv@1m": (peer.OBV, lambda v: v),
}
# Seeds differ (talipp counts the first bar's range, or leaves a change out) and are forgotten in time.
SEEDED: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "atr:5@1m": (lambda: peer.ATR(5), lambda v: v),
    "adx:5@1m": (lambda: peer.ADX(5, 5), lambda v: v.adx),
    "adx:5@1m.plus": (lambda: peer.ADX(5, 5), lambda v: v.plus_di),
    "keltner:6,5,2@1m.lower": (lambda: peer.KeltnerChannels(6, 5, 2, 2), lambda v: v.lb),
}
SEEDED_CLOSES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "rsi:5@1m": (lambda: peer.RSI(5), lambda v: v),
    "macd:3,6,4@1m": (lambda: peer.MACD(3, 6, 4), lambda v: v.macd),
    "macd:3,6,4@1m.signal": (lambda: peer.MACD(3, 6, 4), lambda v: v.signal),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_value_of_a_random_series_equals_that_of_talipp(seed: int) -> None:
    series = random_series(seed, COUNT)
    groups = (CLOSES, series.close.tolist(), 0), (BARS, _bars(series), 0)
    late = (SEEDED, _bars(series), 140), (SEEDED_CLOSES, series.close.tolist(), 140)
    for cases, inputs, skipped in (*groups, *late):
        names = [name.removesuffix("." + name.split(".")[-1]) if "@1m." in name else name for name in cases]
        ours = run(names, series)
        for name, (made, part) in cases.items():
            theirs = _added(made(), inputs, part)[skipped:]
            np.testing.assert_allclose(ours[name][skipped:], theirs, rtol=1e-8, atol=1e-8, err_msg=name)


def test_a_full_window_of_trades_has_talipps_average_price() -> None:
    series = random_series(3, 60)
    ours = run(["vwap:60@1m"], series)["vwap:60@1m"]
    theirs = _added(peer.VWAP(), _bars(series))
    assert np.isnan(ours[:59]).all() and ours[59] == pytest.approx(theirs[59], rel=1e-12)


def test_the_published_averages_of_three_come_out() -> None:
    feed, found = IndicatorFeed(["ema:3@trade"], 1), []
    for number, price in enumerate([1, 3, 5, 7, 9, 2, 4, 6, 8, 10, 11]):
        feed.take(0, Trade(0, number, number, number, price, 1, 1))
        found.append(feed.indicators.value(0, "ema:3@trade"))
    assert found == [None, None, 3.0, 5.0, 7.0, 4.5, 4.25, 5.125, 6.5625, 8.28125, 9.640625]
