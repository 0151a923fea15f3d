"""The stock ccxt classes, told nothing but other addresses and a key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import ccxt
import ccxt.pro
import pytest

from sim.exchange.messages import PlaceOrder, Refused, SelfTradePrevention
from tests.sim.exchange.server_builders import KEYS, Running, running

BTC, ETH = "BTC/USDT", "ETH/USDT"
CROWD = 2
GTC = 0


def moved(urls: Any, host: str) -> Any:
    """Put another host into every address, and leave the paths."""
    if isinstance(urls, dict):
        return {name: moved(value, host) for name, value in urls.items()}
    scheme = "ws" if urls.startswith("ws") else "http"
    return re.sub(r"^\w+://[^/]+", f"{scheme}://{host}", urls)


def point(client: Any, at: Running, who: str) -> Any:
    """Give a client its key and the addresses of a running exchange."""
    client.apiKey, client.secret = KEYS[f"{who}_KEY"], KEYS[f"{who}_SECRET"]
    client.urls["api"] = moved(client.urls["api"], at.url.removeprefix("http://"))
    return client


def synchronous(at: Running, who: str = "A") -> Any:
    """Make the synchronous class; the machine's proxies are not for it."""
    client = point(ccxt.binance(), at, who)
    client.session.trust_env = False
    return client


@asynccontextmanager
async def stock(at: Running, who: str = "A", **config: Any) -> AsyncIterator[Any]:
    """Make the WebSocket class, which is the REST class too; it does not wait between requests."""
    client = point(ccxt.pro.binance({"enableRateLimit": False, **config}), at, who)
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


async def crowd(at: Running, side: int, price_ticks: int, size_lots: int, instrument: int = 0) -> None:
    """Place a limit order of somebody else."""
    order = PlaceOrder(
        at.venue.now_ns(),
        CROWD,
        instrument,
        side,
        GTC,
        price_ticks,
        size_lots,
        self_trade=SelfTradePrevention.NONE,
    )
    outputs: Any = await at.venue.ask(lambda: at.venue.apply(order))
    assert not isinstance(outputs[0], Refused)


async def books(at: Running) -> None:
    """Put ten levels of 0.1 BTC around 60,000, and of 1 ETH around 3,000."""
    for step in range(1, 11):
        for side in (1, -1):
            await crowd(at, side, 6_000_000 - side * 100 * step, 10_000)
            await crowd(at, side, 300_000 - side * 100 * step, 10_000, 1)


def with_stock(check: Callable[[Running, Any, Any], Awaitable[None]], **changes: Any) -> None:
    """Run a check with a served exchange, Alice's client and Bob's; its failure is raised as it is."""

    async def whole() -> BaseException | None:
        async with asyncio.timeout(30), running(**changes) as at:
            await books(at)
            async with stock(at) as alice, stock(at, "B") as bob:
                try:
                    await check(at, alice, bob)
                except (Exception, pytest.fail.Exception) as failure:
                    return failure
        return None

    failed = asyncio.run(whole())
    if failed is not None:
        raise failed


async def watched(watch: Callable[[], Awaitable[Any]], true: Callable[[Any], bool]) -> Any:
    """Watch until what came is as wished."""
    async with asyncio.timeout(10):
        while True:
            found = await watch()
            if true(found):
                return found
