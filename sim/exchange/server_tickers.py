"""What traded over the last day, in hourly parts: the figures of `ticker/24hr` and `ticker/price`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from domain.instrument import Instrument
from domain.units import atoms_text, divided
from sim.exchange.dialect_market import MS, Json
from sim.exchange.messages import PublicTrade

HOUR_NS = 3_600 * 1_000_000_000
HOURS = 24


class _Hour:
    __slots__ = ("count", "first", "first_id", "high", "hour", "last", "last_id", "lots", "low", "notional")

    def __init__(self, hour: int, trade: PublicTrade) -> None:
        self.hour = hour
        self.first = self.last = self.high = self.low = trade.price_ticks
        self.first_id = self.last_id = trade.trade_id
        self.count = self.lots = self.notional = 0

    def add(self, trade: PublicTrade) -> None:
        self.last, self.last_id = trade.price_ticks, trade.trade_id
        self.high, self.low = max(self.high, trade.price_ticks), min(self.low, trade.price_ticks)
        self.count += 1
        self.lots += trade.size_lots
        self.notional += trade.price_ticks * trade.size_lots


class Tickers:
    """Sum trades per market and hour; they are counted from the exchange's remembered trades on."""

    def __init__(self, markets: Sequence[Instrument], last_ticks: Callable[[int], int]) -> None:
        self._last_ticks = last_ticks
        self._hours: list[deque[_Hour]] = [deque(maxlen=HOURS) for _ in markets]

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        hours, hour = self._hours[trade.instrument], trade.now_ns // HOUR_NS
        if not hours or hours[-1].hour != hour:
            hours.append(_Hour(hour, trade))
        hours[-1].add(trade)

    def last_price(self, market: Instrument) -> str:
        """Give the last price; before the first trade that is the start price."""
        return market.tick.text(self._last_ticks(market.index))

    def day(self, market: Instrument, best: tuple[int, int, int, int], now_ms: int) -> Json:
        """Answer `ticker/24hr` for one market."""
        oldest = now_ms * MS // HOUR_NS - HOURS
        hours = [one for one in self._hours[market.index] if one.hour > oldest]
        last = self._last_ticks(market.index)
        first = hours[0].first if hours else last
        lots = sum(one.lots for one in hours)
        notional = sum(one.notional for one in hours)
        price, size = market.tick.text, market.lot.text
        moved = divided((last - first) * 100_000, first, "nearest")
        return {
            "symbol": market.symbol,
            "priceChange": price(last - first),
            "priceChangePercent": f"{'-' if moved < 0 else ''}{abs(moved) // 1000}.{abs(moved) % 1000:03d}",
            "weightedAvgPrice": price(divided(notional, lots, "nearest") if lots > 0 else last),
            "prevClosePrice": price(first),
            "lastPrice": price(last),
            "lastQty": size(0),
            "bidPrice": price(best[0]),
            "bidQty": size(best[1]),
            "askPrice": price(best[2]),
            "askQty": size(best[3]),
            "openPrice": price(first),
            "highPrice": price(max((one.high for one in hours), default=last)),
            "lowPrice": price(min((one.low for one in hours), default=last)),
            "volume": size(lots),
            "quoteVolume": atoms_text(notional * market.tick_lot_atoms),
            "openTime": now_ms - HOURS * 3_600_000,
            "closeTime": now_ms,
            "firstId": hours[0].first_id if hours else -1,
            "lastId": hours[-1].last_id if hours else -1,
            "count": sum(one.count for one in hours),
        }
