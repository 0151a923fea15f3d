"""A Kraken that says exactly what a test wants, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from hw.clock import SystemClock
from market.venues.config import VenueConfig
from market.venues.kraken.rest import RestClient
from market.venues.kraken.venue import KrakenVenue
from tests.market.venue_server import Heard
from tests.market.venues.kraken.frames import BTC, ETH, guide_snapshot

Json = dict[str, Any]
KEY, SECRET = "k" * 56, base64.b64encode(b"s" * 64).decode()
ASSETS = {"XXBT": {"altname": "XBT"}, "XETH": {"altname": "ETH"}, "USDT": {"altname": "USDT"}}
_ONLINE = {"ordermin": "0.0001", "costmin": "0.5", "status": "online"}
PAIRS = {
    "XBTUSDT": {**_ONLINE, "altname": "XBTUSDT", "wsname": "XBT/USDT", "base": "XXBT", "quote": "USDT",
                "pair_decimals": 1, "lot_decimals": 8, "tick_size": "0.1"},
    "ETHUSDT": {**_ONLINE, "altname": "ETHUSDT", "wsname": "ETH/USDT", "base": "XETH", "quote": "USDT",
                "pair_decimals": 2, "lot_decimals": 4, "tick_size": "0.01"},
}  # fmt: skip
BALANCES = {"XXBT": {"balance": "1.5000000000", "hold_trade": "0.2500000000"}, "USDT": {"balance": "100.00"}}


def good(result: Any) -> tuple[int, Any]:
    """Answer a REST call well."""
    return 200, {"error": [], "result": result}


def bad(*errors: str, status: int = 200) -> tuple[int, Any]:
    """Answer a REST call badly."""
    return status, {"error": list(errors)}


def ok(request: Json, **result: Any) -> Json:
    """Answer a request well."""
    return {"method": request["method"], "req_id": request.get("req_id"), "success": True, "result": result,
            "time_in": "2026-11-21T04:20:00.000001Z", "time_out": "2026-11-21T04:20:00.000002Z"}  # fmt: skip


def no(request: Json, error: str) -> Json:
    """Answer a request badly."""
    return {"method": request["method"], "req_id": request.get("req_id"), "success": False, "error": error}


def report(sequence: int, *data: Json, flow: str = "update") -> Json:
    """Tell of orders."""
    return {"channel": "executions", "type": flow, "data": list(data), "sequence": sequence}


def _pong(request: Json) -> list[Any]:
    return [{"method": "pong", "req_id": request["req_id"], "time_in": "2026-11-21T04:20:00.000001Z"}]


def _subscribed(request: Json) -> list[Any]:
    return [ok(request, channel="executions"), report(1, flow="snapshot")]


def _served(request: Json) -> list[Any]:
    params = request["params"]
    acks = [ok(request, channel=params["channel"], symbol=symbol) for symbol in params["symbol"]]
    if params["channel"] == "book" and request["method"] == "subscribe":
        return [*acks, *(guide_snapshot() for symbol in params["symbol"] if symbol == "BTC/USDT")]
    return acks


def _silence(request: Json) -> list[Any]:
    return []


class Scripted:
    """Answer the private socket by `orders[method](request)`, the public by `market[method](request)`, each a
    list of frames, and REST by `rest[name](form)`."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Json] = []
        self.asked_market: list[Json] = []
        self.rest_calls: list[tuple[str, dict[str, str]]] = []
        self.orders: dict[str, Callable[[Json], list[Any]]] = {
            "ping": _pong,
            "subscribe": _subscribed,
            "cancel_all_orders_after": lambda request: [ok(request, triggerTime="later")],
        }
        self.market: dict[str, Callable[[Json], list[Any]]] = {"subscribe": _served, "unsubscribe": _served}
        self.rest: dict[str, Callable[[dict[str, str]], tuple[int, Any]]] = {
            "Time": lambda form: good({"unixtime": 1_700_000_000}),
            "Assets": lambda form: good(ASSETS),
            "AssetPairs": lambda form: good(PAIRS),
            "GetWebSocketsToken": lambda form: good({"token": "T0", "expires": 900}),
            "BalanceEx": lambda form: good(BALANCES),
            "OpenOrders": lambda form: good({"open": {}}),
            "ClosedOrders": lambda form: good({"closed": {}, "count": 0}),
            "TradesHistory": lambda form: good({"trades": {}, "count": 0}),
        }
        self.order_sockets: list[web.WebSocketResponse] = []
        self.market_sockets: list[web.WebSocketResponse] = []

    async def _rest(self, request: web.Request) -> web.Response:
        form = {**request.query, **{name: str(value) for name, value in (await request.post()).items()}}
        name = request.path.rsplit("/", 1)[1]
        self.rest_calls.append((name, form))
        answer = self.rest.get(name)
        status, body = answer(form) if answer is not None else bad("EGeneral:Unknown method")
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Retry-After": "0"} if status == 429 else {}
        return web.Response(text=text, status=status, headers=headers, content_type="application/json")

    async def _private(self, request: web.Request) -> web.WebSocketResponse:
        return await self._socket(request, self.order_sockets, self.requests, self.orders)

    async def _public(self, request: web.Request) -> web.WebSocketResponse:
        return await self._socket(request, self.market_sockets, self.asked_market, self.market)

    async def _socket(
        self,
        request: web.Request,
        sockets: list[web.WebSocketResponse],
        heard: list[Json],
        answers: dict[str, Callable[[Json], list[Any]]],
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = json.loads(message.data)
                heard.append(asked)
                for frame in answers.get(asked["method"], _silence)(asked):
                    await self.say(socket, frame)
        return socket

    @staticmethod
    async def say(socket: web.WebSocketResponse, frame: Any) -> None:
        """Send a frame: bytes and text as they are."""
        text = frame.decode() if isinstance(frame, bytes) else frame
        await socket.send_str(text if isinstance(text, str) else json.dumps(text))

    def asked(self, method: str) -> list[Json]:
        """Give the parameters of every request of a kind on the private socket."""
        return [request["params"] for request in self.requests if request["method"] == method]

    def called(self, name: str) -> list[dict[str, str]]:
        """Give the forms of every REST call of a name."""
        return [form for called, form in self.rest_calls if called == name]

    def config(self, **changes: Any) -> VenueConfig:
        """Say how to reach it, with short waits."""
        base = f"127.0.0.1:{self.port}"
        values: dict[str, Any] = {
            "name": "test-x",
            "dialect": "kraken",
            "rest_url": f"http://{base}",
            "stream_url": f"ws://{base}/v2",
            "api_url": f"ws://{base}/v2/auth",
            "account": "ours",
            "api_key_env": "TEST_X_KEY",
            "api_secret_env": "TEST_X_SECRET",
            "maker_fee_ppm": 1_600,
            "taker_fee_ppm": 2_600,
            "backoff_min_s": 0.01,
            "backoff_max_s": 0.05,
            "start_timeout_s": 2.0,
            "request_timeout_s": 0.2,
            "rest_timeout_s": 1.0,
            "rest_attempts": 3,
        }
        return VenueConfig(**{**values, **changes})

    def client(self, **changes: Any) -> RestClient:
        """Make a REST client."""
        return RestClient(self.config(**changes), SystemClock(), (KEY, SECRET))

    @asynccontextmanager
    async def venue(self, **changes: Any) -> AsyncIterator[tuple[KrakenVenue, Heard]]:
        """Connect the adapter."""
        heard = Heard()
        async with KrakenVenue(self.config(**changes), (BTC, ETH), SystemClock(), heard.append) as venue:
            yield venue, heard


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Run a scripted Kraken."""
    one = Scripted()
    app = web.Application()
    app.router.add_get("/v2/auth", one._private)
    app.router.add_get("/v2", one._public)
    app.router.add_route("*", "/{path:.*}", one._rest)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    one.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield one
    finally:
        for socket in one.order_sockets + one.market_sockets:
            await asyncio.wait_for(socket.close(), 1)
        await runner.cleanup()
