"""The order of work, its bounds, and what happens when the disk does not take it."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

import pytest
from aiohttp import WSServerHandshakeError, web

from domain.errors import ExitCode, SwarmError
from sim.exchange import server_venue, stream_connection
from sim.exchange.dialect_errors import DialectError
from sim.exchange.server_flow import FlowDriver
from sim.exchange.stream_connection import Connection
from sim.market.flow import MarketFlow
from tests.sim.exchange.server_builders import ask, hear, running

ODD = (
    "",
    "0",
    "-1",
    "1e9",
    "9" * 20,
    "9" * 40,
    "NaN",
    "0.1",
    "1.5.2",
    "\0",
    "ü",
    "BTCUSDT",
    "BUY",
    "GTC",
    "true",
)
NAMES = (
    *("symbol", "side", "type", "timeInForce", "quantity", "price", "newClientOrderId", "orderId", "fromId"),
    *("limit", "origClientOrderId", "recvWindow", "newOrderRespType", "selfTradePreventionMode", "startTime"),
)
METHODS = (
    "order.place",
    "order.cancel",
    "order.status",
    "myTrades",
    "allOrders",
    "depth",
    "trades.aggregate",
)


def test_no_input_stops_the_venue() -> None:
    draws = random.Random(11)

    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            for number in range(600):
                method = draws.choice(METHODS)
                good: dict[str, Any] = at.order(draws.choice(("BUY", "SELL")), "60000", "0.01")
                good |= {name: draws.choice(ODD) for name in draws.sample(NAMES, draws.randrange(4))}
                answer = await ask(socket, number, method, at.signed("A", **good))
                assert answer["id"] == number
                assert answer["status"] == 200 or answer["error"]["code"] < -1000, (method, good, answer)
            assert (await ask(socket, "end", "account.status", at.signed("A")))["status"] == 200

    asyncio.run(check())


def test_more_work_than_may_wait_is_refused_as_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_venue, "QUEUE_MAX", 0)

    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            status, body = await at.rest("GET", "/api/v3/account", "A")
            assert (status, body["code"]) == (503, -1008)
            assert (await ask(socket, 1, "account.status", at.signed("A")))["status"] == 503
            idle = cast(MarketFlow, type("Flow", (), {"next_ns": 0}))
            driver = FlowDriver(at.venue, idle)
            driver.kick()
            monkeypatch.setattr(server_venue, "QUEUE_MAX", 10)
            with pytest.raises(DialectError):
                await at.venue.ask(_refuse)

    asyncio.run(check())


def _refuse() -> None:
    raise DialectError(-1, "no")


def test_answers_wait_for_the_commit_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws-api/v3") as socket:
            committed: list[int] = []
            commit = at.venue._recorded.commit

            def noted() -> None:
                commit()
                committed.append(at.venue.commands)

            monkeypatch.setattr(at.venue._recorded, "commit", noted)
            for number in range(5):
                order = at.order("BUY", "50000", "0.01", newOrderRespType="ACK")
                await socket.send_json(
                    {"id": number, "method": "order.place", "params": at.signed("A", **order)}
                )
            for number in range(5):
                answer = await hear(socket)
                assert answer["id"] == number
                # The header is the journal's first record.
                assert committed[-1] >= answer["result"]["orderId"] + 1

    asyncio.run(check())


def test_a_snapshot_is_kept_when_enough_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_venue, "SNAPSHOT_CHECK_EVERY", 3)

    async def check() -> None:
        async with running() as at:
            monkeypatch.setattr(at.venue._recorded, "_snapshot_every", 3)
            for _ in range(12):
                at.venue._until_snapshot_check -= 1_000
                await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", "50000", "0.01"))
            await at.rest("GET", "/api/v3/account", "A")
            kept = at.venue._recorded.store.latest_snapshot()
            assert kept is not None and kept[0] >= 9

    asyncio.run(check())


def test_a_full_disk_ends_the_venue_and_answers_nobody() -> None:
    def full() -> None:
        raise SwarmError("disk is full", where="x", mend="free some space", code=ExitCode.DISK_FULL)

    async def check() -> None:
        async with running() as at:
            cast(Any, at.venue._recorded).commit = full
            await at.rest("POST", "/api/v3/order", "A", **at.order("BUY", "50000", "0.01"))

    with pytest.raises(BaseExceptionGroup) as ended:
        asyncio.run(check())
    assert ended.group_contains(SwarmError, match="disk is full")


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_connection, "CONNECTIONS_MAX", 1)

    async def check() -> None:
        async with running() as at, at.session.ws_connect(f"{at.url}/ws"):
            for path in ("/ws", "/stream", "/ws-api/v3"):
                with pytest.raises(WSServerHandshakeError, match="429"):
                    await at.session.ws_connect(at.url + path)

    asyncio.run(check())


def test_a_connection_without_a_transport_is_just_closed() -> None:
    async def check() -> None:
        gone = cast(web.Request, type("Request", (), {"transport": None, "app": web.Application()}))
        connection = Connection(gone, combined=False)
        connection.abort()
        assert connection.closed

    asyncio.run(check())
