"""A venue for `wire_to_wire`, in a process of its own: paced depth frames, and orders filled as they come."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from hw.clock import SystemClock

BASE_START, QUOTE_START = 10**6, 10**9
# A lot is 1e-5 BTC and a tick 0.01 USDT, so that a tick of a lot is 1e-7 USDT.
LOTS, UNITS = 10**5, 10**7
MIDDLE, STEP, DEEP = 6_800_000, 2_040, 500
NEAR = 5
# More than Binance allows (100 in ten seconds): what is timed is the way of an order, not the waiting.
ORDER_LIMIT = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10}
Json = dict[str, Any]


def price(ticks: int) -> str:
    """Write a price as the venue does."""
    return f"{ticks / 100:.8f}"


def near(state: int, sign: int) -> list[int]:
    """Give the best prices of a side: the market jumps between two places, three basis points apart."""
    return [MIDDLE + state * STEP + sign * (5_000 + place) for place in range(NEAR)]


def depth_frames() -> Iterator[bytes]:
    """Write changes of 20 levels without end: each takes the touch from one place to the other."""
    last, state = 100, 0
    while True:
        sides = [
            [[price(ticks), "0.00000000"] for ticks in near(state, sign)]
            + [[price(ticks), "1.25000000"] for ticks in near(1 - state, sign)]
            for sign in (-1, 1)
        ]
        state = 1 - state
        data = {"e": "depthUpdate", "E": SystemClock().now_ns() // 1_000_000, "s": "BTCUSDT"}
        data |= {"U": last + 1, "u": last + 7, "b": sides[0], "a": sides[1]}
        last += 7
        yield json.dumps(data, separators=(",", ":")).encode()


def snapshot() -> Json:
    """Write the book that the changes begin from: the near levels, and deep ones that stay."""
    sides = [
        [[price(ticks), "1.25000000"] for ticks in near(0, sign)]
        + [[price(MIDDLE + sign * (20_000 + place)), "1.00000000"] for place in range(DEEP)]
        for sign in (-1, 1)
    ]
    return {"lastUpdateId": 100, "bids": sides[0], "asks": sides[1]}


class Account:
    """Fill every order at once, free of charge, and remember it all."""

    def __init__(self) -> None:
        self.trades: list[Json] = []
        self.base_lots, self.quote_units = 0, QUOTE_START * UNITS
        self.orders = 0

    def answers(self, request: Json) -> list[Json]:
        """Give what a request brings, in order."""
        if request["method"] == "userDataStream.subscribe.signature":
            return [{"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}]
        if request["method"] != "order.place":
            return [{"id": request["id"], "status": 400, "error": {"code": -2011, "msg": "Unknown order"}}]
        asked, number = request["params"], len(self.trades) + 1
        lots, ticks = round(float(asked["quantity"]) * 1e5), round(float(asked["price"]) * 100)
        sign = 1 if asked["side"] == "BUY" else -1
        self.base_lots += sign * lots
        self.quote_units -= sign * ticks * lots
        now_ms = int(asked["timestamp"])
        self.trades.append(
            {
                "id": number, "orderId": number, "price": asked["price"], "qty": asked["quantity"],
                "commission": "0", "commissionAsset": "USDT", "time": now_ms, "isBuyer": sign > 0,
                "isMaker": True, "clientOrderId": asked["newClientOrderId"],
            }
        )  # fmt: skip
        placed = {"symbol": "BTCUSDT", "orderId": number, "clientOrderId": asked["newClientOrderId"]}
        report = {
            "e": "executionReport", "E": now_ms, "s": "BTCUSDT", "c": asked["newClientOrderId"],
            "S": asked["side"], "o": asked["type"], "f": "GTC", "q": asked["quantity"], "p": asked["price"],
            "C": "", "x": "TRADE", "X": "FILLED", "r": "NONE", "i": number, "l": asked["quantity"],
            "z": asked["quantity"], "L": asked["price"], "n": "0", "N": "USDT", "T": now_ms, "t": number,
            "m": True,
        }  # fmt: skip
        return [
            {"id": request["id"], "status": 200, "result": {**placed, "transactTime": now_ms}},
            {"subscriptionId": 0, "event": report},
        ]

    def listed(self, since: int) -> list[Json]:
        """Give trades from an id on."""
        return self.trades[max(0, since - 1) :]

    def balances(self) -> Json:
        """Give what is held."""
        base, quote = BASE_START * LOTS + self.base_lots, self.quote_units
        held = {
            "BTC": f"{base // LOTS}.{base % LOTS:05}",
            "USDT": f"{quote // UNITS}.{quote % UNITS:07}",
        }
        return {"balances": [{"asset": asset, "free": text, "locked": "0"} for asset, text in held.items()]}


class Orders(WSListener):
    """One WebSocket API connection."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a request."""
        if frame.msg_type != WSMsgType.TEXT:
            transport.disconnect()
            return
        for answer in self._account.answers(json.loads(frame.get_payload_as_bytes())):
            transport.send(WSMsgType.TEXT, json.dumps(answer, separators=(",", ":")).encode())


class Stream(WSListener):
    """One market-data connection: combined where it was opened so, else as Binance's `/ws`."""

    def __init__(self, pace_s: float, combined: bool) -> None:
        self._pace_s, self._combined = pace_s, combined
        self._frames = depth_frames()
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin."""
        self._transport = transport
        if self._combined:
            self._begin()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Confirm a subscription."""
        if frame.msg_type == WSMsgType.TEXT:
            request = json.loads(frame.get_payload_as_bytes())
            transport.send(WSMsgType.TEXT, json.dumps({"result": None, "id": request["id"]}).encode())
            self._begin()
        else:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(0.3, self._tell)

    def _tell(self) -> None:
        assert self._transport is not None
        data = next(self._frames)
        if self._combined:
            data = b'{"stream":"btcusdt@depth@100ms","data":' + data + b"}"
        self._transport.send(WSMsgType.TEXT, data)
        self._timer = asyncio.get_running_loop().call_later(self._pace_s, self._tell)


def rest(account: Account) -> web.Application:
    """Answer what an adapter asks over REST."""
    answers: dict[str, Callable[[web.Request], Any]] = {
        "/api/v3/time": lambda request: {"serverTime": SystemClock().now_ns() // 1_000_000},
        "/api/v3/exchangeInfo": lambda request: {"rateLimits": [{**ORDER_LIMIT, "limit": 10**6}]},
        "/api/v3/depth": lambda request: snapshot(),
        "/api/v3/account": lambda request: account.balances(),
        "/api/v3/openOrders": lambda request: [],
        "/api/v3/myTrades": lambda request: account.listed(int(request.query.get("fromId", "1"))),
    }

    async def answer(request: web.Request) -> web.Response:
        made = answers.get(request.path)
        if made is None:
            return web.json_response({"code": -1020, "msg": "not here"}, status=404)
        return web.json_response(made(request))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


async def stay_awake() -> None:
    """Look for work without ever sleeping."""
    while True:  # noqa: ASYNC110 - sleeping is what it is there to prevent
        await asyncio.sleep(0)


async def serve(pace_s: float, awake: bool) -> None:
    """Serve until stdin ends; say the two ports first."""
    account = Account()

    def connected(request: WSUpgradeRequest) -> WSListener:
        path = request.path.decode()
        return Orders(account) if "ws-api" in path else Stream(pace_s, "/stream" in path)

    sockets = await ws_create_server(connected, "127.0.0.1", 0)
    runner = web.AppRunner(rest(account), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    rest_port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    print(rest_port, sockets.sockets[0].getsockname()[1], flush=True)
    async with asyncio.TaskGroup() as tasks:
        spinning = tasks.create_task(stay_awake()) if awake else None
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        if spinning is not None:
            spinning.cancel()
    sockets.close()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1]), "awake" in sys.argv[2:]))
