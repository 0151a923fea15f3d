"""Record what the exchange says at its doors: `python -m tests.sim.exchange.record_stock` writes it down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.sim.exchange.ccxt_clients import books, crowd
from tests.sim.exchange.server_builders import Running, running

CORPUS = Path(__file__).resolve().parents[2] / "captured" / "binance" / "stock.jsonl"
KINDS = (
    "depth@100ms",
    "depth",
    "depth5@100ms",
    "depth20",
    "trade",
    "aggTrade",
    "bookTicker",
    "ticker",
    "miniTicker",
    "ticker_1h",
    "kline_1s",
    "kline_1m",
)
BTC = {"symbol": "BTCUSDT"}
PUBLIC: list[tuple[str, dict[str, Any]]] = [
    ("/api/v3/ping", {}),
    ("/api/v3/time", {}),
    ("/api/v3/exchangeInfo", {}),
    ("/api/v3/depth", {**BTC, "limit": 20}),
    ("/api/v3/trades", BTC),
    ("/api/v3/aggTrades", BTC),
    ("/api/v3/klines", {**BTC, "interval": "1m"}),
    ("/api/v3/avgPrice", BTC),
    ("/api/v3/ticker", BTC),
    ("/api/v3/ticker/24hr", {}),
    ("/api/v3/ticker/price", {}),
    ("/api/v3/ticker/bookTicker", {}),
    ("/api/v3/klines", {**BTC, "interval": "7m"}),
    ("/api/v3/depth", {"symbol": "NOPE"}),
    ("/api/v3/depth", {}),
    ("/fapi/v1/exchangeInfo", {}),
    ("/sapi/v1/system/status", {}),
]
OWN: list[tuple[str, dict[str, Any]]] = [
    ("/api/v3/account", {}),
    ("/api/v3/account/commission", BTC),
    ("/api/v3/openOrders", {}),
    ("/api/v3/allOrders", BTC),
    ("/api/v3/myTrades", BTC),
    ("/api/v3/order", {**BTC, "orderId": 999}),
    ("/api/v3/rateLimit/order", {}),
    ("/sapi/v1/capital/config/getall", {}),
    ("/sapi/v1/asset/tradeFee", {}),
    ("/sapi/v1/account/apiRestrictions", {}),
]


class Recorder:
    """Keep every frame and answer, with the door at which it came."""

    def __init__(self, at: Running) -> None:
        self._at, self._number = at, 0
        self.lines: list[tuple[str, str]] = []

    async def listen(self, door: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Keep all frames of a connection until it closes."""
        async for message in socket:
            self.lines.append((door, message.data))

    async def ask(self, method: str, path: str, who: str | None = None, **values: Any) -> None:
        """Keep the answer to a REST request."""
        _, body = await self._at.rest(method, path, who, **values)
        self.lines.append((f"{method} {path}", json.dumps(body, separators=(",", ":"))))

    async def send(self, socket: aiohttp.ClientWebSocketResponse, method: str, **values: Any) -> None:
        """Send a signed WebSocket request and wait for its answer."""
        self._number += 1
        number = f"{method}/{self._number}"
        await socket.send_json({"id": number, "method": method, "params": self._at.signed("A", **values)})
        async with asyncio.timeout(5):
            while not any(f'"id":"{number}"' in text for door, text in self.lines if door == "orders"):
                await asyncio.sleep(0.005)


async def record(at: Running) -> list[tuple[str, str]]:
    """Trade in every way, with all doors open, and give what was said."""
    recorder = Recorder(at)
    await books(at)
    streams = "/".join(f"{market}@{kind}" for market in ("btcusdt", "ethusdt") for kind in KINDS)
    async with asyncio.TaskGroup() as group:
        public = await at.session.ws_connect(f"{at.url}/stream?streams={streams}/!miniTicker@arr")
        orders = await at.session.ws_connect(f"{at.url}/ws-api/v3")
        group.create_task(recorder.listen("stream", public))
        group.create_task(recorder.listen("orders", orders))
        await _trade(at, recorder, orders)
        await _wait_for_streams(recorder)
        for path, values in PUBLIC:
            await recorder.ask("GET", path, **values)
        for path, values in OWN:
            await recorder.ask("GET", path, "A", **values)
        await public.close()
        await orders.close()
    return recorder.lines


async def _trade(at: Running, recorder: Recorder, orders: aiohttp.ClientWebSocketResponse) -> None:
    async def send(method: str, **values: Any) -> None:
        await recorder.send(orders, method, **values)

    buy, sell = at.order("BUY", "59000", "0.01"), at.order("SELL", "60001", "0.02")
    market = {**BTC, "side": "BUY", "type": "MARKET"}
    await send("userDataStream.subscribe.signature")
    await send("order.place", **buy, newClientOrderId="mine-1")
    await send("order.place", **buy, newClientOrderId="mine-1")
    await send("order.cancelReplace", **buy, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=999)
    replaced = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "mine-1"}
    await send("order.cancelReplace", **{**buy, "price": "59100"}, **replaced)
    await send("order.place", **{**sell, "type": "STOP_LOSS_LIMIT", "stopPrice": "59500"})
    await send("order.place", **{**buy, "price": "60002", "quantity": "0.15", "timeInForce": "IOC"})
    await send("order.place", **{**buy, "price": "60003", "quantity": "9", "timeInForce": "FOK"})
    await send("order.place", **market, quantity="0.01")
    await send("order.place", **market, quoteOrderQty="500")
    await send("order.place", **{**buy, "quantity": "190"})
    await send("order.place", **{**buy, "quantity": "0.000001"})
    await send("order.place", **sell)
    for step in range(20):
        await crowd(at, 1, 6_000_100 + step, 300)
        await crowd(at, -1, 300_100 - step, 400, 1)
    await send("order.status", **BTC, origClientOrderId="mine-1")
    await send("order.cancel", **BTC, origClientOrderId="nobody")
    await send("openOrders.status")
    await send("openOrders.cancelAll", **BTC)
    await send("account.status")
    await send("myTrades", **BTC)
    await recorder.ask("POST", "/api/v3/order", "A", **buy)
    await recorder.ask("DELETE", "/api/v3/openOrders", "A", **BTC)


async def _wait_for_streams(recorder: Recorder) -> None:
    """Wait until a bar has closed and every stream has spoken."""
    async with asyncio.timeout(10):
        while True:
            heard = [text for door, text in recorder.lines if door == "stream"]
            wanted = [f'"btcusdt@{kind}"' for kind in KINDS] + ['"x":true', '"!miniTicker@arr"']
            if all(any(one in text for text in heard) for one in wanted):
                return
            await asyncio.sleep(0.05)


def shapes(lines: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Give the names used in what was said, by what it was about."""
    found: dict[str, set[str]] = {}
    for door, text in lines:
        message = json.loads(text)
        found.setdefault(_kind(door, message), set()).update(_names(message, ""))
    return found


def _kind(door: str, message: Any) -> str:
    if not isinstance(message, dict):
        return door
    if "event" in message:
        return f"event {message['event']['e']} {message['event'].get('x', '')}"
    if "stream" in message:
        return f"stream {message['stream'].partition('@')[2]}"
    return f"{door} {str(message.get('id', '')).partition('/')[0]} {message.get('status', 200)}"


def _names(value: Any, where: str) -> set[str]:
    if isinstance(value, dict):
        inner = [_names(one, f"{where}.{name}") for name, one in value.items()]
        return {f"{where}.{name}" for name in value}.union(*inner)
    if isinstance(value, list):
        return set().union(*(_names(one, f"{where}[]") for one in value))
    return {f"{where}:{type(value).__name__}"}


def captured() -> list[tuple[str, str]]:
    """Read the corpus."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    return [(one["door"], one["payload"]) for one in map(json.loads, lines)]


async def _main() -> None:
    async with running() as at:
        lines = await record(at)
    with CORPUS.open("w", encoding="utf-8") as corpus:
        for door, payload in lines:
            corpus.write(json.dumps({"door": door, "payload": payload}, separators=(",", ":")) + "\n")
    print(f"{len(lines)} frames in {CORPUS.name}")


if __name__ == "__main__":
    asyncio.run(_main())
