"""The stock synchronous class, told nothing but other addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from tests.sim.exchange.ccxt_clients import BTC, books, synchronous
from tests.sim.exchange.server_builders import running


def _with_clients(check: Callable[[Any, Any], None]) -> None:
    async def whole() -> None:
        async with running() as at:
            await books(at)
            alice, bob = synchronous(at), synchronous(at, "B")
            try:
                await asyncio.to_thread(check, alice, bob)
            finally:
                alice.session.close()
                bob.session.close()

    asyncio.run(whole())


def test_the_synchronous_client_reads_the_market_and_trades_on_it() -> None:
    def check(alice: Any, bob: Any) -> None:
        assert sorted(alice.load_markets()) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
        placed = alice.create_order(BTC, "limit", "sell", 0.02, 60000, {"newClientOrderId": "stock-1"})
        assert (placed["status"], placed["clientOrderId"], placed["filled"]) == ("open", "stock-1", 0.0)
        assert alice.fetch_order_book(BTC, 5)["asks"][0] == [60000.0, 0.02]
        taken = bob.create_order(BTC, "market", "buy", 0.005)
        assert (taken["status"], taken["filled"], taken["average"]) == ("closed", 0.005, 60000.0)
        assert alice.fetch_order(placed["id"], BTC)["filled"] == 0.005
        (trade,) = alice.fetch_my_trades(BTC)
        assert (trade["takerOrMaker"], trade["amount"], trade["fee"]["currency"]) == ("maker", 0.005, "USDT")
        assert alice.cancel_order(placed["id"], BTC)["status"] == "canceled"
        assert [one["status"] for one in alice.fetch_orders(BTC)] == ["canceled"]
        assert bob.fetch_ticker(BTC)["last"] == 60000.0
        assert bob.fetch_balance()["USDT"]["free"] == 999700.0
        bob.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            bob.fetch_balance()

    _with_clients(check)
