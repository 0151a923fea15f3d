"""The stock ccxt client, told nothing but another address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from tests.sim.exchange.server_builders import KEYS, Running, running


def _client(at: Running, who: str = "A") -> Any:
    client = ccxt.binance(
        {
            "apiKey": KEYS[f"{who}_KEY"],
            "secret": KEYS[f"{who}_SECRET"],
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    client.session.trust_env = False
    for name in client.urls["api"]:
        version = client.urls["api"][name].rpartition("/")[2]
        door = "sapi" if name.startswith("sapi") else "api"
        client.urls["api"][name] = f"{at.url}/{door}/{version}"
    return client


def _with_clients(check: Callable[[Any, Any], None]) -> None:
    async def whole() -> None:
        async with running() as at:
            alice, bob = _client(at), _client(at, "B")
            try:
                await asyncio.to_thread(check, alice, bob)
            finally:
                alice.session.close()
                bob.session.close()

    asyncio.run(whole())


def test_the_stock_client_reads_the_market_and_trades_on_it() -> None:
    def check(alice: Any, bob: Any) -> None:
        markets = alice.load_markets()
        bob.load_markets()
        assert sorted(markets) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
        market = markets["BTC/USDT"]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        assert (market["limits"]["cost"]["min"], market["active"], market["spot"]) == (5.0, True, True)

        placed = alice.create_order("BTC/USDT", "limit", "sell", 0.02, 60000, {"newClientOrderId": "stock-1"})
        assert (placed["status"], placed["clientOrderId"], placed["filled"]) == ("open", "stock-1", 0.0)
        assert alice.fetch_order_book("BTC/USDT", 5)["asks"] == [[60000.0, 0.02]]
        taken = bob.create_order("BTC/USDT", "market", "buy", 0.005)
        assert (taken["status"], taken["filled"], taken["average"]) == ("closed", 0.005, 60000.0)
        assert alice.fetch_order(placed["id"], "BTC/USDT")["filled"] == 0.005
        assert [one["id"] for one in alice.fetch_open_orders("BTC/USDT")] == [placed["id"]]
        (trade,) = alice.fetch_my_trades("BTC/USDT")
        assert (trade["takerOrMaker"], trade["amount"], trade["fee"]["currency"]) == ("maker", 0.005, "USDT")
        assert alice.cancel_order(placed["id"], "BTC/USDT")["status"] == "canceled"
        assert alice.fetch_open_orders("BTC/USDT") == []
        assert [one["status"] for one in alice.fetch_orders("BTC/USDT")] == ["canceled"]

        assert [(one["price"], one["side"]) for one in bob.fetch_trades("BTC/USDT")] == [(60000.0, "buy")]
        assert bob.fetch_ticker("BTC/USDT")["last"] == 60000.0
        assert bob.fetch_balance()["USDT"]["free"] == 999700.0
        assert abs(bob.fetch_time() - bob.milliseconds()) < 60_000

    _with_clients(check)


def test_the_stock_client_understands_the_refusals() -> None:
    def check(alice: Any, bob: Any) -> None:
        alice.load_markets()
        with pytest.raises(ccxt.InsufficientFunds):
            alice.create_order("BTC/USDT", "limit", "buy", 100, 60000)
        with pytest.raises(ccxt.OrderNotFound):
            alice.cancel_order("99", "BTC/USDT")
        with pytest.raises(ccxt.OrderNotFound):
            alice.fetch_order("99", "BTC/USDT")
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            alice.create_order("BTC/USDT", "limit", "buy", 0.00001, 60000)
        alice.create_order("BTC/USDT", "limit", "sell", 0.01, 60000)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            alice.create_order("BTC/USDT", "limit", "buy", 0.01, 60000, {"postOnly": True})
        bob.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            bob.fetch_balance()

    _with_clients(check)
