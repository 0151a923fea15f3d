"""Asking for the account goes on until all of it was told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.ids import client_id, client_id_text
from domain.order_events import AccountSnapshot, OrderLinkUp
from tests.market.scripted_venue import Json, Scripted, scripted
from tests.market.venue_server import in_loop, until, with_keys

ONE = client_id(1, 2, 3)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def account_of(venue: Scripted, trades: list[Json]) -> None:
    balances = [
        {"asset": "BTC", "free": "1.5", "locked": "0.5"},
        {"asset": "ETH", "free": "0", "locked": "0"},
    ]
    venue.rest["/api/v3/account"] = lambda query: (200, {"balances": balances})
    venue.rest["/api/v3/openOrders"] = lambda query: (200, [])

    def listed(query: dict[str, str]) -> tuple[int, Any]:
        first, limit = int(query["fromId"]), int(query["limit"])
        here = [trade for trade in trades if trade["id"] >= first and query["symbol"] == "BTCUSDT"]
        return 200, here[:limit]

    venue.rest["/api/v3/myTrades"] = listed
    orders = [
        {"orderId": 7, "clientOrderId": client_id_text(ONE)},
        {"orderId": 8, "clientOrderId": "by-hand"},
    ]
    venue.rest["/api/v3/allOrders"] = lambda query: (200, orders)


def my_trade(trade_id: int, order_id: int = 7) -> Json:
    return {
        "id": trade_id, "orderId": order_id, "price": "10.00", "qty": "0.00100", "commission": "0.01",
        "commissionAsset": "USDT", "time": 5, "isBuyer": False, "isMaker": True,
    }  # fmt: skip


@in_loop
async def test_an_account_is_read_over_all_pages_with_the_owners_of_its_trades() -> None:
    async with scripted() as venue:
        account_of(venue, [my_trade(trade_id, 7 + trade_id % 2) for trade_id in range(1, 2_502)])
        async with venue.venue(rest_timeout_s=3.0) as (adapter, heard):
            adapter.fetch_account(((0, 1), (1, 0)))
            await until(lambda: heard.of(AccountSnapshot))
            snapshot = heard.of(AccountSnapshot)[0]
        assert [fill.trade_id for fill in snapshot.fills] == list(range(2, 2_502))
        assert {fill.client_id for fill in snapshot.fills} == {ONE, 0}
        assert snapshot.balances == {"BTC": (15_000_000_000, 5_000_000_000)}


@in_loop
async def test_an_empty_success_where_trades_are_known_is_asked_again() -> None:
    async with scripted() as venue:
        trades: list[Json] = []
        account_of(venue, trades)
        async with venue.venue() as (adapter, heard):
            adapter.fetch_account(((0, 5),))
            await until(lambda: adapter.gateway.accounts.failed >= 2)
            assert not heard.of(AccountSnapshot)
            trades += [my_trade(5), my_trade(6)]
            await until(lambda: heard.of(AccountSnapshot))
            assert [fill.trade_id for fill in heard.of(AccountSnapshot)[0].fills] == [6]


@in_loop
async def test_a_later_ask_replaces_one_that_fails() -> None:
    async with scripted() as venue:
        account_of(venue, [my_trade(1)])
        async with venue.venue() as (adapter, heard):
            adapter.fetch_account(((0, 5),))
            await until(lambda: adapter.gateway.accounts.failed >= 1)
            adapter.fetch_account(((0, 99),))
            adapter.fetch_account(((0, 0),))
            await until(lambda: heard.of(AccountSnapshot))
            assert len(heard.of(AccountSnapshot)[0].fills) == 1


@in_loop
async def test_an_account_that_moves_while_it_is_read_is_read_again() -> None:
    async with scripted() as venue:
        trades = [my_trade(1)]
        account_of(venue, trades)
        reads = iter(["1", "2", "2"])

        def moving(query: dict[str, str]) -> tuple[int, Any]:
            free = next(reads)
            if free == "2" and len(trades) == 1:
                trades.append(my_trade(2))
            return 200, {"balances": [{"asset": "BTC", "free": free, "locked": "0"}]}

        venue.rest["/api/v3/account"] = moving
        async with venue.venue() as (adapter, heard):
            adapter.fetch_account(((0, 0),))
            await until(lambda: heard.of(AccountSnapshot))
            snapshot = heard.of(AccountSnapshot)[0]
            assert [fill.trade_id for fill in snapshot.fills] == [1, 2]
            assert snapshot.balances["BTC"] == (20_000_000_000, 0)


@in_loop
async def test_an_account_that_was_read_across_a_lost_link_is_not_told() -> None:
    async with scripted() as venue:
        account_of(venue, [my_trade(1)])
        async with venue.venue(rest_attempts=200) as (adapter, heard):
            cuts: list[asyncio.Future[Any]] = []

            def cutting(query: dict[str, str]) -> tuple[int, Any]:
                if not cuts:
                    cuts.append(asyncio.ensure_future(venue.order_sockets[-1].close()))
                return (200, []) if len(heard.of(OrderLinkUp)) > 1 else (503, {})

            venue.rest["/api/v3/openOrders"] = cutting
            adapter.fetch_account(((0, 0),))
            await until(lambda: adapter.gateway.accounts.dropped == 1)
            assert not heard.of(AccountSnapshot)
            adapter.fetch_account(((0, 0),))
            await until(lambda: heard.of(AccountSnapshot))
            await cuts[0]


@pytest.mark.parametrize(
    ("path", "body"),
    [("account", {"balances": [{"asset": "BTC", "free": "x", "locked": "0"}]}), ("account", "{"),
     ("openOrders", [{"symbol": "BTCUSDT"}]), ("myTrades", [{**my_trade(1), "price": "0.001"}]),
     ("myTrades", [{**my_trade(1), "commission": "1e99999999"}])],
)  # fmt: skip
def test_an_account_that_cannot_be_read_is_asked_for_again(path: str, body: Any) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            account_of(venue, [])
            venue.rest[f"/api/v3/{path}"] = lambda query: (200, body)
            async with venue.venue() as (adapter, heard):
                adapter.fetch_account(((0, 0),))
                await until(lambda: adapter.gateway.accounts.failed >= 2)
                assert not heard.of(AccountSnapshot)

    run()
