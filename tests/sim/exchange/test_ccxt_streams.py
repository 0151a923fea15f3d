"""The stock client watches books, trades, tickers, bars and its own account."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sim.exchange.ccxt_clients import BTC, ETH, crowd, watched, with_stock
from tests.sim.exchange.server_builders import Running


def test_a_watched_book_stays_equal_to_the_exchanges_own() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        await alice.watch_order_book(BTC)
        await crowd(at, 1, 5_999_950, 500)
        await crowd(at, -1, 6_000_050, 700)
        book = await watched(lambda: alice.watch_order_book(BTC), lambda book: book["asks"][0][0] == 60000.5)
        assert (book["bids"][0], book["asks"][0]) == ([59999.5, 0.005], [60000.5, 0.007])
        rest = await alice.fetch_order_book(BTC)
        assert (list(book["bids"]), list(book["asks"])) == (rest["bids"], rest["asks"])
        assert book["nonce"] == rest["nonce"]
        # A client that is pointed at the combined door gets frames wrapped, and reads them as well.
        bob.urls["api"]["ws"]["spot"] = at.url.replace("http", "ws") + "/stream"
        slow = await bob.watch_order_book(ETH, 5, {"watchOrderBookRate": "1000"})
        assert len(slow["bids"]) == 5
        both = await bob.watch_order_book_for_symbols([BTC, ETH])
        assert both["symbol"] in {BTC, ETH}
        assert await alice.un_watch_order_book(BTC)

    with_stock(check)


def test_trades_tickers_and_bars_are_watched() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        async def trade() -> None:
            while True:
                await crowd(at, 1, 6_000_100, 10)
                await crowd(at, -1, 6_000_100, 10)
                await crowd(at, 1, 300_100, 30, 1)
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            trading = group.create_task(trade())
            bars = group.create_task(
                watched(lambda: alice.watch_ohlcv(BTC, "1s"), lambda bars: len(bars) > 1)
            )
            minutes = group.create_task(alice.watch_ohlcv_for_symbols([[BTC, "1m"], [ETH, "1h"]]))
            tickers = group.create_task(bob.watch_tickers())
            ticker = group.create_task(bob.watch_ticker(BTC, {"name": "ticker"}))
            hourly = group.create_task(alice.watch_tickers([ETH], {"name": "ticker_1h"}))
            (first, *_) = await alice.watch_trades(BTC)
            assert (first["price"], first["side"], first["amount"]) == (60001.0, "buy", 0.0001)
            agg = await alice.watch_trades(ETH, params={"name": "aggTrade"})
            assert agg[0]["price"] == 3001.0
            some = await bob.watch_trades_for_symbols([BTC, ETH])
            assert some[0]["symbol"] in {BTC, ETH}
            best = (await bob.watch_bids_asks([BTC]))[BTC]
            assert best["bid"] in {59999.0, 60001.0} and best["ask"] >= 60001.0
            assert len(await bars) == 2 and (await minutes).keys() <= {BTC, ETH}
            whole = await ticker
            assert whole["bid"] is not None and whole["last"] == 60001.0 == whole["high"]
            assert sorted(await tickers) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
            assert (await hourly)[ETH]["last"] == 3001.0
            trading.cancel()

    with_stock(check)


def test_an_account_watches_its_orders_trades_and_balances() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        async with asyncio.TaskGroup() as group:
            orders = group.create_task(alice.watch_orders(BTC))
            trades = group.create_task(alice.watch_my_trades(BTC))
            balance = group.create_task(alice.watch_balance())
            while not at.venue.users.listening(0):
                await asyncio.sleep(0.01)
            placed = await alice.create_order_ws(BTC, "limit", "sell", 0.02, 60_000, {"clientOrderId": "u-1"})
            (order,) = await orders
            assert (order["id"], order["status"], order["clientOrderId"]) == (placed["id"], "open", "u-1")
            assert (await balance)["BTC"]["used"] == 0.02
            filled = group.create_task(alice.watch_orders(BTC))
            await bob.create_order(BTC, "market", "buy", 0.005)
            (trade,) = await trades
            assert (trade["amount"], trade["price"], trade["takerOrMaker"]) == (0.005, 60000.0, "maker")
            assert trade["fee"] == {"cost": 0.06, "currency": "USDT"}
            (order,) = await filled
            assert (order["status"], order["filled"], order["average"]) == ("open", 0.005, 60000.0)
            gone = group.create_task(alice.watch_orders(BTC))
            held = group.create_task(watched(alice.watch_balance, lambda held: held["BTC"]["used"] == 0))
            await asyncio.sleep(0)
            await alice.cancel_order(None, BTC, {"clientOrderId": "u-1"})
            assert (await gone)[-1]["status"] == "canceled"
            assert (await held)["BTC"]["free"] == 9.995

    with_stock(check)


def test_an_older_listen_key_hears_the_account_too() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        key = (await alice.public_post_userdatastream())["listenKey"]
        async with at.session.ws_connect(f"{at.url}/ws/{key}") as socket:
            await alice.create_order(BTC, "limit", "buy", 0.01, 59_000)
            assert (await socket.receive_json(timeout=5))["x"] == "NEW"
        assert await alice.public_put_userdatastream({"listenKey": key}) == {}

    with_stock(check)
