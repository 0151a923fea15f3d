"""The stock client reads rules, books, trades, tickers and bars."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.exchange.ccxt_clients import BTC, ETH, crowd, with_stock
from tests.sim.exchange.server_builders import Running


def test_markets_currencies_fees_and_status_are_read() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        assert sorted(alice.markets) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
        market = alice.market(BTC)
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        assert market["limits"]["cost"]["min"] == 5.0 and market["limits"]["amount"]["max"] == 200.0
        assert market["limits"]["market"]["max"] == 200.0 and market["limits"]["price"]["min"] == 0.01
        assert (market["active"], market["spot"], market["margin"]) == (True, True, False)
        assert abs(await alice.fetch_time() - at.venue.now_ms()) < 5_000
        assert (await alice.fetch_status())["status"] == "ok"
        assert sorted(await alice.fetch_currencies()) == ["BTC", "ETH", "USDT"]
        assert (await alice.fetch_trading_fee(BTC))["taker"] == 0.0005
        fees = await alice.fetch_trading_fees()
        assert (fees[ETH]["maker"], len(fees)) == (0.0002, 3)
        held = await alice.fetch_balance()
        assert (held["BTC"]["total"], held["USDT"]["free"]) == (10.0, 1_000_000.0)
        assert await alice.fetch_deposits() == await alice.fetch_withdrawals() == []
        rights = await alice.sapi_get_account_apirestrictions()
        assert (rights["enableWithdrawals"], rights["enableReading"]) == (False, True)
        rules = (await alice.public_get_exchangeinfo())["rateLimits"]
        assert [(one["rateLimitType"], one["interval"], one["limit"]) for one in rules] == [
            ("REQUEST_WEIGHT", "MINUTE", 6000),
            ("ORDERS", "SECOND", 100),
            ("ORDERS", "DAY", 200000),
            ("RAW_REQUESTS", "MINUTE", 61000),
        ]

    with_stock(check)


def test_books_trades_tickers_and_bars_are_fetched() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        book = await alice.fetch_order_book(BTC, 5)
        assert (book["bids"][0], len(book["asks"])) == ([59999.0, 0.1], 5)
        assert len((await alice.fetch_order_book(BTC))["bids"]) == 10
        await crowd(at, -1, 5_999_900, 1_000)
        await crowd(at, 1, 6_000_100, 500)
        for params in (
            {},
            {"fetchTradesMethod": "publicGetTrades"},
            {"fetchTradesMethod": "publicGetHistoricalTrades"},
        ):
            trades = await alice.fetch_trades(BTC, params=params)
            assert [(one["price"], one["amount"], one["side"]) for one in trades] == [
                (59999.0, 0.01, "sell"),
                (60001.0, 0.005, "buy"),
            ]
        since = trades[0]["timestamp"]
        assert len(await alice.fetch_trades(BTC, since, 1)) == 1
        assert await alice.fetch_trades(BTC, since + 60_000) == []
        ticker = await alice.fetch_ticker(BTC)
        assert (ticker["last"], ticker["high"], ticker["low"], ticker["baseVolume"]) == (
            60001.0,
            60001.0,
            59999.0,
            0.015,
        )
        assert (ticker["bid"], ticker["ask"]) == (59999.0, 60001.0)
        assert ticker["info"]["lastQty"] == "0.00500"
        assert (await alice.fetch_ticker(BTC, {"rolling": True}))["open"] == 59999.0
        assert len(await alice.fetch_tickers()) == 3
        assert sorted(await alice.fetch_tickers([BTC, ETH])) == [BTC, ETH]
        assert (await alice.fetch_bids_asks([ETH]))[ETH]["bid"] == 2999.0
        assert (await alice.fetch_last_prices([BTC]))[BTC]["price"] == 60001.0
        assert (await alice.public_get_avgprice({"symbol": "BTCUSDT"}))["price"] == "59999.67"
        for timeframe in ("1s", "1m", "1h", "1d", "1w", "1M"):
            bars = await alice.fetch_ohlcv(BTC, timeframe)
            assert sum(bar[5] for bar in bars) == pytest.approx(0.015)
            assert bars[0][1] == 59999.0 and bars[-1][4] == 60001.0
        assert len(await alice.fetch_ohlcv(BTC, "1m", bars[-1][0], 5)) <= 5
        (flat,) = await alice.fetch_ohlcv(ETH, "5m", limit=3)
        assert flat[1:] == [3000.0, 3000.0, 3000.0, 3000.0, 0.0]

    with_stock(check)
