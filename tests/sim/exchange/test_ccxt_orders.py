"""The stock client places, edits and cancels every kind of order, over REST and over the WebSocket API."""

from __future__ import annotations

from typing import Any

from tests.sim.exchange.ccxt_clients import BTC, ETH, crowd, with_stock
from tests.sim.exchange.server_builders import Running


def test_every_type_and_time_in_force_is_placed_and_found_again() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        async def place(*order: Any, **params: Any) -> tuple[str, float, Any]:
            placed = await alice.create_order(BTC, *order, params=params)
            again = await alice.fetch_order(placed["id"], BTC)
            assert (again["status"], again["filled"]) == (placed["status"], placed["filled"])
            return placed["status"], placed["filled"], again["type"]

        resting = await alice.create_order(BTC, "limit", "buy", 0.01, 59_000, {"clientOrderId": "mine-1"})
        assert (resting["clientOrderId"], resting["timeInForce"]) == ("mine-1", "GTC")
        assert (await alice.fetch_order(None, BTC, {"clientOrderId": "mine-1"}))["id"] == resting["id"]
        assert await place("limit", "buy", 0.15, 60_001, timeInForce="IOC") == ("expired", 0.1, "limit")
        assert await place("limit", "buy", 0.15, 60_002, timeInForce="FOK") == ("expired", 0.0, "limit")
        assert await place("limit", "buy", 0.1, 60_002, timeInForce="FOK") == ("closed", 0.1, "limit")
        assert await place("limit", "buy", 0.01, 59_500, postOnly=True) == ("open", 0.0, "limit")
        assert await place("limit", "buy", 0.01, 59_500, timeInForce="PO") == ("open", 0.0, "limit")
        assert await place("limit_maker", "buy", 0.01, 59_501) == ("open", 0.0, "limit")
        assert await place("market", "buy", 0.02) == ("closed", 0.02, "market")
        bought = await alice.create_market_buy_order_with_cost(BTC, 600.03)
        assert (bought["status"], bought["filled"], bought["cost"]) == ("closed", 0.01, 600.03)
        sold = await alice.create_market_sell_order_with_cost(BTC, 600)
        assert (sold["status"], sold["filled"]) == ("closed", 0.01)
        assert (await alice.create_order(BTC, "limit", "buy", 0.01, 59_000, {"test": True}))["id"] is None
        kinds = [one["info"]["type"] for one in await alice.fetch_open_orders(BTC)]
        assert kinds == ["LIMIT", "LIMIT_MAKER", "LIMIT_MAKER", "LIMIT_MAKER"]
        closed = await alice.fetch_closed_orders(BTC)
        assert [one["filled"] for one in closed] == [0.1, 0.02, 0.01, 0.01]
        assert len(await alice.fetch_orders(BTC, limit=2)) == 2
        assert len(await alice.fetch_orders(BTC, since=resting["timestamp"])) == 10
        trades = await alice.fetch_my_trades(BTC)
        assert [one["amount"] for one in trades] == [0.1, 0.1, 0.02, 0.01, 0.01]
        assert {one["takerOrMaker"] for one in trades} == {"taker"}
        assert len(await alice.fetch_my_trades(BTC, resting["timestamp"], 3)) == 3
        assert len(await alice.fetch_order_trades(bought["id"], BTC)) == 1
        assert [one["status"] for one in await alice.cancel_all_orders(BTC)] == ["canceled"] * 4
        assert await alice.fetch_canceled_orders(BTC) != []
        assert (await alice.private_get_openorders()) == []

    with_stock(check)


def test_stops_wait_for_their_price_and_are_told() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        stop = await alice.create_order(BTC, "limit", "sell", 0.01, 59_000, {"stopLossPrice": 59_500})
        assert (stop["status"], stop["triggerPrice"]) == ("open", 59_500.0)
        assert stop["info"]["type"] == "STOP_LOSS_LIMIT"
        await alice.create_order(BTC, "market", "sell", 0.01, None, {"stopLossPrice": 59_400})
        await alice.create_order(BTC, "limit", "sell", 0.01, 61_000, {"takeProfitPrice": 60_900})
        await alice.create_order(BTC, "market", "buy", 0.01, None, {"takeProfitPrice": 59_000})
        await alice.create_order(BTC, "market", "buy", 0.01, None, {"triggerPrice": 61_000})
        assert [
            (one["info"]["type"], one["info"]["isWorking"]) for one in await alice.fetch_open_orders(BTC)
        ] == [
            ("STOP_LOSS_LIMIT", False),
            ("STOP_LOSS", False),
            ("TAKE_PROFIT_LIMIT", False),
            ("TAKE_PROFIT", False),
            ("STOP_LOSS", False),
        ]
        assert (await alice.fetch_order_book(BTC))["asks"][-1][0] == 60_010.0
        # Everything down to 59,450 is sold into: the first stop triggers and rests.
        await crowd(at, 1, 5_945_000, 100_000)
        await crowd(at, -1, 5_945_000, 100_100)
        first = await alice.fetch_order(stop["id"], BTC)
        assert (first["status"], first["filled"]) == ("closed", 0.01)
        others = await alice.cancel_all_orders(BTC)
        assert len(others) == 4
        assert (await alice.fetch_balance())["BTC"]["used"] == 0.0

    with_stock(check)


def test_an_order_is_edited_in_one_go() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        placed = await alice.create_order(BTC, "limit", "buy", 0.01, 59_000)
        edited = await alice.edit_order(placed["id"], BTC, "limit", "buy", 0.02, 59_100)
        assert (edited["status"], edited["amount"], edited["price"]) == ("open", 0.02, 59_100.0)
        assert (await alice.fetch_order(placed["id"], BTC))["status"] == "canceled"
        named = await alice.edit_order(
            edited["id"], BTC, "limit", "buy", 0.03, 59_200, {"clientOrderId": "next-1", "postOnly": True}
        )
        assert (named["clientOrderId"], named["info"]["type"]) == ("next-1", "LIMIT_MAKER")
        again = await alice.edit_order(
            None, BTC, "limit", "buy", 0.04, 59_300, {"cancelOrigClientOrderId": "next-1"}
        )
        assert [one["id"] for one in await alice.fetch_open_orders(BTC)] == [again["id"]]
        # Failure of either half is told with both answers, and each mode does what it says.
        request: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": "59000",
            "cancelOrderId": "999",
            "cancelReplaceMode": "STOP_ON_FAILURE",
        }
        status, body = await at.rest("POST", "/api/v3/order/cancelReplace", "A", **request)
        assert (status, body["code"], body["data"]["newOrderResult"]) == (400, -2022, "NOT_ATTEMPTED")
        request["cancelReplaceMode"] = "ALLOW_FAILURE"
        status, body = await at.rest("POST", "/api/v3/order/cancelReplace", "A", **request)
        assert (status, body["code"], body["data"]["newOrderResponse"]["status"]) == (409, -2021, "NEW")
        assert body["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
        request["quantity"] = "199"
        status, body = await at.rest("POST", "/api/v3/order/cancelReplace", "A", **request)
        assert (status, body["code"], body["data"]["newOrderResult"]) == (400, -2022, "FAILURE")
        request["cancelOrderId"] = again["id"]
        status, body = await at.rest(
            "POST", "/api/v3/order/cancelReplace", "A", **request, cancelRestrictions="ONLY_PARTIALLY_FILLED"
        )
        assert body["data"]["cancelResponse"]["code"] == -2011
        status, body = await at.rest("POST", "/api/v3/order/cancelReplace", "A", **request)
        assert (status, body["code"], body["data"]["cancelResult"]) == (409, -2021, "SUCCESS")

    with_stock(check)


def test_orders_go_over_the_websocket_api() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        placed = await alice.create_order_ws(BTC, "limit", "buy", 0.01, 59_000, {"clientOrderId": "w-1"})
        assert (placed["status"], placed["clientOrderId"]) == ("open", "w-1")
        assert [one["id"] for one in await alice.fetch_open_orders_ws(BTC)] == [placed["id"]]
        edited = await alice.edit_order_ws(placed["id"], BTC, "limit", "buy", 0.02, 59_100)
        assert (edited["status"], edited["amount"]) == ("open", 0.02)
        assert (await alice.fetch_order_ws(placed["id"], BTC))["status"] == "canceled"
        assert (await alice.cancel_order_ws(edited["id"], BTC))["status"] == "canceled"
        taken = await alice.create_order_ws(ETH, "market", "buy", 0.5)
        assert (taken["status"], taken["average"]) == ("closed", 3001.0)
        await alice.create_order_ws(BTC, "limit", "buy", 0.01, 59_000, {"timeInForce": "IOC"})
        assert [one["amount"] for one in await alice.fetch_my_trades_ws(ETH)] == [0.5]
        assert len(await alice.fetch_orders_ws(BTC)) == 3
        assert await alice.fetch_closed_orders_ws(BTC) == []
        held = (await alice.fetch_balance_ws())["info"]["balances"]
        assert (held[1]["asset"], held[1]["free"]) == ("ETH", "100.4997500000")
        assert len(await alice.fetch_trades_ws(ETH)) == 1
        assert (await alice.fetch_ohlcv_ws(ETH, "1m"))[-1][4] == 3001.0
        for price in (58_000, 58_100):
            await alice.create_order_ws(BTC, "limit", "buy", 0.01, price)
        assert len(await alice.cancel_all_orders_ws(BTC)) == 2

    with_stock(check)
