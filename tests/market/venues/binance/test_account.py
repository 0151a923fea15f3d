"""An account is what all its pages say together, or it is asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import SwarmError
from domain.ids import client_id, client_id_text
from domain.order import Side, TimeInForce
from hw.clock import SystemClock
from market.venues.binance import account
from market.venues.binance.account import AccountReader
from market.venues.binance.replies import OrderReader
from market.venues.binance.rest import RestClient
from tests.market.scripted_venue import BTC, ETH, Scripted, scripted
from tests.market.venue_server import in_loop
from tests.market.venues.binance.test_gateway_account import account_of, my_trade

OURS = client_id(1, 2, 3)


def listed(**changes: Any) -> dict[str, Any]:
    order = {
        "symbol": "BTCUSDT", "orderId": 5, "clientOrderId": client_id_text(OURS), "price": "10.00",
        "origQty": "0.00300", "executedQty": "0.00100", "status": "PARTIALLY_FILLED", "timeInForce": "GTC",
        "type": "LIMIT", "side": "SELL",
    }  # fmt: skip
    return {**order, **changes}


async def snapshot(venue: Scripted, since: int = 0, owners: dict[tuple[int, int], int] | None = None) -> Any:
    async with RestClient(venue.config(), SystemClock(), ("k", "s")) as rest:
        reader = AccountReader(rest, (BTC, ETH), OrderReader((BTC, ETH)))
        return await reader.snapshot(((0, since), (1, 0)), lambda: 9, owners if owners is not None else {})


@in_loop
async def test_open_orders_are_listed_ours_strangers_and_those_of_other_markets() -> None:
    async with scripted() as venue:
        account_of(venue, [])
        orders = [
            listed(),
            listed(orderId=6, clientOrderId="by-hand", type="LIMIT_MAKER", side="BUY"),
            listed(orderId=7, symbol="DOGEUSDT", timeInForce="IOC"),
        ]
        venue.rest["/api/v3/openOrders"] = lambda query: (200, orders)
        ours, stranger, elsewhere = (await snapshot(venue)).open_orders
    assert (ours.client_id, ours.side, ours.tif) == (OURS, Side.SELL, TimeInForce.GTC)
    assert (ours.price_ticks, ours.size_lots, ours.filled_lots) == (1_000, 300, 100)
    assert (stranger.client_id, stranger.client_text, stranger.tif) == (0, "by-hand", TimeInForce.POST)
    assert (elsewhere.instrument, elsewhere.size_lots, elsewhere.tif) == (-1, 0, TimeInForce.IOC)


@pytest.mark.parametrize("change", [{"side": "HOLD"}, {"price": "10.001"}, {"origQty": "-1"}])
def test_an_open_order_that_cannot_be_read_is_not_left_out(change: dict[str, str]) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            account_of(venue, [])
            venue.rest["/api/v3/openOrders"] = lambda query: (200, [listed(**change)])
            with pytest.raises(SwarmError, match="openOrders cannot be used") as told:
                await snapshot(venue)
            assert told.value.retryable

    run()


@in_loop
async def test_owners_that_are_known_are_not_asked_for() -> None:
    async with scripted() as venue:
        account_of(venue, [my_trade(1, 70), {**my_trade(2, 71), "clientOrderId": client_id_text(OURS)}])
        told = await snapshot(venue, owners={(0, 70): 12345})
        assert [fill.client_id for fill in told.fills] == [12345, OURS]
        assert not [path for path, _ in venue.rest_calls if path.endswith("allOrders")]


@in_loop
async def test_owners_are_looked_up_over_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "PAGE", 2)
    async with scripted() as venue:
        account_of(venue, [my_trade(1, 70), my_trade(2, 75)])

        def orders(query: dict[str, str]) -> tuple[int, Any]:
            first = int(query["orderId"])
            here = [{"orderId": n, "clientOrderId": client_id_text(n)} for n in range(first, 80)]
            return 200, here[: int(query["limit"])]

        venue.rest["/api/v3/allOrders"] = orders
        assert [fill.client_id for fill in (await snapshot(venue)).fills] == [70, 75]


@pytest.mark.parametrize("path", ["myTrades", "allOrders"])
def test_pages_that_never_end_are_an_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "PAGE", 1)
    monkeypatch.setattr(account, "PAGES_MAX", 3)

    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            account_of(venue, [my_trade(1, 70), my_trade(2, 99)])

            def endless(query: dict[str, str]) -> tuple[int, Any]:
                first = int(query.get("fromId", query.get("orderId", "0")))
                return 200, [{**my_trade(first + 1), "orderId": first, "clientOrderId": "x"}]

            venue.rest[f"/api/v3/{path}"] = endless
            with pytest.raises(SwarmError, match=f"{path} cannot be used: more than 3 pages"):
                await snapshot(venue)

    run()


@in_loop
async def test_a_page_that_goes_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "PAGE", 1)
    async with scripted() as venue:
        account_of(venue, [])
        venue.rest["/api/v3/myTrades"] = lambda query: (200, [my_trade(5)])
        with pytest.raises(SwarmError, match="trades before 6 were not asked for"):
            await snapshot(venue)
