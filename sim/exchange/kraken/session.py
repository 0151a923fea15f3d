"""One client of WebSocket v2: what it asked for, and what it listens to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec

from sim.exchange.dialect_errors import DialectError
from sim.exchange.dialect_market import Json
from sim.exchange.kraken.candles import INTERVALS
from sim.exchange.kraken.errors import KrakenError, spoken
from sim.exchange.kraken.feed import DEPTHS, Feed
from sim.exchange.kraken.pairs import instrument_data
from sim.exchange.kraken.private import CHANNELS, PrivateSession
from sim.exchange.kraken.request import Request, read_request
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.server_venue import Venue
from sim.exchange.stream_connection import Connection

VERSION = "2.0.10"
HEARTBEAT_S = 1.0
PUBLIC = ("book", "trade", "ticker", "ohlc")
TRIGGERS = ("trades", "bbo")

_encode = msgspec.json.Encoder().encode
_HEARTBEAT = _encode({"channel": "heartbeat"})


class Session:
    """Answer one client; everything it is sent goes through here, so that silence is noticed."""

    def __init__(self, venue: Venue, voice: KrakenVoice, connection: Connection, number: int) -> None:
        self._venue, self._voice, self._connection, self._number = venue, voice, connection, number
        self._channels: dict[tuple[str, str], object] = {}
        self._private = PrivateSession(venue, voice, self.send, connection.tap)
        self._quiet = True

    def send(self, payload: bytes) -> None:
        """Send a message."""
        self._quiet = False
        self._connection.send(payload)

    def greet(self) -> None:
        """Say the system's status, as is done on every new connection."""
        data = {
            "version": VERSION,
            "system": "online",
            "api_version": "v2",
            "connection_id": self._number,
        }
        self.send(_encode({"channel": "status", "type": "update", "data": [data]}))

    async def beat(self) -> None:
        """Say that the line is alive after each second without a word, once something is subscribed."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self._quiet and self._channels:
                self._connection.send(_HEARTBEAT)
            self._quiet = True

    def leave(self) -> None:
        """Listen to nothing any more."""
        for (channel, symbol), setting in self._channels.items():
            if channel in PUBLIC:
                self._voice.by_symbol[symbol].unsubscribe(channel, setting, self)
        self._voice.instruments.pop(self, None)
        self._channels.clear()
        self._private.leave()

    def take(self, text: str) -> None:
        """Take one message."""
        now_ns = self._venue.now_ns()
        try:
            request = read_request(text, now_ns)
        except KrakenError as refused:
            self.send(Request("error", {}, None, now_ns).refused(refused.text, now_ns))
            return
        try:
            self._do(request)
        except DialectError as refused:
            self.send(request.refused(spoken(refused), self._venue.now_ns()))

    def _do(self, request: Request) -> None:
        if request.method == "ping":
            self.send(request.pong(self._venue.now_ns()))
        elif request.method == "subscribe":
            self._subscribe(request)
        elif request.method == "unsubscribe":
            self._unsubscribe(request)
        elif request.method in self._private.methods:
            self._private.methods[request.method](request, self._private.owner(request))
        else:
            raise KrakenError(f"Unsupported method: '{request.method[:40]}'")

    def _subscribe(self, request: Request) -> None:
        channel = request.params.get("channel")
        if channel == "instrument":
            self._subscribe_instruments(request)
        elif channel in CHANNELS:
            self._private.subscribe(request, str(channel))
            self._channels[str(channel), ""] = None
        elif channel in PUBLIC:
            setting, told = _setting(str(channel), request.params)
            for symbol in _symbols(request):
                self._listen(request, str(channel), symbol, setting, told)
        else:
            raise KrakenError("Subscription name invalid")

    def _listen(self, request: Request, channel: str, symbol: str, setting: object, told: Json) -> None:
        feed, key = self._feed(request, symbol), (channel, symbol)
        if feed is None:
            return
        if key in self._channels:
            self._refuse(request, "Already subscribed", symbol)
            return
        first = _flag(request.params, "snapshot", True)
        result = {"channel": channel, **told, "snapshot": first, "symbol": symbol}
        self.send(request.done(result, self._venue.now_ns()))
        if first:
            self.send(feed.snapshot(channel, setting))
        self._channels[key] = setting
        feed.subscribe(channel, setting, self)

    def _unsubscribe(self, request: Request) -> None:
        channel = str(request.params.get("channel"))
        if channel == "instrument":
            self._voice.instruments.pop(self, None)
            self._channels.pop((channel, ""), None)
            self.send(request.done({"channel": channel}, self._venue.now_ns()))
            return
        if channel in CHANNELS:
            self._private.unsubscribe(request, channel)
            del self._channels[channel, ""]
            return
        for symbol in _symbols(request):
            feed = self._feed(request, symbol)
            if feed is None:
                continue
            if (channel, symbol) not in self._channels:
                self._refuse(request, "Subscription Not Found", symbol)
                continue
            feed.unsubscribe(channel, self._channels.pop((channel, symbol)), self)
            self.send(request.done({"channel": channel, "symbol": symbol}, self._venue.now_ns()))

    def _subscribe_instruments(self, request: Request) -> None:
        first = _flag(request.params, "snapshot", True)
        self.send(request.done({"channel": "instrument", "snapshot": first}, self._venue.now_ns()))
        if first:
            data = instrument_data(self._venue)
            self.send(_encode({"channel": "instrument", "type": "snapshot", "data": data}))
        self._channels["instrument", ""] = None
        self._voice.instruments[self] = None

    def _feed(self, request: Request, symbol: str) -> Feed | None:
        feed = self._voice.by_symbol.get(symbol)
        if feed is None:
            self._refuse(request, f"Currency pair not supported {symbol[:40]}", symbol)
        return feed

    def _refuse(self, request: Request, text: str, symbol: str) -> None:
        self.send(request.refused(text, self._venue.now_ns(), {"symbol": symbol[:40]}))


def _symbols(request: Request) -> Iterator[str]:
    symbols = request.params.get("symbol")
    if not isinstance(symbols, list) or not symbols or not all(isinstance(one, str) for one in symbols):
        raise KrakenError("Pair field must be an array")
    return (str(one) for one in dict.fromkeys(symbols))


def _setting(channel: str, params: dict[str, object]) -> tuple[object, Json]:
    """Give what tells one kind of listeners from another, and how the answer names it."""
    if channel == "book":
        depth = params.get("depth", DEPTHS[0])
        if depth not in DEPTHS:
            raise KrakenError("Subscription depth not supported")
        return depth, {"depth": depth}
    if channel == "ticker":
        trigger = params.get("event_trigger", TRIGGERS[0])
        if trigger not in TRIGGERS:
            raise KrakenError("Subscription event_trigger not supported")
        return trigger, {"event_trigger": trigger}
    if channel == "ohlc":
        interval = params.get("interval", INTERVALS[0])
        if interval not in INTERVALS:
            raise KrakenError("Subscription ohlc interval not supported")
        return interval, {"interval": interval}
    return None, {}


def _flag(params: dict[str, object], name: str, default: bool) -> bool:
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise KrakenError(f"Malformed request: {name} must be a boolean")
    return value
