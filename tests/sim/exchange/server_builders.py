"""A served exchange on a free port, and clients that sign."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from bus.journal_memory import MemoryJournal
from hw.clock import SystemClock
from sim.exchange import sign
from sim.exchange.config import ExchangeConfig
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server import Stand, bind, serve
from sim.exchange.server_venue import Venue, read_keys
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import crowd

KEYS = {"A_KEY": "alice-key-1", "A_SECRET": "alice-secret", "B_KEY": "bob-key-12", "B_SECRET": "bob-secret"}


def config(**changes: Any) -> ExchangeConfig:
    """Build an exchange with a triangle of markets, two people and a crowd's accounts."""
    held = {"BTC": "10", "ETH": "100", "USDT": "1000000"}
    market = {"size_max": "200", "notional_min": "5", "volatility_day_frac": 0.04}
    table: dict[str, Any] = {
        "name": "test-x",
        "assets": ["BTC", "ETH", "USDT"],
        "markets": [
            {
                **market,
                "base": "BTC",
                "quote": "USDT",
                "tick": "0.01",
                "lot": "0.00001",
                "start_price": "60000",
            },
            {
                **market,
                "base": "ETH",
                "quote": "USDT",
                "tick": "0.01",
                "lot": "0.0001",
                "start_price": "3000",
            },
            {
                **market,
                "base": "ETH",
                "quote": "BTC",
                "tick": "0.00001",
                "lot": "0.0001",
                "start_price": "0.05",
                "notional_min": "0.0001",
            },
        ],
        "accounts": [
            {"name": "alice", "api_key_env": "A_KEY", "api_secret_env": "A_SECRET", "balances": held},
            {"name": "bob", "api_key_env": "B_KEY", "api_secret_env": "B_SECRET", "balances": held},
            *({"name": f"flow-{name}", "unlimited": True} for name in ("maker", "noise", "momentum")),
        ],
        **changes,
    }
    return ExchangeConfig.model_validate(table)


@dataclass(frozen=True)
class Running:
    """A served exchange and a session to talk to it."""

    venue: Venue
    url: str
    session: aiohttp.ClientSession
    stop: asyncio.Event

    async def rest(
        self, method: str, path: str, who: str | None = None, body: bool = False, **values: object
    ) -> tuple[int, Any]:
        """Call REST, signed where `who` is given."""
        headers = {}
        query = urlencode({name: str(value) for name, value in values.items()})
        if who is not None:
            headers["X-MBX-APIKEY"] = KEYS[f"{who}_KEY"]
            stamped = {**values} if "timestamp" in values else {**values, "timestamp": self.venue.now_ms()}
            query = urlencode({name: str(value) for name, value in stamped.items()})
            query += "&signature=" + sign.signature(KEYS[f"{who}_SECRET"].encode(), query)
        url = URL(f"{self.url}{path}" + ("" if body else f"?{query}"), encoded=True)
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.session.request(method, url, headers=headers, data=query if body else None) as answer:
            return answer.status, await answer.json()

    def signed(self, who: str, **values: object) -> dict[str, object]:
        """Sign WebSocket parameters."""
        params = {**values, "apiKey": KEYS[f"{who}_KEY"], "timestamp": self.venue.now_ms()}
        texts = {name: str(value) for name, value in params.items()}
        payload = sign.ws_payload(texts)
        return {**params, "signature": sign.signature(KEYS[f"{who}_SECRET"].encode(), payload)}

    def order(self, side: str, price: str, quantity: str, **more: object) -> dict[str, Any]:
        """Write a limit order on BTCUSDT."""
        return {
            "symbol": "BTCUSDT",
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": quantity,
            "price": price,
            **more,
        }


async def ask(socket: aiohttp.ClientWebSocketResponse, number: object, method: str, params: object) -> Any:
    """Send one WebSocket request and give the next message."""
    await socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
    return await hear(socket)


async def hear(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Give the next message."""
    return json.loads(await socket.receive_str(timeout=10))


@asynccontextmanager
async def running(
    flow: FlowConfig | None = None, admin_token: str | None = None, **changes: Any
) -> AsyncIterator[Running]:
    """Serve an exchange while the context lasts."""
    made = config(**changes)
    recorded = RecordedExchange.recover(made, MemoryJournal("test"))
    venue = Venue(made, recorded, SystemClock(), read_keys(made, KEYS))
    prices = PriceProcess(price_config([made]), 7, (made.name,))
    (port,) = bind([(made.name, 0)])
    stand = Stand(venue, port, None if flow is None else crowd(flow, made, prices, 7), admin_token)
    ready, stop = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve([stand], ready.set, stop))
        await ready.wait()
        try:
            async with aiohttp.ClientSession() as session:
                yield Running(venue, stand.url, session, stop)
        finally:
            stop.set()
