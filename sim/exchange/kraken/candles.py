"""Bars of one market's trades: kept by the minute, joined for longer intervals."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from domain.instrument import Instrument
from domain.units import divided
from sim.exchange.dialect_market import Json
from sim.exchange.kraken.numbers import price, quantity
from sim.exchange.kraken.stamps import S_NS, rfc3339
from sim.exchange.messages import PublicTrade

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
SHOWN_MAX = 720
MINUTES_KEPT = 2 * 1440
MINUTE_NS = 60 * S_NS


class Candle(msgspec.Struct):
    """One bar, in ticks and lots. `notional` is Σ ticks × lots."""

    begin_ns: int
    first: int
    high: int
    low: int
    last: int
    lots: int = 0
    notional: int = 0
    count: int = 0

    def join(self, later: Candle) -> None:
        """Add a later bar."""
        self.high, self.low, self.last = max(self.high, later.high), min(self.low, later.low), later.last
        self.lots += later.lots
        self.notional += later.notional
        self.count += later.count


class Candles:
    """Keep the last `MINUTES_KEPT` minutes in which something traded."""

    def __init__(self) -> None:
        self._minutes: deque[Candle] = deque(maxlen=MINUTES_KEPT)

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        begin, ticks = trade.now_ns // MINUTE_NS * MINUTE_NS, trade.price_ticks
        one = Candle(begin, ticks, ticks, ticks, ticks, trade.size_lots, ticks * trade.size_lots, 1)
        if self._minutes and self._minutes[-1].begin_ns >= begin:
            self._minutes[-1].join(one)
        else:
            self._minutes.append(one)

    def list(self, minutes: int, now_ns: int) -> list[Candle]:
        """Give the bars of an interval, oldest first; quiet intervals repeat the last price."""
        width = minutes * MINUTE_NS
        found: list[Candle] = []
        for one in self._minutes:
            begin = one.begin_ns // width * width
            if found and found[-1].begin_ns == begin:
                found[-1].join(one)
            else:
                found.extend(_quiet(found, begin, width))
                found.append(msgspec.structs.replace(one, begin_ns=begin))
        found.extend(_quiet(found, now_ns // width * width + width, width))
        return found[-SHOWN_MAX:]


def _quiet(found: list[Candle], until_ns: int, width: int) -> Iterator[Candle]:
    if found:
        last = found[-1].last
        begin = max(found[-1].begin_ns + width, until_ns - SHOWN_MAX * width)
        for begin_ns in range(begin, until_ns, width):
            yield Candle(begin_ns, last, last, last, last)


def candle_record(market: Instrument, minutes: int, one: Candle) -> Json:
    """Write a bar as the `ohlc` channel does."""
    vwap = divided(one.notional, one.lots, "nearest") if one.lots > 0 else one.last
    return {
        "open": price(market, one.first),
        "high": price(market, one.high),
        "low": price(market, one.low),
        "close": price(market, one.last),
        "trades": one.count,
        "volume": quantity(market, one.lots),
        "vwap": price(market, vwap),
        "interval_begin": rfc3339(one.begin_ns, 9),
        "interval": minutes,
        "timestamp": rfc3339(one.begin_ns + minutes * MINUTE_NS),
    }
