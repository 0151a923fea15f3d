"""Weights, order counts, 429 and 418, as the stock client meets them."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from tests.sim.exchange.ccxt_clients import BTC, with_stock
from tests.sim.exchange.server_builders import Running, ask, running


def test_what_was_used_is_told_with_every_answer() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        async def used(call: Any) -> int:
            before = at.venue.weights.used_weight("127.0.0.1", at.venue.now_ns())
            await call
            told = int(alice.last_response_headers["X-MBX-USED-WEIGHT-1M"])
            return told - before

        btc = {"symbol": "BTCUSDT"}
        assert await used(alice.fetch_order_book(BTC, 100)) == 5
        assert await used(alice.fetch_order_book(BTC, 5_000)) == 250
        assert await used(alice.fetch_tickers()) == 80
        assert await used(alice.fetch_ticker(BTC)) == 2
        assert await used(alice.public_get_ticker({"symbols": '["BTCUSDT","ETHUSDT"]'})) == 8
        assert await used(alice.public_get_ticker_24hr({"symbols": '["BTCUSDT","ETHUSDT"]'})) == 2
        assert await used(alice.private_get_openorders()) == 80
        assert await used(alice.private_get_mytrades({**btc, "orderId": 1})) == 5
        assert await used(alice.create_order(BTC, "limit", "buy", 0.01, 59_000)) == 1
        assert alice.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"
        counts = await alice.private_get_ratelimit_order()
        assert [(one["interval"], one["count"]) for one in counts] == [("SECOND", 1), ("DAY", 1)]

    with_stock(check)


def test_too_much_is_refused_and_going_on_is_banned() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        async def much() -> None:
            for _ in range(4):
                await alice.fetch_order_book(BTC, 5_000)

        with pytest.raises(ccxt.DDoSProtection, match=r"429 .*-1003.*current limit is 800 request weight"):
            await much()
        assert 1 <= int(alice.last_response_headers["Retry-After"]) <= 61
        async with at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            refused = await ask(socket, 1, "depth", {"symbol": "BTCUSDT", "limit": 5_000})
            assert (refused["status"], refused["error"]["code"]) == (429, -1003)
            assert refused["error"]["data"]["retryAfter"] > refused["error"]["data"]["serverTime"]
        assert await alice.fetch_time() > 0
        with pytest.raises(ccxt.DDoSProtection, match="429"):
            await much()
        with pytest.raises(ccxt.DDoSProtection, match=r"418 .*-1003.*IP banned until"):
            await much()
        with pytest.raises(ccxt.DDoSProtection, match="418"):
            await bob.fetch_time()
        assert 100 <= int(bob.last_response_headers["Retry-After"]) <= 121
        with pytest.raises(ccxt.NetworkError, match="418"):
            await bob.fetch_balance_ws()

    with_stock(check, limits={"weight_minute": 800, "offences_minute": 3})


def test_too_many_orders_are_refused_per_account() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        for _ in range(3):
            await alice.create_order(BTC, "limit", "buy", 0.001, 59_000)
        with pytest.raises(ccxt.DDoSProtection, match=r"429 .*-1015.*3 orders per 10 SECOND"):
            await alice.create_order(BTC, "limit", "buy", 0.001, 59_000)
        assert int(alice.last_response_headers["Retry-After"]) <= 11
        with pytest.raises(ccxt.RateLimitExceeded, match="-1015"):
            await alice.create_order_ws(BTC, "limit", "buy", 0.001, 59_000)
        assert (await bob.create_order(BTC, "limit", "buy", 0.001, 59_000))["status"] == "open"
        assert len(await alice.cancel_all_orders(BTC)) == 3

    with_stock(check, limits={"orders_10s": 3})


def test_connections_are_counted_and_websocket_answers_tell_what_was_used() -> None:
    async def check() -> None:
        async with running(limits={"connections_5m": 2}) as at:
            async with at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
                asked = await ask(socket, 1, "depth", {"symbol": "BTCUSDT", "limit": 500})
                (weight,) = asked["rateLimits"]
                assert (weight["rateLimitType"], weight["limit"], weight["count"]) == (
                    "REQUEST_WEIGHT",
                    6_000,
                    27,
                )
                params = at.signed("A", **at.order("BUY", "59000", "0.01"))
                placed = await ask(socket, 2, "order.place", params)
                assert [(one["interval"], one["count"]) for one in placed["rateLimits"]] == [
                    ("SECOND", 1),
                    ("DAY", 1),
                    ("MINUTE", 28),
                ]
                assert "rateLimits" not in await ask(socket, 3, "ping", {"returnRateLimits": False})
            async with at.session.ws_connect(f"{at.url}/ws-api/v3?returnRateLimits=false") as socket:
                assert "rateLimits" not in await ask(socket, 1, "ping", {})
            async with at.session.get(f"{at.url}/stream?streams=btcusdt@depth") as answer:
                assert (answer.status, (await answer.json())["code"]) == (429, -1034)
                assert int(answer.headers["Retry-After"]) <= 305

    asyncio.run(check())
