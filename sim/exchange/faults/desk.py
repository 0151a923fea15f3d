"""Do to real sockets and requests what the faults decide; one desk per exchange."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler

from domain.protocols import Clock
from sim.exchange.faults import words
from sim.exchange.faults.config import Door, FaultKind, FaultSpec
from sim.exchange.faults.faults import S_NS, Asked, Fault, Faults
from sim.exchange.faults.frames import plain
from sim.exchange.faults.tap import Tap
from sim.exchange.messages import MarketStatus, SetMarket

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue
    from sim.exchange.stream_connection import Connection

HOLD_S, LOOK_S = 60.0, 0.25
_CHANGES = re.compile(r"^/api/v3/(order|openOrders)\b|/(Add|Edit|Amend|Cancel)")
_MARKETS = (FaultKind.DELISTING, FaultKind.TICK_SIZE_CHANGE)


class FaultDesk:
    """Keep an exchange's faults, and their timers. Faults end with the process; markets come back with it."""

    def __init__(self, venue: Venue, connections: Mapping[Connection, None]) -> None:
        self.faults = Faults()
        self._venue, self._connections = venue, connections
        self._true_clock = venue.clock
        venue.clock = _SteppedClock(venue.clock, self.faults)
        self._links = count(1)
        self._turn: asyncio.TimerHandle | None = None
        self._taps: dict[Tap, None] = {}

    def now_ns(self) -> int:
        """Give the true time, which no fault moves."""
        return self._true_clock.now_ns()

    def problem(self, spec: FaultSpec) -> str | None:
        """Say what this exchange cannot do with a fault, if anything."""
        symbols = [plain(name) for name in self._venue.markets]
        if spec.symbol is not None and plain(spec.symbol) not in symbols:
            return f"symbol: there is no market {spec.symbol}"
        accounts = [one.name for one in self._venue.config.accounts]
        if spec.account is not None and spec.account not in accounts:
            return f"account: there is no account {spec.account}"
        return None

    def add(self, spec: FaultSpec) -> int:
        """Take a fault; 0 when there are too many."""
        number = self.faults.add(spec, self.now_ns())
        self._turned()
        return number

    def remove(self, number: int) -> bool:
        """End a fault; tell whether there was one."""
        fault = self.faults.remove(number)
        if fault is not None:
            self._end(fault)
            self._turned()
        return fault is not None

    def tap(self, connection: Connection, path: str) -> Tap:
        """Stand between an exchange and one of its connections."""
        private = "ws-api" in path or path.endswith("/auth")
        door = Door.WS_API if private else Door.STREAM
        tap = Tap(self, connection, next(self._links), door)
        self._taps[tap] = None
        return tap

    def left(self, tap: Tap) -> None:
        """Forget a connection that ended."""
        self._taps.pop(tap, None)
        self.faults.forget(tap.link)

    def owner(self, key: str | None) -> str:
        """Name the account of an API key, "" for nobody's."""
        found = self._venue.keys.get(key or "")
        return "" if found is None else self._venue.config.accounts[found.account].name

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass, refuse it, answer it late, or never."""
        if not self.faults.any or request.path.startswith("/admin/"):
            return await handler(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handshake(request, handler)
        verdict = self.faults.request(await self._asked(request), self.now_ns())
        if verdict is None:
            return await handler(request)
        if verdict.status > 0:
            return words.response(request.path, verdict)
        if verdict.lost:
            return await _silence(request)
        answer = await handler(request)
        if verdict.silent:
            return await _silence(request)
        await asyncio.sleep(verdict.wait_ns / S_NS)
        return answer

    async def _handshake(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.faults.closed(self.now_ns()):
            return web.Response(status=503, text=words.MAINTENANCE)
        return await handler(request)

    async def _asked(self, request: web.Request) -> Asked:
        values = dict(parse_qsl(request.rel_url.raw_query_string))
        if request.can_read_body:
            values.update(parse_qsl((await request.read()).decode(errors="replace")))
        symbol = plain(values.get("symbol", values.get("pair", "")))
        key = request.headers.get("X-MBX-APIKEY", request.headers.get("API-Key"))
        changes = request.method != "GET" and _CHANGES.search(request.path) is not None
        return Asked(Door.REST, symbol, self.owner(key), changes)

    async def start(self, _: web.Application) -> None:
        """Put markets back that an earlier process left halted: its faults ended with it."""
        for market in self._venue.exchange.markets:
            if (market.status, market.tick_multiple) != (MarketStatus.TRADING, 1):
                self._set_market(market.instrument.index, MarketStatus.TRADING, 1)

    async def stop(self, _: web.Application) -> None:
        """Stop every timer."""
        if self._turn is not None:
            self._turn.cancel()
        for tap in list(self._taps):
            tap.stop()

    def _turned(self) -> None:
        """Begin and end what is due, and wait for what comes next."""
        begun, ended = self.faults.turn(self.now_ns())
        for fault in ended:
            self._end(fault)
        for fault in begun:
            self._begin(fault)
        if self._turn is not None:
            self._turn.cancel()
        next_ns = self.faults.next_ns()
        if next_ns is not None:
            wait_s = max(0.0, (next_ns - self.now_ns()) / S_NS)
            self._turn = asyncio.get_running_loop().call_later(wait_s, self._turned)

    def _begin(self, fault: Fault) -> None:
        if fault.spec.kind == FaultKind.MAINTENANCE:
            for connection in list(self._connections):
                connection.abort()
        elif fault.spec.kind in _MARKETS:
            self._follow_market(fault)

    def _end(self, fault: Fault) -> None:
        if fault.spec.kind == FaultKind.HALF_OPEN:
            for tap in list(self._taps):
                tap.thaw()
        elif fault.spec.kind in _MARKETS:
            self._follow_market(fault)

    def _follow_market(self, fault: Fault) -> None:
        """Bring a market to what the faults that are active on it say together."""
        now_ns = self.now_ns()
        live = [one for one in self.faults.all() if one.symbol == fault.symbol and one.active(now_ns)]
        ticks = [one.spec.size for one in live if one.spec.kind == FaultKind.TICK_SIZE_CHANGE]
        gone = any(one.spec.kind == FaultKind.DELISTING for one in live)
        status = MarketStatus.BREAK if gone else MarketStatus.TRADING
        (place,) = (
            one.index for one in self._venue.exchange.instruments if plain(one.symbol) == fault.symbol
        )
        self._set_market(place, status, ticks[-1] if ticks else 1)

    def _set_market(self, place: int, status: MarketStatus, tick_multiple: int) -> None:
        command = SetMarket(self._venue.now_ns(), place, int(status), tick_multiple)
        self._venue.submit(partial(self._venue.apply, command), _nothing)


class _SteppedClock:
    """The exchange's clock as its clients see it."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock, self._faults = clock, faults

    def now_ns(self) -> int:
        now_ns = self._clock.now_ns()
        return now_ns + self._faults.shift_ns(now_ns) if self._faults.any else now_ns


async def _silence(request: web.Request) -> web.Response:
    """Say nothing until the client gives up, at most `HOLD_S`; then cut the line."""
    for _ in range(round(HOLD_S / LOOK_S)):
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(LOOK_S)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=504)


def _nothing(_: object) -> None:
    return None


FAULTS = web.AppKey("faults", FaultDesk)
