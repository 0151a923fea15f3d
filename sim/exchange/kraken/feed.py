"""One market's public channels: book, trade, ticker, ohlc. A message is encoded once for all who listen."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.instrument import Instrument
from domain.order import TimeInForce
from sim.exchange.dialect_market import Json
from sim.exchange.kraken.candles import Candles, candle_record
from sim.exchange.kraken.checksum import LEVELS, book_checksum
from sim.exchange.kraken.ladder import Ladder, Level
from sim.exchange.kraken.numbers import price, quantity, raw
from sim.exchange.kraken.stamps import S_NS, rfc3339
from sim.exchange.messages import Command, DepthChange, Output, PlaceOrder, PublicTrade
from sim.exchange.server_venue import Venue

DEPTHS = (10, 25, 100, 500, 1000)
TRADES_SHOWN = 50
TRADES_KEPT = 1_000

_encode = msgspec.json.Encoder().encode


class Listener(Protocol):
    """Somebody who listens."""

    def send(self, payload: bytes) -> None:
        """Queue a message; a full queue ends the connection."""
        ...


class KnownTrade(msgspec.Struct, frozen=True):
    """A public trade and whether a market order made it."""

    trade: PublicTrade
    at_market: bool


def symbol_of(market: Instrument) -> str:
    """Name a market as WebSocket v2 does."""
    return f"{market.base}/{market.quote}"


class Feed:
    """Follow one market and tell those who listen to one of its channels, known by (channel, setting)."""

    def __init__(self, venue: Venue, market: Instrument) -> None:
        self._venue, self.market, self.symbol = venue, market, symbol_of(market)
        _, bids, asks = venue.exchange.depth(market.index, 1 << 30)
        self._bids, self._asks = Ladder(1, bids), Ladder(-1, asks)
        self._best = self._top()
        known = venue.exchange.public_trades(market.index, TRADES_KEPT)
        self.trades = deque((KnownTrade(one, False) for one in known), maxlen=TRADES_KEPT)
        self.candles = Candles()
        for one in known:
            self.candles.add(one)
        self._listeners: dict[tuple[str, object], dict[Listener, None]] = {}

    def subscribe(self, channel: str, setting: object, listener: Listener) -> None:
        """Tell this listener from now on."""
        self._listeners.setdefault((channel, setting), {})[listener] = None

    def unsubscribe(self, channel: str, setting: object, listener: Listener) -> None:
        """Tell it no more."""
        listeners = self._listeners.get((channel, setting), {})
        listeners.pop(listener, None)
        if not listeners:
            self._listeners.pop((channel, setting), None)

    def snapshot(self, channel: str, setting: object) -> bytes:
        """Give what somebody who begins to listen is told first."""
        if channel == "book":
            assert isinstance(setting, int)
            return self._book("snapshot", self._bids.best(setting), self._asks.best(setting))
        if channel == "trade":
            recent = list(self.trades)[-TRADES_SHOWN:]
            return _message("trade", "snapshot", [self._trade(one) for one in recent])
        if channel == "ticker":
            return _message("ticker", "snapshot", [self._ticker()])
        assert isinstance(setting, int)
        kept = self.candles.list(setting, self._venue.now_ns())
        return self._ohlc("snapshot", setting, [candle_record(self.market, setting, one) for one in kept])

    def depth(self, levels_max: int) -> Json:
        """Give the book as REST does; the times of levels are not kept, so all are now."""
        now_s, tick, lot = self._venue.now_ns() // S_NS, self.market.tick.text, self.market.lot.text
        sides = (("asks", self._asks), ("bids", self._bids))
        return {
            name: [[tick(ticks), lot(lots), now_s] for ticks, lots in side.best(levels_max)]
            for name, side in sides
        }

    def day(self) -> Json:
        """Give the ticker as REST does: today's figures and the last 24 hours' are the same here."""
        market, day = self.market, self._day()
        return {
            "a": [day["askPrice"], "1", day["askQty"]],
            "b": [day["bidPrice"], "1", day["bidQty"]],
            "c": [day["lastPrice"], market.lot.text(self.trades[-1].trade.size_lots if self.trades else 0)],
            "v": [day["volume"], day["volume"]],
            "p": [day["weightedAvgPrice"], day["weightedAvgPrice"]],
            "t": [day["count"], day["count"]],
            "l": [day["lowPrice"], day["lowPrice"]],
            "h": [day["highPrice"], day["highPrice"]],
            "o": day["openPrice"],
        }

    def happened(self, command: Command, outputs: Sequence[Output]) -> None:
        """Tell what a command did on this market."""
        at_market = isinstance(command, PlaceOrder) and command.tif == TimeInForce.MARKET
        trades = [KnownTrade(one, at_market) for one in outputs if isinstance(one, PublicTrade)]
        self.trades.extend(trades)
        for one in trades:
            self.candles.add(one.trade)
        if trades:
            self._emit(
                ("trade", None), lambda: _message("trade", "update", [self._trade(one) for one in trades])
            )
        for change in outputs:
            if isinstance(change, DepthChange):
                self._changed(change)
        if trades:
            self._emit(("ticker", "trades"), lambda: _message("ticker", "update", [self._ticker()]))
            self._tell_candles()

    def _changed(self, change: DepthChange) -> None:
        depths = [depth for depth in DEPTHS if ("book", depth) in self._listeners]
        bids, asks = self._bids.change(change.bids, depths), self._asks.change(change.asks, depths)
        for depth, seen_bids, seen_asks in zip(depths, bids, asks, strict=True):
            if seen_bids or seen_asks:
                payload = self._book("update", seen_bids, seen_asks, change.now_ns)
                self._send(("book", depth), payload)
        best = self._top()
        if best != self._best:
            self._best = best
            self._emit(("ticker", "bbo"), lambda: _message("ticker", "update", [self._ticker()]))

    def _top(self) -> tuple[list[Level], list[Level]]:
        return self._bids.best(1), self._asks.best(1)

    def _emit(self, key: tuple[str, object], payload: object) -> None:
        if key in self._listeners:
            assert callable(payload)
            self._send(key, payload())

    def _send(self, key: tuple[str, object], payload: bytes) -> None:
        for listener in list(self._listeners[key]):
            listener.send(payload)

    def _book(
        self, kind: str, bids: Sequence[Level], asks: Sequence[Level], now_ns: int | None = None
    ) -> bytes:
        total = book_checksum(self.market, self._bids.best(LEVELS), self._asks.best(LEVELS))
        at = rfc3339(self._venue.now_ns() if now_ns is None else now_ns)
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.symbol}",'
            f'"bids":[{self._levels(bids)}],"asks":[{self._levels(asks)}],'
            f'"checksum":{total},"timestamp":"{at}"}}]}}'
        ).encode()

    def _levels(self, levels: Sequence[Level]) -> str:
        tick, lot = self.market.tick.text, self.market.lot.text
        return ",".join(f'{{"price":{tick(ticks)},"qty":{lot(lots)}}}' for ticks, lots in levels)

    def _trade(self, known: KnownTrade) -> Json:
        trade = known.trade
        return {
            "symbol": self.symbol,
            "side": "sell" if trade.buyer_is_maker else "buy",
            "price": price(self.market, trade.price_ticks),
            "qty": quantity(self.market, trade.size_lots),
            "ord_type": "market" if known.at_market else "limit",
            "trade_id": trade.trade_id,
            "timestamp": rfc3339(trade.now_ns, 9),
        }

    def _ticker(self) -> Json:
        day = self._day()
        names = (
            ("bid", "bidPrice"),
            ("bid_qty", "bidQty"),
            ("ask", "askPrice"),
            ("ask_qty", "askQty"),
            ("last", "lastPrice"),
            ("volume", "volume"),
            ("vwap", "weightedAvgPrice"),
            ("low", "lowPrice"),
            ("high", "highPrice"),
            ("change", "priceChange"),
            ("change_pct", "priceChangePercent"),
        )
        figures: Json = {ours: raw(str(day[theirs])) for ours, theirs in names}
        return {"symbol": self.symbol, **figures, "timestamp": rfc3339(self._venue.now_ns())}

    def _day(self) -> Json:
        bids, asks = self._best
        best = (*(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0)))
        return self._venue.tickers.day(self.market, best, self._venue.now_ms())

    def _tell_candles(self) -> None:
        for channel, minutes in list(self._listeners):
            if channel == "ohlc" and isinstance(minutes, int):
                newest = self.candles.list(minutes, self._venue.now_ns())[-1]
                record = candle_record(self.market, minutes, newest)
                self._send((channel, minutes), self._ohlc("update", minutes, [record]))

    def _ohlc(self, kind: str, minutes: int, records: Sequence[Json]) -> bytes:
        at = rfc3339(self._venue.now_ns(), 9)
        named = [{"symbol": self.symbol, **one} for one in records]
        return _encode({"channel": "ohlc", "type": kind, "timestamp": at, "data": named})


def _message(channel: str, kind: str, data: Sequence[Json]) -> bytes:
    return _encode({"channel": channel, "type": kind, "data": data})
