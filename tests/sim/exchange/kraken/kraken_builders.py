"""A served Kraken on a free port, and clients that sign."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bus.journal_memory import MemoryJournal
from domain.order import Side, TimeInForce
from hw.clock import SystemClock
from sim.exchange.kraken.keys import signature
from sim.exchange.messages import PlaceOrder, SelfTradePrevention
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, bind, serve
from sim.exchange.server_venue import Venue, read_keys
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import crowd
from tests.sim.exchange.server_builders import config

SECRETS = {who: base64.b64encode(f"{who}-secret".encode() * 4).decode() for who in "AB"}
KEYS = {
    "A_KEY": "alice-key-1",
    "A_SECRET": SECRETS["A"],
    "B_KEY": "bob-key-12",
    "B_SECRET": SECRETS["B"],
}
CROWD = 2
ADMIN_TOKEN = "only-for-tests"


@dataclass
class Kraken:
    """A served exchange and a session to talk to it."""

    venue: Venue
    url: str
    session: aiohttp.ClientSession
    nonces: Any = field(default_factory=lambda: count(1))

    @property
    def ws_url(self) -> str:
        """Give the WebSocket's address."""
        return self.url.replace("http", "ws") + "/v2"

    async def public(self, path: str) -> Any:
        """Call public REST."""
        async with self.session.get(f"{self.url}/0/public/{path}") as answer:
            return await answer.json()

    async def private(self, name: str, who: str = "A", *, as_json: bool = False, **values: Any) -> Any:
        """Call private REST, signed; `nonce`, `key` and `sign` may be given."""
        path = f"/0/private/{name}"
        key, sign = values.pop("key", KEYS[f"{who}_KEY"]), values.pop("sign", None)
        values = {"nonce": str(next(self.nonces)), **values}
        values = {name: value for name, value in values.items() if value is not None}
        body = json.dumps(values) if as_json else urlencode(values)
        if sign is None:
            sign = signature(KEYS[f"{who}_SECRET"], path, str(values.get("nonce", "")), body)
        kind = "application/json" if as_json else "application/x-www-form-urlencoded"
        headers = {"API-Key": key, "API-Sign": sign, "Content-Type": kind}
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            return await answer.json()

    async def done(self, name: str, who: str = "A", **values: Any) -> Any:
        """Call private REST and give the result of what must succeed."""
        answer = await self.private(name, who, **values)
        assert answer["error"] == [], answer
        return answer["result"]

    async def crowd(self, side: Side, price: str, size: str, symbol: str = "BTCUSDT") -> None:
        """Place a limit order of somebody else."""
        market = self.venue.markets[symbol]
        order = PlaceOrder(
            self.venue.now_ns(),
            CROWD,
            market.index,
            int(side),
            int(TimeInForce.GTC),
            market.tick.count(price),
            market.lot.count(size),
            self_trade=SelfTradePrevention.NONE,
        )
        await self.venue.ask(lambda: self.venue.apply(order))

    async def fault(self, kind: str, **more: Any) -> None:
        """Let something go wrong from now on."""
        headers, spec = {"X-Admin-Token": ADMIN_TOKEN}, {"kind": kind, **more}
        async with self.session.post(f"{self.url}/admin/faults", json=spec, headers=headers) as answer:
            assert answer.status == 201, await answer.text()

    async def mend(self) -> None:
        """End every fault."""
        headers = {"X-Admin-Token": ADMIN_TOKEN}
        async with self.session.delete(f"{self.url}/admin/faults", headers=headers) as answer:
            assert answer.status == 200

    @asynccontextmanager
    async def socket(self, path: str = "") -> AsyncIterator[Socket]:
        """Open a WebSocket, past its greeting."""
        async with self.session.ws_connect(self.ws_url + path) as raw:
            socket = Socket(raw)
            assert (await socket.hear())["channel"] == "status"
            yield socket

    @asynccontextmanager
    async def trading(self, who: str = "A") -> AsyncIterator[Socket]:
        """Open a WebSocket with a token in hand."""
        async with self.socket("/auth") as socket:
            socket.token = (await self.done("GetWebSocketsToken", who))["token"]
            yield socket


class Socket:
    """One WebSocket, read frame by frame; heartbeats are passed over."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.raw, self.token = raw, ""

    async def hear(self) -> Any:
        """Give the next message, numbers as texts."""
        while True:
            frame = await self.raw.receive_str(timeout=5)
            message = json.loads(frame, parse_float=str)
            if message != {"channel": "heartbeat"}:
                return message

    async def say(self, method: str, number: int | None = None, **params: Any) -> None:
        """Send a request."""
        if self.token:
            params = {**params, "token": self.token}
        message = {"method": method, "params": params} | ({} if number is None else {"req_id": number})
        await self.raw.send_str(json.dumps(message))

    async def ask(self, method: str, number: int | None = None, **params: Any) -> Any:
        """Send a request and give the next message."""
        await self.say(method, number, **params)
        return await self.hear()

    async def hear_all(self, last: Callable[[Any], bool]) -> list[Any]:
        """Give messages up to one that fits."""
        heard: list[Any] = []
        while not heard or not last(heard[-1]):
            heard.append(await self.hear())
        return heard


def limit(side: str, price: float, quantity: float, **more: Any) -> dict[str, Any]:
    """Write a limit order as `add_order` takes it."""
    return {
        "order_type": "limit",
        "side": side,
        "symbol": "BTC/USDT",
        "limit_price": price,
        "order_qty": quantity,
        **more,
    }


@asynccontextmanager
async def kraken(
    store: MemoryJournal | None = None, clock: Any = None, flow: FlowConfig | None = None, **changes: Any
) -> AsyncIterator[Kraken]:
    """Serve an exchange while the context lasts."""
    made = config(**{"dialect": "kraken", "kraken_tier": "none", **changes})
    recorded = RecordedExchange.recover(made, MemoryJournal("test") if store is None else store)
    venue = Venue(made, recorded, SystemClock() if clock is None else clock, read_keys(made, KEYS))
    (port,) = bind([(made.name, 0)])
    prices = PriceProcess(price_config([made]), 7, (made.name,))
    stand = Stand(venue, port, None if flow is None else crowd(flow, made, prices, 7), ADMIN_TOKEN)
    ready, stop = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve([stand], ready.set, stop))
        await ready.wait()
        try:
            async with aiohttp.ClientSession() as session:
                yield Kraken(venue, stand.url, session)
        finally:
            stop.set()


def with_kraken(check: Callable[[Kraken], Coroutine[Any, Any, None]], **changes: Any) -> None:
    """Run a check against a served exchange."""

    async def whole() -> None:
        async with kraken(**changes) as at:
            await check(at)

    asyncio.run(whole())


async def listening(socket: Socket, channel: str = "executions", **more: Any) -> list[Any]:
    """Subscribe and give the snapshot's records."""
    assert (await socket.ask("subscribe", 1, channel=channel, **more))["success"]
    snapshot = await socket.hear()
    assert (snapshot["channel"], snapshot["type"], snapshot["sequence"]) == (channel, "snapshot", 1)
    return list(snapshot["data"])


async def records(socket: Socket, number: int) -> list[Any]:
    """Give the next records of updates."""
    heard = [await socket.hear() for _ in range(number)]
    assert all(one["type"] == "update" and len(one["data"]) == 1 for one in heard), heard
    return [one["data"][0] for one in heard]


def turns(told: list[Any]) -> list[tuple[str, str]]:
    """Give kind and status of records."""
    return [(one["exec_type"], one["order_status"]) for one in told]
