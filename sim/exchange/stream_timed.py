"""Tell tickers, bars and partial depth by the clock to those who listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.instrument import Instrument
from sim.exchange import dialect_market as words
from sim.exchange.dialect_market import Json
from sim.exchange.server_tickers import kline_event
from sim.exchange.stream_names import DEPTHS, KLINES, MEAN, TICKERS, WINDOWS, turns_of

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

_MINI = {
    "c": "lastPrice",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
}
_WINDOW = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    **_MINI,
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}
_DAY = {
    **_WINDOW,
    "x": "prevClosePrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
}


class TimedStreams:
    """Gather what is due. It is read in turn with all commands, so nothing is told before it is durable."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        # What was told last: the update of a partial depth, when a bar opened.
        self._told: dict[str, int] = {}

    def due(self, turn: int) -> list[str]:
        """List the streams to tell now; what nobody listens to any more is forgotten."""
        listened = self._venue.hub.listened
        for name in [name for name in self._told if name not in listened]:
            del self._told[name]
        return [name for name in listened if _timed(name) and turn % turns_of(_kind(name)) == 0]

    def gather(self, names: list[str], now_ms: int) -> list[tuple[str, object]]:
        """Make the events of some streams."""
        found: list[tuple[str, object]] = []
        for name in names:
            found.extend((name, event) for event in self._events(name, now_ms))
        return found

    def tell(self, events: list[tuple[str, object]]) -> None:
        """Send events to those who listen."""
        for name, event in events:
            self._venue.hub.emit(name, event)

    def _events(self, name: str, now_ms: int) -> list[object]:
        kind = _kind(name)
        if name.startswith("!"):
            return [[self._ticker(market, kind, now_ms) for market in self._venue.markets.values()]]
        market = self._venue.markets[name.partition("@")[0].upper()]
        if kind in DEPTHS:
            return self._depth(name, market, DEPTHS[kind][0])
        if kind in KLINES:
            return self._bars(name, market, kind, now_ms)
        if kind == MEAN:
            return [self._mean(market, now_ms)]
        return [self._ticker(market, kind, now_ms)]

    def _depth(self, name: str, market: Instrument, levels: int) -> list[object]:
        update_id, bids, asks = self._venue.exchange.depth(market.index, levels)
        if self._told.get(name) == update_id:
            return []
        self._told[name] = update_id
        return [words.depth(market, update_id, bids, asks)]

    def _bars(self, name: str, market: Instrument, kind: str, now_ms: int) -> list[object]:
        """Give the open bar and, before it, those that closed since the last time."""
        interval = KLINES[kind]
        since_ms = self._told.get(name)
        limit = 1 if since_ms is None else 100
        bars = self._venue.tickers.klines(market, interval, now_ms, since_ms, None, limit)
        if not bars:
            return []
        self._told[name] = bars[-1].open_ns // words.MS
        return [kline_event(market, interval, bar, now_ms, closed=bar is not bars[-1]) for bar in bars]

    def _mean(self, market: Instrument, now_ms: int) -> Json:
        price = self._venue.tickers.mean_price(market, now_ms)
        return {"e": MEAN, "E": now_ms, "s": market.symbol, "i": "5m", "w": price, "T": now_ms}

    def _ticker(self, market: Instrument, kind: str, now_ms: int) -> Json:
        venue, window = self._venue, kind.partition("_")[2]
        if window:
            figures = venue.tickers.window(market, now_ms, WINDOWS[window])
            event, fields = f"{window}Ticker", _WINDOW
        else:
            figures = venue.tickers.day(market, venue.best(market.index), now_ms)
            event, fields = ("24hrTicker", _DAY) if kind == "ticker" else ("24hrMiniTicker", _MINI)
        head: Json = {"e": event, "E": now_ms, "s": market.symbol}
        return head | {short: figures[full] for short, full in fields.items()}


def _kind(name: str) -> str:
    """Give what a stream tells: the part after the market, or between `!` and `@arr`."""
    return name[1:].partition("@")[0] if name.startswith("!") else name.partition("@")[2]


def _timed(name: str) -> bool:
    kind = _kind(name)
    return kind in DEPTHS or kind in KLINES or kind in TICKERS or kind == MEAN
