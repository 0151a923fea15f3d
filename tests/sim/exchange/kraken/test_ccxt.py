"""The stock ccxt client for Kraken, REST and WebSocket, told nothing but other addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import cycle
from typing import Any

import ccxt
import ccxt.pro
import pytest

from domain.order import Side
from sim.exchange.kraken.checksum import book_checksum
from tests.sim.exchange.kraken.kraken_builders import KEYS, Kraken, with_kraken

PAIR = "BTC/USDT"
UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def client(at: Kraken, who: str = "A") -> Any:
    """Make a stock client; `ccxt.pro` is `ccxt.async_support` and WebSockets."""
    made = ccxt.pro.kraken(
        {"apiKey": KEYS[f"{who}_KEY"], "secret": KEYS[f"{who}_SECRET"], "enableRateLimit": False}
    )
    api = made.urls["api"]
    api["public"] = api["private"] = at.url
    for name in api["ws"]:
        api["ws"][name] = at.ws_url + ("/auth" if name.startswith("private") else "")
    return made


def with_clients(check: Callable[[Kraken, Any, Any], Coroutine[Any, Any, None]], **changes: Any) -> None:
    """Run a check with alice's and bob's clients and a thick book around 60,000."""

    async def whole(at: Kraken) -> None:
        for step in range(12):
            await at.crowd(Side.BUY, f"{59_999 - step}", "0.1")
            await at.crowd(Side.SELL, f"{60_001 + step}", "0.1")
        alice, bob = client(at), client(at, "B")
        try:
            await asyncio.wait_for(check(at, alice, bob), 20)
        finally:
            await alice.close()
            await bob.close()

    with_kraken(whole, **changes)


def test_the_stock_client_reads_the_market() -> None:
    async def check(at: Kraken, alice: Any, _: Any) -> None:
        markets = await alice.load_markets()
        assert sorted(markets) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
        market = markets[PAIR]
        assert (market["id"], market["base"], market["active"], market["spot"]) == (
            "BTCUSDT",
            "BTC",
            True,
            True,
        )
        assert market["precision"] == {"price": 0.01, "amount": 0.00001}
        assert (market["limits"]["cost"]["min"], market["limits"]["amount"]["min"]) == (5.0, 0.00001)
        assert (market["maker"], market["taker"]) == (0.0002, 0.0005)
        assert sorted(await alice.fetch_currencies()) == ["BTC", "ETH", "USDT"]
        assert (await alice.fetch_status())["status"] == "ok"
        assert abs(await alice.fetch_time() - alice.milliseconds()) < 60_000
        book = await alice.fetch_order_book(PAIR, 3)
        assert [level[:2] for level in book["bids"]] == [[59_999.0, 0.1], [59_998.0, 0.1], [59_997.0, 0.1]]
        await at.crowd(Side.BUY, "60001", "0.04")
        (trade,) = await alice.fetch_trades(PAIR)
        assert (trade["id"], trade["price"], trade["amount"], trade["side"]) == ("1", 60_001.0, 0.04, "buy")
        ticker = await alice.fetch_ticker(PAIR)
        assert (ticker["last"], ticker["bid"], ticker["ask"], ticker["baseVolume"]) == (
            60_001,
            59_999,
            60_001,
            0.04,
        )
        assert sorted(await alice.fetch_tickers([PAIR, "ETH/USDT"])) == [PAIR, "ETH/USDT"]
        (bar,) = await alice.fetch_ohlcv(PAIR, "1h")
        assert bar[1:] == [60_001.0, 60_001.0, 60_001.0, 60_001.0, 0.04]
        assert (await alice.fetch_trading_fee(PAIR))["taker"] == 0.0005

    with_clients(check)


def test_the_stock_client_trades_over_rest() -> None:
    async def check(at: Kraken, alice: Any, bob: Any) -> None:
        placed = await alice.create_order(PAIR, "limit", "buy", 0.02, 60_000, {"clientOrderId": "stock-1"})
        assert (placed["symbol"], placed["side"], placed["amount"], placed["price"]) == (
            PAIR,
            "buy",
            0.02,
            60_000,
        )
        (opened,) = await alice.fetch_open_orders(PAIR)
        assert (opened["id"], opened["clientOrderId"], opened["status"]) == (placed["id"], "stock-1", "open")
        await alice.edit_order(placed["id"], PAIR, "limit", "buy", 0.03, 59_999.5)
        taken = await bob.create_order(PAIR, "market", "sell", 0.01)
        done = await bob.fetch_order(taken["id"], PAIR)
        assert (done["status"], done["filled"], done["average"]) == ("closed", 0.01, 59_999.5)
        part = await alice.fetch_order(placed["id"], PAIR)
        assert (part["amount"], part["filled"], part["remaining"]) == (0.03, 0.01, 0.02)
        (trade,) = await alice.fetch_my_trades(PAIR)
        assert (trade["order"], trade["takerOrMaker"], trade["amount"]) == (placed["id"], "maker", 0.01)
        order_trades = await bob.fetch_order_trades(taken["id"], PAIR, None, None, {"trades": done["trades"]})
        assert [one["price"] for one in order_trades] == [59_999.5]
        balance = await alice.fetch_balance()
        assert (balance["BTC"]["total"], balance["USDT"]["used"]) == (10.009998, 1199.99)
        await alice.cancel_order(placed["id"], PAIR)
        (closed,) = await alice.fetch_closed_orders(PAIR)
        assert (closed["id"], closed["status"], closed["filled"]) == (placed["id"], "canceled", 0.01)
        many = [
            {"symbol": PAIR, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
            for price in (59_000, 58_000, 57_000)
        ]
        ids = [one["id"] for one in await alice.create_orders(many)]
        await alice.cancel_orders(ids[:1])
        assert sorted(one["id"] for one in await alice.fetch_open_orders(PAIR)) == sorted(ids[1:])
        await alice.cancel_all_orders()
        assert await alice.fetch_open_orders(PAIR) == []
        await alice.cancel_all_orders_after(0)

    with_clients(check)


def test_every_time_in_force_is_understood() -> None:
    async def check(at: Kraken, alice: Any, _: Any) -> None:
        async def fate(amount: float, price: float, **params: Any) -> tuple[str, float]:
            placed = await alice.create_order(PAIR, "limit", "buy", amount, price, params)
            found = await alice.fetch_order(placed["id"], PAIR)
            return found["status"], found["filled"]

        assert await fate(0.01, 59_000, timeInForce="GTC") == ("open", 0.0)
        assert await fate(0.15, 60_001, timeInForce="IOC") == ("canceled", 0.1)
        assert await fate(0.15, 60_002, timeInForce="FOK") == ("canceled", 0.0)
        assert await fate(0.01, 59_000, postOnly=True) == ("open", 0.0)
        cost = await alice.create_market_order_with_cost(PAIR, "buy", 600.02)
        assert (await alice.fetch_order(cost["id"], PAIR))["filled"] == 0.01

    with_clients(check)


def test_the_stock_client_understands_the_refusals() -> None:
    async def check(at: Kraken, alice: Any, bob: Any) -> None:
        async def refused(kind: type[Exception], call: Coroutine[Any, Any, Any]) -> None:
            with pytest.raises(ccxt.BaseError) as caught:
                await call
            assert type(caught.value) is kind, caught.value

        order = (PAIR, "limit", "buy")
        await refused(ccxt.InsufficientFunds, alice.create_order(*order, 100, 60_000))
        await refused(ccxt.InvalidOrder, alice.create_order(*order, 0.00001, 60_000))
        await refused(ccxt.OrderNotFound, alice.cancel_order("OAAAAA-AAAAA-AAA777", PAIR))
        await refused(ccxt.OrderNotFound, alice.fetch_order("OAAAAA-AAAAA-AAA777", PAIR))
        await refused(ccxt.InvalidOrder, alice.edit_order("OAAAAA-AAAAA-AAA777", *order, 1, 1))
        # What ccxt has no name for is a refusal all the same, never an unknown outcome.
        await refused(ccxt.ExchangeError, alice.create_order(*order, 0.01, 61_000, {"postOnly": True}))
        await refused(ccxt.InsufficientFunds, alice.create_order_ws(*order, 100, 60_000))
        await refused(ccxt.InvalidOrder, alice.create_order_ws(*order, 0.00001, 60_000))
        await refused(ccxt.OrderNotFound, alice.cancel_order_ws("OAAAAA-AAAAA-AAA777"))
        alice.incrementing_nonce = lambda: 5
        await refused(ccxt.InvalidNonce, alice.fetch_balance())
        bob.apiKey = "nobody"
        await refused(ccxt.AuthenticationError, bob.fetch_balance())

    with_clients(check)


def test_the_stock_client_is_told_when_it_asks_too_much() -> None:
    async def check(at: Kraken, alice: Any, _: Any) -> None:
        async def often(call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
            for _turn in range(60):
                await call()

        with pytest.raises(ccxt.DDoSProtection, match="EAPI:Rate limit exceeded"):
            await often(alice.fetch_balance)
        order = await alice.create_order(PAIR, "limit", "buy", 0.001, 59_000)
        edit = (order["id"], PAIR, "limit", "buy", 0.001, 58_000)
        with pytest.raises(ccxt.DDoSProtection, match="EOrder:Rate limit exceeded"):
            await often(lambda: alice.edit_order(*edit))
        await alice.cancel_order(order["id"])

    with_clients(check, kraken_tier="starter")


def test_the_stock_client_watches_the_market() -> None:
    async def check(at: Kraken, alice: Any, bob: Any) -> None:
        book = await alice.watch_order_book(PAIR)
        assert book["asks"][0] == [60_001.0, 0.1] and len(book["asks"]) == 10
        deep = await bob.watch_order_book(PAIR, 25)
        assert len(deep["asks"]) == 12
        await at.crowd(Side.BUY, "60002", "0.15")
        book = await alice.watch_order_book(PAIR)
        assert book["asks"][0] == [60_002.0, 0.05] and len(book["asks"]) == 10
        trades = await alice.watch_trades(PAIR)
        assert [(one["price"], one["amount"], one["side"]) for one in trades] == [
            (60_001.0, 0.1, "buy"),
            (60_002.0, 0.05, "buy"),
        ]
        ticker = await alice.watch_ticker(PAIR)
        assert (ticker["last"], ticker["ask"], ticker["askVolume"]) == (60_002.0, 60_002.0, 0.05)
        assert (await alice.watch_ohlcv(PAIR))[-1][4:] == [60_002.0, 0.15]
        best = await bob.watch_bids_asks([PAIR])
        assert best[PAIR]["bid"] == 59_999.0

    with_clients(check)


def with_digits(made: Any) -> Any:
    """Let a client validate checksums: ccxt turns numbers into floats first, and then wants their digits."""
    digits = cycle((2, 5))
    stock = made.format_number
    made.format_number = lambda value: stock(f"{value:.{next(digits)}f}")
    made.options["watchOrderBook"]["checksum"] = True
    return made


def test_the_stock_clients_own_checksum_agrees_with_every_update_and_notices_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check(at: Kraken, alice: Any, _: Any) -> None:
        with_digits(alice)
        await alice.watch_order_book(PAIR)
        moves = ((Side.BUY, "59999.50", "0.12345"), (Side.BUY, "60001", "0.05"), (Side.SELL, "60000", "0.02"))
        for side, price, size in (*moves, (Side.BUY, "60000", "0.05")):
            watching = asyncio.ensure_future(alice.watch_order_book(PAIR))
            await at.crowd(side, price, size)
            book = await watching
        assert (book["bids"][0], book["asks"][0]) == ([60_000.0, 0.03], [60_001.0, 0.05])
        monkeypatch.setattr("sim.exchange.kraken.feed.book_checksum", lambda *one: book_checksum(*one) ^ 1)
        watching = asyncio.ensure_future(alice.watch_order_book(PAIR))
        await at.crowd(Side.SELL, "60001", "0.1")
        with pytest.raises(ccxt.ChecksumError):
            await watching

    with_clients(check)


def test_the_stock_client_trades_and_listens_over_websockets() -> None:
    async def check(at: Kraken, alice: Any, bob: Any) -> None:
        held = await alice.watch_balance()
        assert held["USDT"]["total"] == 1_000_000.0
        orders = asyncio.ensure_future(alice.watch_orders(PAIR))
        trades = asyncio.ensure_future(alice.watch_my_trades(PAIR))
        # Both ride on one subscription; the second is sent when the first is there.
        placed = await alice.create_order_ws(PAIR, "limit", "buy", 0.02, 59_999.5, {"clientOrderId": UUID})
        assert placed["clientOrderId"] == UUID
        (seen,) = await orders
        assert (seen["id"], seen["status"], seen["price"]) == (placed["id"], "open", 59_999.5)
        edited = await alice.edit_order_ws(placed["id"], PAIR, "limit", "buy", 0.03, 59_999.6)
        assert edited["id"] == placed["id"]
        money = asyncio.ensure_future(alice.watch_balance())
        sold = await bob.create_order_ws(PAIR, "market", "sell", 0.01)
        assert sold["id"].startswith("O")
        (mine,) = await trades
        assert (mine["order"], mine["price"], mine["amount"]) == (placed["id"], 59_999.6, 0.01)
        assert (await money)["BTC"]["total"] == 10.009998
        assert (await alice.cancel_order_ws(placed["id"]))["success"] is True
        many = [
            (await alice.create_order_ws(PAIR, "limit", "buy", 0.01, price))["id"] for price in (5e4, 4e4)
        ]
        assert (await alice.cancel_orders_ws(many))["success"] is True
        await alice.create_order_ws(PAIR, "limit", "buy", 0.01, 50_000)
        assert (await alice.cancel_all_orders_ws())["result"]["count"] >= 1
        assert at.venue.exchange.open_orders(0) == []

    with_clients(check)
