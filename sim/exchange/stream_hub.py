"""Who listens to which stream, and what they are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from domain.instrument import Instrument
from sim.exchange import dialect_market as words
from sim.exchange.messages import DepthChange, PublicTrade
from sim.exchange.stream_names import timed_names

FAST, SLOW, SLOW_TOO = "depth@100ms", "depth", "depth@1000ms"
KINDS = (FAST, SLOW, SLOW_TOO, "bookTicker", "trade", "aggTrade")

_encode = msgspec.json.Encoder().encode


class Sink(Protocol):
    """Somebody who listens."""

    combined: bool

    def send(self, payload: bytes) -> None:
        """Queue a message; a full queue ends the connection."""
        ...


class BestChanged(msgspec.Struct, frozen=True):
    """The top of a book is another one now."""

    instrument: int
    update_id: int
    best: tuple[int, int, int, int]


class _Gathered:
    """Depth changes of one market since the last `depthUpdate`; the last size of a level wins."""

    __slots__ = ("asks", "bids", "first_id", "last_id")

    def __init__(self) -> None:
        self.first_id = self.last_id = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, change: DepthChange) -> None:
        if self.first_id == 0:
            self.first_id = change.update_id
        self.last_id = change.update_id
        self.bids.update(change.bids)
        self.asks.update(change.asks)


class MarketHub:
    """Turn public events into stream messages, encoded once for all listeners of a stream."""

    def __init__(self, markets: Sequence[Instrument]) -> None:
        self._markets = markets
        self._sinks: dict[str, dict[Sink, None]] = {}
        self._names = [{kind: f"{one.symbol.lower()}@{kind}" for kind in KINDS} for one in markets]
        self._known = {name for names in self._names for name in names.values()}
        self._known.update(timed_names(markets))
        self._gathered: dict[str, dict[int, _Gathered]] = {FAST: {}, SLOW: {}}

    def known(self, stream: str) -> bool:
        """Tell whether there is such a stream."""
        return stream in self._known

    @property
    def listened(self) -> Iterable[str]:
        """Give every stream that somebody listens to."""
        return self._sinks

    def subscribe(self, stream: str, sink: Sink) -> None:
        """Send a stream to a listener from now on."""
        self._sinks.setdefault(stream, {})[sink] = None

    def unsubscribe(self, stream: str, sink: Sink) -> None:
        """Send it no more."""
        sinks = self._sinks.get(stream, {})
        sinks.pop(sink, None)
        if not sinks:
            self._sinks.pop(stream, None)

    def publish(self, event: object) -> None:
        """Tell listeners about an event; depth is gathered until the next flush."""
        if isinstance(event, DepthChange):
            for gathered in self._gathered.values():
                if event.instrument not in gathered:
                    gathered[event.instrument] = _Gathered()
                gathered[event.instrument].add(event)
        elif isinstance(event, BestChanged):
            self._best(event)
        elif isinstance(event, PublicTrade):
            self._trade(event)

    def flush(self, kind: str, now_ms: int) -> None:
        """Send what was gathered for one of the two depth streams."""
        gathered, self._gathered[kind] = self._gathered[kind], {}
        for index, one in gathered.items():
            kinds = (FAST,) if kind == FAST else (SLOW, SLOW_TOO)
            names = [self._names[index][each] for each in kinds if self._names[index][each] in self._sinks]
            if names:
                bids, asks = tuple(one.bids.items()), tuple(one.asks.items())
                market = self._markets[index]
                update = words.depth_update(market, one.first_id, one.last_id, bids, asks, now_ms)
                for name in names:
                    self.emit(name, update)

    def _best(self, event: BestChanged) -> None:
        name = self._names[event.instrument]["bookTicker"]
        if name in self._sinks:
            market = self._markets[event.instrument]
            self.emit(name, words.book_ticker(market, event.update_id, event.best))

    def _trade(self, trade: PublicTrade) -> None:
        names, market = self._names[trade.instrument], self._markets[trade.instrument]
        if names["trade"] in self._sinks:
            self.emit(names["trade"], words.trade_event(market, trade))
        if names["aggTrade"] in self._sinks:
            self.emit(names["aggTrade"], words.agg_trade_event(market, trade))

    def emit(self, stream: str, event: object) -> None:
        """Send an event to all who listen to a stream."""
        payload = _encode(event)
        wrapped = b'{"stream":"%b","data":%b}' % (stream.encode(), payload)
        for sink in list(self._sinks.get(stream, ())):
            sink.send(wrapped if sink.combined else payload)


class UserEvent(msgspec.Struct, frozen=True):
    """One account's own event, encoded when it happened."""

    account: int
    payload: bytes


class UserListener(Protocol):
    """Somebody who listens to one account."""

    def user_event(self, payload: bytes) -> None:
        """Take an event."""
        ...


class UserHub:
    """Tell accounts about themselves."""

    def __init__(self) -> None:
        self._listeners: dict[int, dict[UserListener, None]] = {}

    def subscribe(self, account: int, listener: UserListener) -> None:
        """Tell this listener about the account from now on."""
        self._listeners.setdefault(account, {})[listener] = None

    def unsubscribe(self, account: int, listener: UserListener) -> None:
        """Tell it no more."""
        self._listeners.get(account, {}).pop(listener, None)

    def listening(self, account: int) -> int:
        """Count an account's listeners."""
        return len(self._listeners.get(account, {}))

    def publish(self, event: UserEvent) -> None:
        """Pass an event on."""
        for listener in list(self._listeners.get(event.account, {})):
            listener.user_event(event.payload)
