"""Questions about the market and the account, over REST, with the dialect's complaints."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from sim.exchange.dialect_calls import REST_CALLS
from sim.exchange.dialect_market import ORDER_TYPES
from tests.sim.exchange.ccxt_clients import books, crowd
from tests.sim.exchange.server_builders import Running, running

V3 = "/api/v3"


def checked(check: Any, **changes: Any) -> None:
    """Run a check with a served exchange and its books."""

    async def whole() -> None:
        async with running(**changes) as at:
            await books(at)
            await check(at)

    asyncio.run(whole())


def test_several_markets_may_be_asked_for_at_once() -> None:
    async def check(at: Running) -> None:
        two = '["ETHBTC","BTCUSDT"]'
        for path in ("exchangeInfo", "ticker/price", "ticker/24hr", "ticker", "ticker/tradingDay"):
            _, body = await at.rest("GET", f"{V3}/{path}", symbols=two)
            found = body["symbols"] if path == "exchangeInfo" else body
            assert [one["symbol"] for one in found] == ["ETHBTC", "BTCUSDT"], path
        bad: list[tuple[str, int]] = [
            ("BTCUSDT", -1100),
            ("[]", -1100),
            ("{}", -1100),
            ("[1]", -1121),
            ('["NOPE"]', -1121),
            ('["BTCUSDT","BTCUSDT"]', -1151),
        ]
        for text, code in bad:
            assert (await at.rest("GET", f"{V3}/ticker/price", symbols=text))[1]["code"] == code, text
        status, body = await at.rest("GET", f"{V3}/ticker/price", symbols=two, symbol="BTCUSDT")
        assert (status, body["code"]) == (400, -1106)
        many = '["' + '","'.join(f"A{number}" for number in range(200)) + '"]'
        assert (await at.rest("GET", f"{V3}/ticker/24hr", symbols=many))[1]["code"] == -1121

    checked(check)


def test_windows_of_any_allowed_size_are_counted() -> None:
    async def check(at: Running) -> None:
        await crowd(at, 1, 6_000_100, 100)
        for size in ("1m", "59m", "4h", "23h", "1d", "7d"):
            _, body = await at.rest("GET", f"{V3}/ticker", symbol="BTCUSDT", windowSize=size)
            assert (body["lastPrice"], body["count"]) == ("60001.00", 1), size
        for size in ("0m", "60m", "24h", "8d", "1w"):
            _, body = await at.rest("GET", f"{V3}/ticker", symbol="BTCUSDT", windowSize=size)
            assert body["code"] == -1130
        assert (await at.rest("GET", f"{V3}/ticker"))[1]["code"] == -1102
        _, mini = await at.rest("GET", f"{V3}/ticker/24hr", symbol="BTCUSDT", type="MINI")
        assert "bidPrice" not in mini and mini["highPrice"] == "60001.00"
        assert (await at.rest("GET", f"{V3}/ticker/24hr", type="HUGE"))[1]["code"] == -1130
        assert (await at.rest("GET", f"{V3}/avgPrice", symbol="ETHUSDT"))[1]["price"] == "3000.00"
        _, rows = await at.rest("GET", f"{V3}/uiKlines", symbol="BTCUSDT", interval="1h", limit=1)
        assert rows[0][4:6] == ["60001.00", "0.00100"] and len(rows[0]) == 12
        twisted: dict[str, Any] = {"symbol": "BTCUSDT", "interval": "1h", "startTime": 9, "endTime": 8}
        assert (await at.rest("GET", f"{V3}/klines", **twisted))[1]["code"] == -1023

    checked(check)


def test_trades_are_found_by_id_and_by_time() -> None:
    async def check(at: Running) -> None:
        for _ in range(5):
            await crowd(at, 1, 6_000_100, 100)
        _, found = await at.rest("GET", f"{V3}/aggTrades", symbol="BTCUSDT", fromId=2, limit=2)
        assert [one["a"] for one in found] == [2, 3]
        at_ms = found[0]["T"]
        _, since = await at.rest("GET", f"{V3}/aggTrades", symbol="BTCUSDT", startTime=at_ms - 9_000, limit=2)
        _, until = await at.rest("GET", f"{V3}/aggTrades", symbol="BTCUSDT", endTime=at_ms + 9_000, limit=2)
        assert ([one["a"] for one in since], [one["a"] for one in until]) == ([1, 2], [4, 5])
        assert (await at.rest("GET", f"{V3}/historicalTrades", symbol="BTCUSDT"))[0] == 401
        order = at.order("BUY", "60001", "0.001")
        for _ in range(3):
            await at.rest("POST", f"{V3}/order", "A", **order)
        now_ms = at.venue.now_ms()
        for path, name in (("myTrades", "orderId"), ("allOrders", "orderId")):
            asked: dict[str, Any] = {
                "symbol": "BTCUSDT",
                "startTime": now_ms - 9_000,
                "endTime": now_ms + 9_000,
            }
            _, whole = await at.rest("GET", f"{V3}/{path}", "A", **asked)
            assert len(whole) == 3
            _, last = await at.rest("GET", f"{V3}/{path}", "A", symbol="BTCUSDT", endTime=now_ms + 9, limit=1)
            assert [one[name] for one in last] == [whole[-1][name]]

    checked(check)


def test_a_pager_that_binance_would_refuse_is_refused() -> None:
    async def check(at: Running) -> None:
        day_ms, now_ms = 86_400_000, at.venue.now_ms()
        whole: dict[str, Any] = {"startTime": now_ms - day_ms, "endTime": now_ms}
        for path in ("myTrades", "allOrders"):
            assert (await at.rest("GET", f"{V3}/{path}", "A", symbol="BTCUSDT", **whole))[0] == 200
            longer = {**whole, "startTime": now_ms - day_ms - 1}
            status, told = await at.rest("GET", f"{V3}/{path}", "A", symbol="BTCUSDT", **longer)
            assert (status, told["code"]) == (400, -1127), path
        refused: list[dict[str, Any]] = [
            {"fromId": 1, "startTime": 1},
            {"fromId": 1, "endTime": 1},
            {"orderId": 1, **whole},
        ]
        for mixed in refused:
            status, told = await at.rest("GET", f"{V3}/myTrades", "A", symbol="BTCUSDT", **mixed)
            assert (status, told["code"]) == (400, -1128), mixed
        answered: list[dict[str, Any]] = [{"fromId": 1}, {"orderId": 1, "fromId": 1}, {"endTime": 1}]
        for taken in answered:
            assert (await at.rest("GET", f"{V3}/myTrades", "A", symbol="BTCUSDT", **taken))[0] == 200

    checked(check)


def test_an_account_is_told_its_rates_rights_and_holdings() -> None:
    async def check(at: Running) -> None:
        _, rates = await at.rest("GET", f"{V3}/account/commission", "A", symbol="BTCUSDT")
        assert rates["standardCommission"]["taker"] == "0.000500"
        order = at.order("BUY", "60001", "0.001")
        _, tested = await at.rest("POST", f"{V3}/order/test", "A", **order, computeCommissionRates="true")
        assert tested["standardCommissionForOrder"]["maker"] == "0.000200"
        _, rights = await at.rest("GET", "/sapi/v1/account/apiRestrictions", "A")
        assert (rights["enableWithdrawals"], rights["enableSpotAndMarginTrading"]) == (True, True)
        _, held = await at.rest("GET", f"{V3}/account", "A", omitZeroBalances="true")
        assert held["canWithdraw"] is True and [one["asset"] for one in held["balances"]] == ["BTC"]
        _, assets = await at.rest("POST", "/sapi/v3/asset/getUserAsset", "A")
        assert [(one["asset"], one["free"]) for one in assets] == [("BTC", "1.0000000000")]
        assert (await at.rest("GET", "/sapi/v1/account/status", "A"))[1] == {"data": "Normal"}
        assert (await at.rest("GET", "/sapi/v1/account/apiTradingStatus", "A"))[1]["data"][
            "isLocked"
        ] is False
        for method, path in (("POST", "asset/get-funding-asset"), ("GET", "capital/withdraw/history")):
            assert (await at.rest(method, f"/sapi/v1/{path}", "A")) == (200, [])
        assert (await at.rest("GET", f"{V3}/openOrderList", "A"))[1] == []
        for door in ("fapi", "dapi", "eapi"):
            _, rules = await at.rest("GET", f"/{door}/v1/exchangeInfo")
            assert rules["symbols"] == rules["optionSymbols"] == []
        assert (await at.rest("GET", "/fapi/v3/account"))[1]["code"] == -1020

    account = {"name": "alice", "api_key_env": "A_KEY", "api_secret_env": "A_SECRET", "can_withdraw": True}
    crowd_accounts = [{"name": name, "unlimited": True} for name in ("flow-a", "flow-maker", "flow-noise")]
    checked(check, accounts=[{**account, "balances": {"BTC": "1"}}, *crowd_accounts])


def test_amounts_of_quote_are_read_strictly() -> None:
    async def check(at: Running) -> None:
        base: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
        bad: list[tuple[dict[str, Any], int]] = [
            ({"quoteOrderQty": "x"}, -1100),
            ({"quoteOrderQty": "0"}, -1013),
            ({"quoteOrderQty": "10", "quantity": "1"}, -1106),
            ({"quoteOrderQty": "10", "stopPrice": "1"}, -1106),
            ({"quoteOrderQty": "1"}, -1013),
            ({"quoteOrderQty": "99999999999999"}, -1013),
        ]
        for changes, code in bad:
            assert (await at.rest("POST", f"{V3}/order", "A", **base, **changes))[1]["code"] == code, changes
        limit = at.order("BUY", "60001", "0.001", quoteOrderQty="5")
        assert (await at.rest("POST", f"{V3}/order", "A", **limit))[1]["code"] == -1106
        stop = {**at.order("BUY", "60001", "0.001", stopPrice="60500"), "type": "STOP_LOSS_LIMIT"}
        status, placed = await at.rest("POST", f"{V3}/order", "A", **stop)
        assert (status, sorted(placed)) == (
            200,
            ["clientOrderId", "orderId", "orderListId", "symbol", "transactTime"],
        )

    checked(check)


ODD = (
    "",
    "0",
    "1",
    "-1",
    "x",
    "5000",
    "10" * 10,
    "9" * 40,
    "1.5",
    "BTCUSDT",
    '["BTCUSDT"]',
    "[[]]",
    "1M",
    "ü",
    "%00",
)
NAMES = (
    "symbol",
    "symbols",
    "limit",
    "fromId",
    "startTime",
    "endTime",
    "interval",
    "windowSize",
    "type",
    "orderId",
    "cancelReplaceMode",
    "cancelOrderId",
    "side",
    "quantity",
    "quoteOrderQty",
    "price",
    "stopPrice",
    "timeInForce",
)


def test_no_question_whatever_is_answered_with_a_traceback() -> None:
    draw = random.Random(11)

    async def check(at: Running) -> None:
        good = {
            "symbol": "BTCUSDT",
            "interval": "1M",
            "side": "BUY",
            "timeInForce": "GTC",
            "quantity": "0.001",
        }
        for method, path in sorted(REST_CALLS):
            for _ in range(12):
                values = dict(good) if draw.random() < 0.7 else {}
                values |= {draw.choice(NAMES): draw.choice(ODD) for _ in range(draw.randrange(4))}
                if method == "POST" and draw.random() < 0.7:
                    values |= {"type": draw.choice(ORDER_TYPES), "cancelReplaceMode": "ALLOW_FAILURE"}
                asked: dict[str, Any] = values
                status, body = await at.rest(method, path, "A", **asked)
                assert status < 500, (method, path, values, body)

    checked(check, limits={"weight_minute": 10**9, "orders_10s": 10**6})
