"""Venues for `thousand_symbols`, in a process of their own: a paced feed, and orders filled as they come.

A venue is one connection: picows takes a URL of 16 KB, which names the streams of some 250 symbols.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from hw.clock import SystemClock, perf_ns

TICKS_PER_DELTA = 10
TICKS_PER_S = 10
DEEP, DEEP_AT, STRAY_MAX = 20, 500, 200
# A tick is 0.01 USDT and a lot 0.001 of the base, so that a tick of a lot is 1e-5 USDT.
LOTS, UNITS = 10**3, 10**5
BASE_START, QUOTE_START = 10**6, 10**9
TURN_S, BEGIN_S = 0.001, 0.2
Json = dict[str, Any]


def symbol(number: int) -> str:
    """Name a market."""
    return f"S{number:04}USDT"


class Market:
    """One market: a touch that wanders, and a book that follows it."""

    __slots__ = ("_draw", "_tick", "ask", "base", "bid", "booked", "booked_at", "lots", "name", "update")

    def __init__(self, number: int) -> None:
        self.name, self.base = symbol(number), 100_000 + 97 * number
        self.bid, self.ask, self.lots, self.update = self.base, self.base + 2, 100, 1
        self.booked, self.booked_at = (self.bid, self.ask), 1
        self._draw = random.Random(number).random
        self._tick = f'{{"stream":"{self.name.lower()}@bookTicker","data":{{"u":%d,"s":"{self.name}",' + (
            '"b":"%d.%02d000000","B":"%d.00000000","a":"%d.%02d000000","A":"%d.00000000"}}'
        )

    def tick(self) -> bytes:
        """Move, and tell the touch."""
        up = self._draw() < 0.5 - (self.bid - self.base) / (2 * STRAY_MAX)
        step = 1 if up else -1
        self.bid += step
        self.ask += step
        self.update += 1
        self.lots = lots = 1 + self.update % 7
        bid, ask = self.bid, self.ask
        return (
            self._tick % (self.update, bid // 100, bid % 100, lots, ask // 100, ask % 100, lots + 1)
        ).encode()

    def delta(self) -> bytes:
        """Tell what became of the book since the last time: its best prices are the touch's."""
        first, self.booked_at = self.booked_at + 1, self.update
        old, self.booked = self.booked, (self.bid, self.ask)
        sides = [
            [[price(was), "0.00000000"]] * (was != now) + [[price(now), f"{self.lots + sign}.00000000"]]
            for was, now, sign in zip(old, self.booked, (0, 1), strict=True)
        ]
        data = {"e": "depthUpdate", "E": SystemClock().now_ns() // 1_000_000, "s": self.name}
        data |= {"U": first, "u": self.update, "b": sides[0], "a": sides[1]}
        told = {"stream": f"{self.name.lower()}@depth@100ms", "data": data}
        return json.dumps(told, separators=(",", ":")).encode()

    def snapshot(self) -> Json:
        """Write the book as of the last change told."""
        sides = [
            [[price(best), "3.00000000"]]
            + [[price(self.base + sign * (DEEP_AT + 10 * place)), "9.00000000"] for place in range(DEEP)]
            for sign, best in zip((-1, 1), self.booked, strict=True)
        ]
        return {"lastUpdateId": self.booked_at, "bids": sides[0], "asks": sides[1]}


def price(ticks: int) -> str:
    """Write a price as the venue does."""
    return f"{ticks // 100}.{ticks % 100:02}000000"


class Account:
    """Fill every order at once, free of charge, and remember it all."""

    def __init__(self, markets: list[Market]) -> None:
        self.trades: dict[str, list[Json]] = {market.name: [] for market in markets}
        self.base_lots = dict.fromkeys(self.trades, BASE_START * LOTS)
        self.quote_units = QUOTE_START * UNITS
        self.orders = 0

    def answers(self, request: Json) -> list[Json]:
        """Give what a request brings, in order."""
        if request["method"] == "userDataStream.subscribe.signature":
            return [{"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}]
        if request["method"] != "order.place":
            return [{"id": request["id"], "status": 400, "error": {"code": -2011, "msg": "Unknown order"}}]
        asked, name = request["params"], request["params"]["symbol"]
        lots, ticks = round(float(asked["quantity"]) * LOTS), round(float(asked["price"]) * 100)
        sign = 1 if asked["side"] == "BUY" else -1
        self.base_lots[name] += sign * lots
        self.quote_units -= sign * ticks * lots
        self.orders += 1
        now_ms, client_id, number = int(asked["timestamp"]), asked["newClientOrderId"], self.orders
        trades = self.trades[name]
        trades.append(
            {
                "id": len(trades) + 1, "orderId": number, "price": asked["price"], "qty": asked["quantity"],
                "commission": "0", "commissionAsset": "USDT", "time": now_ms, "isBuyer": sign > 0,
                "isMaker": True, "clientOrderId": client_id,
            }
        )  # fmt: skip
        placed = {"symbol": name, "orderId": number, "clientOrderId": client_id, "transactTime": now_ms}
        report = {
            "e": "executionReport", "E": now_ms, "s": name, "c": client_id, "S": asked["side"],
            "o": asked["type"], "f": "GTC", "q": asked["quantity"], "p": asked["price"], "C": "",
            "x": "TRADE", "X": "FILLED", "r": "NONE", "i": number, "l": asked["quantity"],
            "z": asked["quantity"],
            "L": asked["price"], "n": "0", "N": "USDT", "T": now_ms, "t": len(trades), "m": True,
        }  # fmt: skip
        return [
            {"id": request["id"], "status": 200, "result": placed},
            {"subscriptionId": 0, "event": report},
        ]

    def listed(self, name: str, since: int) -> list[Json]:
        """Give a market's trades from an id on."""
        return self.trades[name][max(0, since - 1) :]

    def balances(self) -> Json:
        """Give what is held."""
        held = {
            name.removesuffix("USDT"): f"{lots // LOTS}.{lots % LOTS:03}"
            for name, lots in self.base_lots.items()
        }
        held["USDT"] = f"{self.quote_units // UNITS}.{self.quote_units % UNITS:05}"
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
    """One market-data connection; its frames come from the feed."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Be the venue's stream; the last one to come is."""
        self._venue.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Confirm a subscription."""
        if frame.msg_type == WSMsgType.TEXT:
            number = json.loads(frame.get_payload_as_bytes())["id"]
            transport.send(WSMsgType.TEXT, json.dumps({"result": None, "id": number}).encode())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


class Venue:
    """Some markets, an account, and the one stream that tells of them."""

    def __init__(self, numbers: range) -> None:
        self.markets = {symbol(number): Market(number) for number in numbers}
        self.account = Account(list(self.markets.values()))
        self.transport: WSTransport | None = None
        self.stamps: list[int] = []

    def send(self, payload: bytes) -> None:
        """Tell a frame, and note when."""
        assert self.transport is not None, "nobody listens"
        self.stamps.append(perf_ns())
        self.transport.send(WSMsgType.TEXT, payload)

    def listener(self, request: WSUpgradeRequest) -> WSListener:
        """Answer an upgrade."""
        return Orders(self.account) if b"ws-api" in request.path else Stream(self)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer what an adapter asks over REST; weight is not counted, so that all may be asked at once."""
        query = request.query
        answers: dict[str, Callable[[], Any]] = {
            "/api/v3/time": lambda: {"serverTime": SystemClock().now_ns() // 1_000_000},
            "/api/v3/exchangeInfo": lambda: {
                "rateLimits": [
                    {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": 1, "limit": 10**7}
                    for kind in ("REQUEST_WEIGHT", "ORDERS")
                ]
            },
            "/api/v3/depth": lambda: self.markets[query["symbol"]].snapshot(),  # noqa: PLW0108
            "/api/v3/account": self.account.balances,
            "/api/v3/openOrders": lambda: [],
            "/sapi/v1/account/apiRestrictions": lambda: {"enableWithdrawals": False},
            "/api/v3/myTrades": lambda: self.account.listed(query["symbol"], int(query.get("fromId", "1"))),
        }
        made = answers.get(request.path)
        if made is None:
            return web.json_response({"code": -1020, "msg": "not here"}, status=404)
        return web.json_response(made())


async def feed(venues: list[Venue], frames: int) -> None:
    """Tell so many frames, spread evenly: each market's touch ten times a second, its book once."""
    markets = [(venue, market) for venue in venues for market in venue.markets.values()]
    rate = len(markets) * (TICKS_PER_S + TICKS_PER_S / TICKS_PER_DELTA)
    clock = asyncio.get_running_loop().time
    began_s, told, ticks, deltas = clock(), 0, 0, 0
    while told < frames:
        await asyncio.sleep(TURN_S)
        due = min(frames, round((clock() - began_s) * rate))
        while told < due:
            if told % (TICKS_PER_DELTA + 1) == TICKS_PER_DELTA:
                venue, market = markets[deltas % len(markets)]
                venue.send(market.delta())
                deltas += 1
            else:
                venue, market = markets[ticks % len(markets)]
                venue.send(market.tick())
                ticks += 1
            told += 1


async def serve(symbols: int, connections: int) -> None:
    """Serve: say the ports; then for each line `frames path` feed so many and write when each was sent."""
    each = -(-symbols // connections)
    venues = [Venue(range(first, min(first + each, symbols))) for first in range(0, symbols, each)]
    ports: list[int] = []
    for venue in venues:
        app = web.Application()
        app.router.add_get("/{path:.*}", venue.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        ports.append(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
        sockets = await ws_create_server(venue.listener, "127.0.0.1", 0)
        ports.append(sockets.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        frames, folder = line.split()
        await asyncio.sleep(BEGIN_S)
        await feed(venues, int(frames))
        for number, venue in enumerate(venues):
            np.save(Path(folder) / f"{number}.npy", np.array(venue.stamps, np.int64))
            venue.stamps.clear()
        print(*(venue.account.orders for venue in venues), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
