"""REST over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sim.exchange.server_builders import Running, running

ORDER = "/api/v3/order"


def test_an_order_lives_and_ends_over_rest() -> None:
    async def check() -> None:
        async with running() as at:
            status, placed = await at.rest(
                "POST",
                ORDER,
                "A",
                body=True,
                **at.order("BUY", "59000.00", "0.01", newClientOrderId="mine-1"),
            )
            assert status == 200
            assert (placed["status"], placed["clientOrderId"], placed["fills"]) == ("NEW", "mine-1", [])
            _, asked = await at.rest("GET", ORDER, "A", symbol="BTCUSDT", origClientOrderId="mine-1")
            assert (asked["orderId"], asked["origQty"], asked["price"]) == (1, "0.01000", "59000.00")
            assert len((await at.rest("GET", "/api/v3/openOrders", "A"))[1]) == 1
            _, held = await at.rest("GET", "/api/v3/account", "A")
            assert {"asset": "USDT", "free": "999410.0000000000", "locked": "590.0000000000"} in held[
                "balances"
            ]
            _, gone = await at.rest("DELETE", ORDER, "A", symbol="BTCUSDT", orderId=1, newClientOrderId="c-1")
            assert (gone["status"], gone["origClientOrderId"], gone["clientOrderId"]) == (
                "CANCELED",
                "mine-1",
                "c-1",
            )
            assert (await at.rest("GET", "/api/v3/openOrders", "A", symbol="BTCUSDT"))[1] == []
            _, known = await at.rest("GET", "/api/v3/allOrders", "A", symbol="BTCUSDT", orderId=1)
            assert [one["status"] for one in known] == ["CANCELED"]

    asyncio.run(check())


def test_a_trade_is_told_to_both_sides_and_to_everybody() -> None:
    async def check() -> None:
        async with running() as at:
            await at.rest("POST", ORDER, "A", **at.order("SELL", "60000", "0.02"))
            _, done = await at.rest(
                "POST", ORDER, "B", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"
            )
            (fill,) = done["fills"]
            assert (done["status"], done["executedQty"], done["cummulativeQuoteQty"]) == (
                "FILLED",
                "0.01000",
                "600.0000000000",
            )
            assert (fill["price"], fill["commission"], fill["commissionAsset"]) == (
                "60000.00",
                "0.0000050000",
                "BTC",
            )
            _, mine = await at.rest("GET", "/api/v3/myTrades", "A", symbol="BTCUSDT", fromId=0)
            assert [(one["id"], one["isBuyer"], one["isMaker"]) for one in mine] == [(1, False, True)]
            _, by_order = await at.rest("GET", "/api/v3/myTrades", "A", symbol="BTCUSDT", orderId=99)
            assert by_order == []
            _, public = await at.rest("GET", "/api/v3/trades", symbol="BTCUSDT")
            assert [(one["price"], one["quoteQty"], one["isBuyerMaker"]) for one in public] == [
                ("60000.00", "600.0000000000", False)
            ]
            _, grouped = await at.rest("GET", "/api/v3/aggTrades", symbol="BTCUSDT", fromId=1, limit=5)
            assert [(one["a"], one["q"]) for one in grouped] == [(1, "0.01000")]
            since: dict[str, Any] = {"startTime": 1, "endTime": 2}
            assert (await at.rest("GET", "/api/v3/aggTrades", symbol="BTCUSDT", **since))[1] == []
            _, day = await at.rest("GET", "/api/v3/ticker/24hr", symbol="BTCUSDT")
            assert (day["volume"], day["highPrice"], day["count"]) == ("0.01000", "60000.00", 1)

    asyncio.run(check())


def test_public_facts_are_answered() -> None:
    async def check() -> None:
        async with running() as at:
            await at.rest("POST", ORDER, "A", **at.order("BUY", "59000", "0.02"))
            assert (await at.rest("GET", "/api/v3/ping"))[1] == {}
            assert abs((await at.rest("GET", "/api/v3/time"))[1]["serverTime"] - at.venue.now_ms()) < 5_000
            _, info = await at.rest("GET", "/api/v3/exchangeInfo")
            assert [one["symbol"] for one in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
            assert len((await at.rest("GET", "/api/v3/exchangeInfo", symbol="ETHBTC"))[1]["symbols"]) == 1
            _, book = await at.rest("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5)
            assert book == {"lastUpdateId": 1, "bids": [["59000.00", "0.02000"]], "asks": []}
            _, tops = await at.rest("GET", "/api/v3/ticker/bookTicker")
            assert tops[0]["bidPrice"] == "59000.00"
            _, price = await at.rest("GET", "/api/v3/ticker/price", symbol="BTCUSDT")
            assert price == {"symbol": "BTCUSDT", "price": "60000.00"}
            _, coins = await at.rest("GET", "/sapi/v1/capital/config/getall", "A")
            assert [one["coin"] for one in coins] == ["BTC", "ETH", "USDT"]

    asyncio.run(check())


GOOD: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "20000",
}

REFUSED: list[tuple[dict[str, object], int, str]] = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"symbol": None}, -1102, "Mandatory parameter 'symbol'"),
    ({"side": "UP"}, -1117, "Invalid side."),
    ({"type": "STOP"}, -1116, "Invalid orderType."),
    ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
    ({"type": "LIMIT_MAKER"}, -1106, "Parameter 'timeInForce' sent when not required."),
    ({"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price'"),
    ({"quantity": "one"}, -1100, "Illegal characters found in parameter 'quantity'"),
    ({"quantity": ""}, -1102, "Mandatory parameter 'quantity'"),
    ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.00000000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ({"quantity": "999"}, -1013, "Filter failure: LOT_SIZE"),
    ({"price": "0.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
    ({"price": "11999.99"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"side": "SELL", "price": "300000.01"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "100", "price": "50000"}, -2010, "Account has insufficient balance"),
    ({"newClientOrderId": "ü"}, -1100, "Illegal characters found in parameter 'newClientOrderId'"),
    ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
    ({"newOrderRespType": "LONG"}, -1130, "Data sent for parameter 'newOrderRespType'"),
    ({"selfTradePreventionMode": "SOME"}, -1130, "Data sent for parameter 'selfTradePreventionMode'"),
    (
        {"type": "LIMIT_MAKER", "timeInForce": None, "price": "61000", "quantity": "0.01"},
        -2010,
        "Order would imm",
    ),
    ({"newClientOrderId": "taken"}, -2010, "Duplicate order sent."),
    ({"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000"),
    ({"recvWindow": "x"}, -1100, "Illegal characters found in parameter 'recvWindow'"),
    ({"timestamp": 1}, -1021, "Timestamp for this request is outside of the recvWindow."),
    ({"timestamp": 9_000_000_000_000}, -1021, "Timestamp for this request was 1000ms ahead"),
]


def test_every_bad_order_is_refused_in_the_dialects_words() -> None:
    async def check() -> None:
        async with running() as at:
            await at.rest("POST", ORDER, "B", **at.order("SELL", "60500", "0.1"))
            await at.rest("POST", ORDER, "A", **at.order("BUY", "50000", "0.1", newClientOrderId="taken"))
            for changes, code, text in REFUSED:
                values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
                status, body = await at.rest("POST", ORDER, "A", **values)
                assert (status, body["code"]) == (400, code), (changes, body)
                assert text in body["msg"], (changes, body)
            assert (await at.rest("POST", "/api/v3/order/test", "A", **GOOD)) == (200, {})

    asyncio.run(check())


def test_unknown_orders_have_their_own_codes() -> None:
    async def check() -> None:
        async with running() as at:
            for method, path, code in (
                ("GET", ORDER, -2013),
                ("DELETE", ORDER, -2011),
                ("DELETE", "/api/v3/openOrders", -2011),
            ):
                status, body = await at.rest(method, path, "A", symbol="BTCUSDT", orderId=77)
                assert (status, body["code"]) == (400, code)
            assert (await at.rest("GET", ORDER, "A", symbol="BTCUSDT"))[1]["code"] == -1102
            for _ in range(2):
                await at.rest("POST", ORDER, "A", **at.order("BUY", "50000", "0.1", newOrderRespType="ACK"))
            _, gone = await at.rest("DELETE", "/api/v3/openOrders", "A", symbol="BTCUSDT")
            assert [one["status"] for one in gone] == ["CANCELED", "CANCELED"]

    asyncio.run(check())


async def _raw(
    at: Running, path: str, headers: dict[str, str], method: str = "GET", **more: Any
) -> tuple[int, int]:
    async with at.session.request(method, at.url + path, headers=headers, **more) as answer:
        body = await answer.json()
        return answer.status, body["code"]


def test_who_is_not_who_they_say_is_refused() -> None:
    async def check() -> None:
        async with running() as at:
            now_ms, account = at.venue.now_ms(), "/api/v3/account"
            stamped = f"{account}?timestamp={now_ms}"
            key = {"X-MBX-APIKEY": "alice-key-1"}
            assert await _raw(at, stamped, {}) == (401, -2014)
            assert await _raw(at, stamped, {"X-MBX-APIKEY": "stranger-key"}) == (401, -2015)
            assert await _raw(at, stamped, key) == (400, -1102)
            assert await _raw(at, f"{stamped}&signature=00ff", key) == (400, -1022)
            assert await _raw(at, account, key) == (400, -1102)

    asyncio.run(check())


def test_what_is_no_request_gets_an_answer_and_no_traceback() -> None:
    async def check() -> None:
        async with running() as at:
            assert (await _raw(at, "/api/v3/nothing", {}))[0] == 404
            assert (await _raw(at, "/api/v3/depth", {}, "PATCH"))[0] == 405
            form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            assert await _raw(at, ORDER, form, "POST", data=b"\xff\xfe=1") == (400, -1100)
            assert (await _raw(at, ORDER, form, "POST", data=b"x" * 100_000))[0] == 413
            assert (await at.rest("GET", "/api/v3/depth", symbol="BTCUSDT", limit=0))[1]["code"] == -1102

    asyncio.run(check())


def test_our_own_mistake_is_told_as_an_unknown_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with running() as at:
            monkeypatch.setattr(at.venue, "now_ms", lambda: 1 // 0)
            async with at.session.get(f"{at.url}/api/v3/time") as answer:
                assert (answer.status, (await answer.json())["code"]) == (500, -1000)

    asyncio.run(check())


def test_listen_keys_are_made_extended_and_closed() -> None:
    async def check() -> None:
        async with running() as at:
            path, head = "/api/v3/userDataStream", {"X-MBX-APIKEY": "alice-key-1"}
            async with at.session.post(at.url + path, headers=head) as answer:
                key = (await answer.json())["listenKey"]
            async with at.session.post(at.url + path, headers=head) as answer:
                assert (await answer.json())["listenKey"] == key
            for method in ("PUT", "DELETE"):
                async with at.session.request(
                    method, f"{at.url}{path}?listenKey={key}", headers=head
                ) as answer:
                    assert answer.status == 200
            assert await _raw(at, f"{path}?listenKey={key}", head, "PUT") == (400, -1125)
            assert await _raw(at, path, head, "PUT") == (400, -1102)

    asyncio.run(check())
