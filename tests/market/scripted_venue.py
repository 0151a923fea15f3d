"""A venue that says exactly what a test wants, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from domain.instrument import Instrument
from hw.clock import SystemClock
from market.venues.binance.venue import BinanceVenue
from market.venues.config import VenueConfig
from tests.market.venue_server import Heard

Json = dict[str, Any]
BTC = Instrument.of(0, "test-x", "BTC", "USDT", tick="0.01", lot="0.00001")
ETH = Instrument.of(1, "test-x", "ETH", "USDT", tick="0.01", lot="0.0001")


def ok(request: Json, result: Any) -> Json:
    """Answer a request well."""
    return {"id": request["id"], "status": 200, "result": result, "rateLimits": []}


def no(request: Json, status: int, code: int, text: str = "no") -> Json:
    """Answer a request badly."""
    return {"id": request["id"], "status": status, "error": {"code": code, "msg": text}}


def _silence(request: Json) -> list[Any]:
    return []


class Scripted:
    """Answer orders by `orders[method](request)`, a list of frames, and REST by `rest[path](query)`."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Json] = []
        self.rest_calls: list[tuple[str, dict[str, str]]] = []
        self.orders: dict[str, Callable[[Json], list[Any]]] = {
            "userDataStream.subscribe.signature": lambda request: [ok(request, {"subscriptionId": 0})]
        }
        self.rest: dict[str, Callable[[dict[str, str]], tuple[int, Any]]] = {
            "/api/v3/time": lambda query: (200, {"serverTime": time.time_ns() // 1_000_000}),
        }
        self.order_sockets: list[web.WebSocketResponse] = []
        self.stream_sockets: list[web.WebSocketResponse] = []
        self.subscribed: list[Json] = []
        self.subscribe: Callable[[Json], list[Any]] = lambda asked: [{"result": None, "id": asked["id"]}]
        self.silent = False

    async def _rest(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.rest_calls.append((request.path, query))
        answer = self.rest.get(request.path)
        if answer is None:
            return web.json_response({"code": -1020, "msg": "not scripted"}, status=404)
        status, body = answer(query)
        headers = {"Retry-After": "0"} if status == 429 else {}
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, headers=headers, content_type="application/json")

    async def _orders(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=not self.silent, timeout=0.1)
        await socket.prepare(request)
        self.order_sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.requests.append(asked)
                for frame in self.orders.get(asked["method"], _silence)(asked):
                    await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
        return socket

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=not self.silent, timeout=0.1)
        await socket.prepare(request)
        self.stream_sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.subscribed.append(asked)
                for frame in self.subscribe(asked):
                    await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
        return socket

    def asked(self, method: str) -> list[Json]:
        """Give the parameters of every request of a kind."""
        return [request["params"] for request in self.requests if request["method"] == method]

    def config(self, **changes: Any) -> VenueConfig:
        """Say how to reach it, with short waits."""
        base = f"127.0.0.1:{self.port}"
        values: dict[str, Any] = {
            "name": "test-x",
            "rest_url": f"http://{base}",
            "stream_url": f"ws://{base}",
            "api_url": f"ws://{base}/ws-api/v3",
            "account": "ours",
            "api_key_env": "TEST_X_KEY",
            "api_secret_env": "TEST_X_SECRET",
            "backoff_min_s": 0.01,
            "backoff_max_s": 0.05,
            "start_timeout_s": 2.0,
            "request_timeout_s": 0.2,
            "rest_timeout_s": 1.0,
            "rest_attempts": 3,
        }
        return VenueConfig(**{**values, **changes})

    @asynccontextmanager
    async def venue(self, **changes: Any) -> AsyncIterator[tuple[BinanceVenue, Heard]]:
        """Connect the adapter."""
        heard = Heard()
        async with BinanceVenue(self.config(**changes), (BTC, ETH), SystemClock(), heard.append) as venue:
            yield venue, heard


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """Run a scripted venue."""
    one = Scripted()
    app = web.Application()
    app.router.add_get("/ws-api/v3", one._orders)
    app.router.add_get("/stream", one._stream)
    app.router.add_get("/{path:.*}", one._rest)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    one.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield one
    finally:
        for socket in one.order_sockets + one.stream_sockets:
            await asyncio.wait_for(socket.close(), 1)
        await runner.cleanup()
