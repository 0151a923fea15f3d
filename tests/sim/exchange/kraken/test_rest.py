"""REST in Kraken's form."""

from __future__ import annotations

from typing import Any

import pytest

from domain.order import Side
from tests.sim.exchange.kraken.kraken_builders import KEYS, Kraken, with_kraken

ORDER: dict[str, Any] = {
    "pair": "BTCUSDT",
    "type": "buy",
    "ordertype": "limit",
    "price": "59000",
    "volume": "0.01",
}


async def placed(at: Kraken, who: str = "A", **more: Any) -> str:
    """Place an order and give its id."""
    (txid,) = (await at.done("AddOrder", who, **{**ORDER, **more}))["txid"]
    return str(txid)


def test_the_market_is_described() -> None:
    async def check(at: Kraken) -> None:
        assert abs((await at.public("Time"))["result"]["unixtime"] - at.venue.now_ns() // 10**9) <= 1
        assert (await at.public("SystemStatus"))["result"]["status"] == "online"
        assets = (await at.public("Assets?asset=BTC"))["result"]
        assert assets["BTC"]["altname"] == "BTC" and len(assets) == 1
        pairs = (await at.public("AssetPairs?pair=BTCUSDT,ETH/BTC"))["result"]
        assert sorted(pairs) == ["BTCUSDT", "ETHBTC"]
        pair = pairs["BTCUSDT"]
        assert (pair["wsname"], pair["base"], pair["quote"], pair["status"]) == (
            "BTC/USDT",
            "BTC",
            "USDT",
            "online",
        )
        assert (pair["pair_decimals"], pair["lot_decimals"], pair["tick_size"]) == (2, 5, "0.01")
        assert (pair["ordermin"], pair["costmin"]) == ("0.00001", "5.0000000000")
        assert (pair["fees"], pair["fees_maker"]) == ([[0, 0.05]], [[0, 0.02]])
        assert len((await at.public("AssetPairs"))["result"]) == 3

    with_kraken(check)


def test_books_trades_tickers_and_bars_are_told() -> None:
    async def check(at: Kraken) -> None:
        for price in ("60000", "60001", "60002"):
            await at.crowd(Side.SELL, price, "0.1")
        await at.crowd(Side.BUY, "59000", "0.2")
        book = (await at.public("Depth?pair=BTCUSDT&count=2"))["result"]["BTCUSDT"]
        assert [level[:2] for level in book["asks"]] == [["60000.00", "0.10000"], ["60001.00", "0.10000"]]
        assert [level[:2] for level in book["bids"]] == [["59000.00", "0.20000"]]
        await at.crowd(Side.BUY, "60000", "0.05")
        await placed(at, ordertype="market", type="sell", volume="0.03")
        trades = (await at.public("Trades?pair=BTCUSDT"))["result"]
        assert [[*one[:2], *one[3:7]] for one in trades["BTCUSDT"]] == [
            ["60000.00", "0.05000", "b", "l", "", 1],
            ["59000.00", "0.03000", "s", "m", "", 2],
        ]
        assert (await at.public(f"Trades?pair=BTCUSDT&since={trades['last']}"))["result"]["BTCUSDT"] == []
        first = await at.public("Trades?pair=BTCUSDT&since=1&count=1")
        assert [one[6] for one in first["result"]["BTCUSDT"]] == [1]
        day = (await at.public("Ticker?pair=BTCUSDT"))["result"]["BTCUSDT"]
        assert (day["a"][0], day["b"][0], day["c"], day["v"][1]) == (
            "60000.00",
            "59000.00",
            ["59000.00", "0.03000"],
            "0.08000",
        )
        bars = (await at.public("OHLC?pair=BTCUSDT&interval=60"))["result"]
        assert bars["BTCUSDT"][-1][1:5] == ["60000.00", "60000.00", "59000.00", "59000.00"]
        later = await at.public(f"OHLC?pair=BTCUSDT&interval=60&since={bars['BTCUSDT'][-1][0]}")
        assert later["result"]["BTCUSDT"] == []
        assert len((await at.public("Ticker"))["result"]) == 3

    with_kraken(check)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("Ticker?pair=NOPE", "EQuery:Unknown asset pair"),
        ("Depth", "EGeneral:Invalid arguments"),
        ("Depth?pair=BTCUSDT&count=x", "EGeneral:Invalid arguments:count"),
        ("Assets?asset=DOGE", "EQuery:Unknown asset"),
        ("OHLC?pair=BTCUSDT&interval=7", "EGeneral:Invalid arguments:interval"),
        ("Nothing", "EGeneral:Unknown method"),
        ("Depth?pair=%ff", "EQuery:Unknown asset pair"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(path: str, error: str) -> None:
    async def check(at: Kraken) -> None:
        assert await at.public(path) == {"error": [error]}

    with_kraken(check)


def test_who_asks_must_prove_it() -> None:
    async def check(at: Kraken) -> None:
        assert (await at.private("Balance", nonce="50"))["error"] == []
        assert (await at.private("Balance", nonce="50"))["error"] == ["EAPI:Invalid nonce"]
        assert (await at.private("Balance", nonce=None))["error"] == ["EAPI:Invalid nonce"]
        assert (await at.private("Balance", key="nobody"))["error"] == ["EAPI:Invalid key"]
        assert (await at.private("Balance", nonce="60", sign="x"))["error"] == ["EAPI:Invalid signature"]
        wrong = await at.private("Balance", "B", nonce="60", key=KEYS["A_KEY"])
        assert wrong["error"] == ["EAPI:Invalid signature"]
        assert (await at.private("Balance", nonce="60"))["error"] == []
        assert (await at.private("Nothing", nonce="61"))["error"] == ["EGeneral:Unknown method"]

    with_kraken(check)


def test_calls_are_counted_per_key_and_trading_is_not_among_them() -> None:
    async def check(at: Kraken) -> None:
        for _ in range(7):
            assert (await at.private("TradesHistory"))["error"] == []
        assert (await at.private("Balance"))["error"] == []
        assert (await at.private("Balance"))["error"] == ["EAPI:Rate limit exceeded"]
        assert (await at.private("AddOrder", **ORDER))["error"] == []
        assert (await at.private("Balance", "B"))["error"] == []

    with_kraken(check, kraken_tier="starter")


def test_an_account_sees_what_it_has_and_holds() -> None:
    async def check(at: Kraken) -> None:
        await placed(at)
        assert (await at.done("Balance"))["USDT"] == "1000000.0000000000"
        held = await at.done("BalanceEx")
        assert held["USDT"] == {"balance": "1000000.0000000000", "hold_trade": "590.0000000000"}
        volume = await at.done("TradeVolume", pair="BTCUSDT")
        assert (volume["fees"]["BTCUSDT"]["fee"], volume["fees_maker"]["BTCUSDT"]["fee"]) == (
            "0.0500",
            "0.0200",
        )
        assert (await at.done("TradeVolume"))["currency"] == "USDT"
        info = await at.done("GetApiKeyInfo")
        assert info["api_key"] == KEYS["A_KEY"] and "withdraw-funds" not in info["permissions"]
        assert await at.done("OpenPositions") == {}

    with_kraken(check)


def test_an_order_is_found_in_every_list_where_it_belongs() -> None:
    async def check(at: Kraken) -> None:
        txid = await placed(at, cl_ord_id="mine", oflags="post")
        other = await placed(at, userref="77", timeinforce="GTC")
        opened = (await at.done("OpenOrders"))["open"]
        assert list(opened) == [other, txid]
        one = opened[txid]
        assert (one["status"], one["cl_ord_id"], one["vol"], one["oflags"]) == (
            "open",
            "mine",
            "0.01000",
            "fciq,post",
        )
        assert one["descr"]["order"] == "buy 0.01000 BTCUSDT @ limit 59000.00"
        assert list((await at.done("OpenOrders", userref="77"))["open"]) == [other]
        assert list((await at.done("OpenOrders", cl_ord_id="mine"))["open"]) == [txid]
        await at.crowd(Side.SELL, "59000", "0.015")
        asked = await at.done("QueryOrders", txid=f"{txid},{other},OAAAAA-AAAAA-AAAA22", trades="true")
        assert [(one["status"], one["vol_exec"], len(one["trades"])) for one in asked.values()] == [
            ("closed", "0.01000", 1),
            ("open", "0.00500", 1),
        ]
        assert asked[txid]["cost"] == "590.0000000000" and asked[txid]["fee"] == "0.1180000000"
        assert list(await at.done("QueryOrders", cl_ord_id="mine")) == [txid]
        closed = await at.done("ClosedOrders")
        assert (list(closed["closed"]), closed["count"]) == ([txid], 1)
        assert (await at.done("ClosedOrders", start=str(at.venue.now_ns() // 10**9 + 9)))["count"] == 0
        assert (await at.done("QueryOrders", "B", txid=txid)) == {}

    with_kraken(check)


def test_trades_are_listed_newest_first_by_pages_and_after_a_trade() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "59000", "1")
        await at.crowd(Side.SELL, "2900", "1", "ETHUSDT")
        for _ in range(51):
            await placed(at)
        await placed(at, pair="ETHUSDT", price="3000", volume="0.1")
        history = await at.done("TradesHistory")
        assert (len(history["trades"]), history["count"]) == (50, 52)
        newest, first = next(iter(history["trades"].items()))
        assert (first["pair"], first["trade_id"], first["maker"], first["price"]) == (
            "ETHUSDT",
            1,
            False,
            "2900.00",
        )
        assert (first["fee_asset"], first["fee_qty"], first["fee"]) == ("ETH", "0.0000500000", "0.1450000000")
        older = await at.done("TradesHistory", ofs="50")
        assert [one["trade_id"] for one in older["trades"].values()] == [2, 1]
        assert (await at.done("TradesHistory", start=newest))["count"] == 0
        second = list(history["trades"])[1]
        assert list((await at.done("TradesHistory", start=second))["trades"]) == [newest]
        before = await at.done("TradesHistory", end=list(older["trades"])[1])
        assert [one["trade_id"] for one in before["trades"].values()] == [1]
        asked = await at.done("QueryTrades", txid=f"{newest},{second}")
        assert list(asked) == [newest, second]
        assert (await at.done("TradesHistory", start=first["ordertxid"]))["count"] == 0
        assert (await at.done("TradesHistory", start="TAAAAA-AAAAA-AAA777"))["count"] == 52

    with_kraken(check)


def test_orders_are_changed_and_cancelled() -> None:
    async def check(at: Kraken) -> None:
        txid = await placed(at, cl_ord_id="mine")
        amended = await at.done("AmendOrder", cl_ord_id="mine", order_qty="0.02", limit_price="58000")
        assert amended["amend_id"].startswith("A")
        assert at.venue.exchange.depth(0, 5)[1] == ((5_800_000, 2000),)
        edited = await at.done("EditOrder", txid=txid, pair="BTCUSDT", price="57000", userref="4")
        assert (edited["originaltxid"], edited["price"], edited["volume"]) == (txid, "57000.00", "0.02000")
        assert (await at.done("CancelOrder", txid=edited["txid"])) == {"count": 1}
        again = await at.private("CancelOrder", txid=edited["txid"])
        assert again["error"] == ["EOrder:Unknown order"]
        for _ in range(2):
            await placed(at, userref="7")
        assert (await at.done("CancelOrder", txid="7")) == {"count": 2}
        assert (await at.private("CancelOrder", txid="7"))["error"] == ["EOrder:Unknown order"]
        await placed(at, cl_ord_id="x1")
        assert (await at.done("CancelOrder", cl_ord_id="x1")) == {"count": 1}
        await placed(at)
        assert (await at.done("CancelAll")) == {"count": 1}
        assert (await at.done("CancelAllOrdersAfter", timeout="0"))["triggerTime"] == "0"
        assert (await at.done("CancelAllOrdersAfter", timeout="60"))["triggerTime"].endswith("Z")

    with_kraken(check)


def test_batches_answer_for_each_order() -> None:
    async def check(at: Kraken) -> None:
        orders = [
            {"type": "buy", "ordertype": "limit", "price": "59000", "volume": "0.01", "cl_ord_id": "b1"},
            {"type": "buy", "ordertype": "limit", "price": "59000", "volume": "100"},
        ]
        answer = await at.done("AddOrderBatch", as_json=True, pair="BTCUSDT", orders=orders)
        assert answer["orders"][0]["descr"]["order"] == "buy 0.01000 BTCUSDT @ limit 59000.00"
        assert answer["orders"][1] == {"error": "EOrder:Insufficient funds"}
        txid = answer["orders"][0]["txid"]
        cancelled = await at.done("CancelOrderBatch", as_json=True, orders=[txid, "none"])
        assert cancelled == {"count": 1}
        for name in ("AddOrderBatch", "CancelOrderBatch"):
            empty = await at.private(name, as_json=True, orders=[])
            assert empty["error"] == ["EGeneral:Invalid arguments:orders"]

    with_kraken(check)


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("AddOrder", {**ORDER, "pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("AddOrder", {**ORDER, "volume": "x"}, "EGeneral:Invalid arguments:volume"),
        ("AddOrder", {**ORDER, "price": "59000.001"}, "EGeneral:Invalid arguments:price"),
        ("AddOrder", {**ORDER, "ordertype": "stop-loss"}, "EGeneral:Invalid arguments:ordertype"),
        ("AddOrder", {**ORDER, "oflags": "viqc"}, "EGeneral:Invalid arguments:cash_order_qty"),
        (
            "AddOrder",
            {**ORDER, "ordertype": "market", "oflags": "viqc", "volume": "x"},
            "EGeneral:Invalid arguments:volume",
        ),
        (
            "AddOrder",
            {**ORDER, "ordertype": "market", "oflags": "post"},
            "EGeneral:Invalid arguments:post_only",
        ),
        ("AddOrder", {**ORDER, "timeinforce": "GTD", "expiretm": "x"}, "EGeneral:Invalid arguments:expiretm"),
        ("AddOrder", {**ORDER, "leverage": "5"}, "EGeneral:Invalid arguments:leverage"),
        ("AddOrder", {**ORDER, "volume": "100"}, "EOrder:Insufficient funds"),
        ("CancelOrder", {}, "EGeneral:Invalid arguments:txid"),
        ("QueryOrders", {}, "EGeneral:Invalid arguments:txid"),
        ("QueryTrades", {}, "EGeneral:Invalid arguments:txid"),
        ("TradesHistory", {"start": "soon"}, "EGeneral:Invalid arguments:start"),
        ("CancelAllOrdersAfter", {}, "EGeneral:Invalid arguments:timeout"),
        ("AmendOrder", {"txid": "OAAAAA-AAAAA-AAAAAB"}, "EOrder:Unknown order"),
    ],
)
def test_private_questions_that_cannot_be_answered_say_why(
    name: str, values: dict[str, Any], error: str
) -> None:
    async def check(at: Kraken) -> None:
        assert (await at.private(name, **values))["error"] == [error]

    with_kraken(check)


def test_validated_orders_cash_orders_and_bad_bodies() -> None:
    async def check(at: Kraken) -> None:
        await at.crowd(Side.SELL, "60000", "0.1")
        checked = await at.done("AddOrder", **ORDER, validate="true")
        assert checked == {"descr": {"order": "buy 0.01000 BTCUSDT @ limit 59000.00"}}
        cash = await at.done(
            "AddOrder", **{**ORDER, "ordertype": "market", "oflags": "viqc", "volume": "600"}
        )
        assert cash["descr"]["order"] == "buy 0.01000 BTCUSDT @ market"
        relative: dict[str, Any] = {"timeinforce": "GTD", "expiretm": "+60"}
        assert (await at.private("AddOrder", **ORDER, **relative))["error"] == []
        headers = {"Content-Type": "application/json"}
        for body in ("{", "[]", '"x"'):
            async with at.session.post(f"{at.url}/0/private/Balance", data=body, headers=headers) as answer:
                assert (await answer.json())["error"][0].startswith("EGeneral:Invalid arguments")
        async with at.session.post(f"{at.url}/0/private/Balance", data="x" * 100_000) as answer:
            assert answer.status == 413 and (await answer.json())["error"][0].startswith("EGeneral:")

    with_kraken(check)
