"""Streams that are told by the clock: their names, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.instrument import Instrument
from sim.exchange.candles import INTERVALS

# In turns of a tenth of a second.
OFTEN, SECOND, SELDOM = 1, 10, 100
WINDOWS = {"1h": 3_600_000, "4h": 4 * 3_600_000, "1d": 24 * 3_600_000}
DEPTHS = {
    f"depth{levels}{rate}": (levels, turns)
    for levels in (5, 10, 20)
    for rate, turns in (("", SECOND), ("@100ms", OFTEN), ("@1000ms", SECOND))
}
KLINES = {f"kline_{name}": interval for name, interval in INTERVALS.items()}
TICKERS = ("ticker", "miniTicker", *(f"ticker_{name}" for name in WINDOWS))
MEAN = "avgPrice"


def turns_of(kind: str) -> int:
    """Tell every how many turns a kind of stream is told."""
    if kind in DEPTHS:
        return DEPTHS[kind][1]
    return SELDOM if kind == MEAN else SECOND


def timed_names(markets: Sequence[Instrument]) -> Iterator[str]:
    """Name every stream that is told by the clock."""
    for market in markets:
        for kind in (*DEPTHS, *KLINES, *TICKERS, MEAN):
            yield f"{market.symbol.lower()}@{kind}"
    for kind in TICKERS:
        yield f"!{kind}@arr"
