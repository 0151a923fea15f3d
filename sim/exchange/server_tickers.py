"""What traded over the last day or another window, and bars: the dialect's figures, made of candles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.instrument import Instrument
from domain.units import atoms_text, divided
from sim.exchange.candles import HOUR_NS, MINUTE_NS, Candle, Candles, Interval
from sim.exchange.dialect_market import MS, Json
from sim.exchange.messages import PublicTrade

DAY_MS = 24 * 3_600_000
FEW_HOURS_MS = 4 * 3_600_000

Best = tuple[int, int, int, int]


class Tickers:
    """Sum trades per market and time; they are counted from the exchange's remembered trades on."""

    def __init__(self, markets: Sequence[Instrument], last_ticks: Callable[[int], int]) -> None:
        self._candles = Candles(len(markets), last_ticks)
        self._last_lots = [0] * len(markets)

    def add(self, trade: PublicTrade) -> None:
        """Count a trade."""
        self._candles.add(trade)
        self._last_lots[trade.instrument] = trade.size_lots

    def last_price(self, market: Instrument) -> str:
        """Give the last price; before the first trade that is the start price."""
        return market.tick.text(self._candles.last_ticks(market.index))

    def mean_price(self, market: Instrument, now_ms: int) -> str:
        """Give the mean price of the last five minutes by size; the last one where nothing traded."""
        bar = self._candles.total(market.index, MINUTE_NS, now_ms * MS - 5 * MINUTE_NS)
        if bar is None or bar.lots == 0:
            return self.last_price(market)
        return market.tick.text(divided(bar.notional, bar.lots, "nearest"))

    def day(self, market: Instrument, best: Best, now_ms: int) -> Json:
        """Answer `ticker/24hr` for one market."""
        whole = self.window(market, now_ms, DAY_MS)
        price, size = market.tick.text, market.lot.text
        return whole | {
            "prevClosePrice": whole["openPrice"],
            "lastQty": size(self._last_lots[market.index]),
            "bidPrice": price(best[0]),
            "bidQty": size(best[1]),
            "askPrice": price(best[2]),
            "askQty": size(best[3]),
        }

    def window(self, market: Instrument, now_ms: int, span_ms: int) -> Json:
        """Answer `ticker` for one market; a window over four hours is counted in whole hours."""
        base_ns = MINUTE_NS if span_ms <= FEW_HOURS_MS else HOUR_NS
        from_ns = (now_ms - span_ms) * MS
        bar = self._candles.total(market.index, base_ns, from_ns - from_ns % base_ns + base_ns)
        if bar is None:
            bar = Candle(0, self._candles.last_ticks(market.index))
        moved = divided((bar.last - bar.first) * 100_000, bar.first, "nearest")
        price = market.tick.text
        return {
            "symbol": market.symbol,
            "priceChange": price(bar.last - bar.first),
            "priceChangePercent": f"{'-' if moved < 0 else ''}{abs(moved) // 1000}.{abs(moved) % 1000:03d}",
            "weightedAvgPrice": price(
                divided(bar.notional, bar.lots, "nearest") if bar.lots > 0 else bar.last
            ),
            "openPrice": price(bar.first),
            "highPrice": price(bar.high),
            "lowPrice": price(bar.low),
            "lastPrice": price(bar.last),
            "volume": market.lot.text(bar.lots),
            "quoteVolume": atoms_text(bar.notional * market.tick_lot_atoms),
            "openTime": now_ms - span_ms,
            "closeTime": now_ms,
            "firstId": bar.first_id,
            "lastId": bar.last_id,
            "count": bar.count,
        }

    def klines(
        self,
        market: Instrument,
        interval: Interval,
        now_ms: int,
        since_ms: int | None,
        until_ms: int | None,
        limit: int,
    ) -> list[Candle]:
        """List bars ascending: the first from a time on, or the latest."""
        from_ns, until_ns = (None if ms is None else ms * MS for ms in (since_ms, until_ms))
        return self._candles.bars(market.index, interval, now_ms * MS, from_ns, until_ns, limit)


def kline_row(market: Instrument, interval: Interval, bar: Candle) -> list[object]:
    """List a bar as `klines` does."""
    price, lots, worth = market.tick.text, market.lot.text, market.tick_lot_atoms
    return [
        bar.open_ns // MS,
        price(bar.first),
        price(bar.high),
        price(bar.low),
        price(bar.last),
        lots(bar.lots),
        interval.next_ns(bar.open_ns) // MS - 1,
        atoms_text(bar.notional * worth),
        bar.count,
        lots(bar.taker_lots),
        atoms_text(bar.taker_notional * worth),
        "0",
    ]


def kline_event(market: Instrument, interval: Interval, bar: Candle, now_ms: int, *, closed: bool) -> Json:
    """Write a `kline` event."""
    row = kline_row(market, interval, bar)
    bar_json = {
        "t": row[0],
        "T": row[6],
        "s": market.symbol,
        "i": interval.name,
        "f": bar.first_id,
        "L": bar.last_id,
        **dict(zip(("o", "h", "l", "c", "v"), row[1:6], strict=True)),
        "n": bar.count,
        "x": closed,
        "q": row[7],
        "V": row[9],
        "Q": row[10],
        "B": "0",
    }
    return {"e": "kline", "E": now_ms, "s": market.symbol, "k": bar_json}
