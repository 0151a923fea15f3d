"""Refusals reach the stock client as the right exceptions."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.sim.exchange.ccxt_clients import BTC, with_stock
from tests.sim.exchange.server_builders import Running

BAD_ORDERS: list[tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = [
    (ccxt.InsufficientFunds, "insufficient balance", ("limit", "buy", 100, 60_000), {}),
    (ccxt.OrderImmediatelyFillable, "match and take", ("limit", "buy", 0.1, 60_010), {"postOnly": True}),
    (ccxt.OrderImmediatelyFillable, "trigger", ("limit", "sell", 0.1, 60_010), {"stopLossPrice": 60_500}),
    (ccxt.InvalidOrder, "Duplicate order sent", ("limit", "buy", 0.1, 59_000), {"clientOrderId": "taken"}),
    (ccxt.InvalidOrder, "lot size", ("limit", "buy", 201, 59_000), {}),
    (ccxt.InvalidOrder, "price", ("limit", "buy", 0.1, 0.001), {}),
    (ccxt.BadRequest, "NOTIONAL", ("limit", "buy", 0.00001, 59_000), {}),
    (ccxt.BadRequest, "NOTIONAL", ("limit", "buy", 0.0001, 12_000), {}),
    (ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE", ("limit", "buy", 0.1, 11_999), {}),
    (ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE", ("limit", "sell", 0.1, 300_100), {}),
    (ccxt.BadRequest, "timeInForce", ("limit", "buy", 0.1, 59_000), {"timeInForce": "DAY"}),
    (ccxt.InvalidOrder, "not a valid order type", ("trailing", "buy", 0.1, 59_000), {}),
    (ccxt.InvalidOrder, "Iceberg", ("limit", "buy", 0.1, 59_000), {"icebergAmount": 0.01}),
    (ccxt.InvalidOrder, "Trailing stop", ("stop_loss", "sell", 0.1), {"trailingDelta": 5}),
    (
        ccxt.BadRequest,
        "newClientOrderId",
        ("limit", "buy", 0.1, 59_000),
        {"clientOrderId": "ü"},
    ),
]


def test_bad_orders_raise_what_the_client_promises() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        await alice.create_order(BTC, "limit", "buy", 0.01, 59_000, {"clientOrderId": "taken"})
        for kind, text, order, params in BAD_ORDERS:
            with pytest.raises(kind, match=text) as caught:
                await alice.create_order(BTC, *order, *([None] * (4 - len(order))), params)
            assert type(caught.value) is kind, (order, params, caught.value)
            if text not in {"not a valid order type", "price", "lot size"}:
                with pytest.raises(kind):
                    await alice.create_order_ws(BTC, *order, *([None] * (4 - len(order))), params)
        for _ in range(5):
            await alice.create_order(BTC, "limit", "sell", 0.001, 58_000, {"stopLossPrice": 58_000})
        with pytest.raises(ccxt.BadRequest, match="MAX_NUM_ALGO_ORDERS"):
            await alice.create_order(BTC, "limit", "sell", 0.001, 58_000, {"stopLossPrice": 58_000})

    with_stock(check)


def test_who_and_what_is_unknown_raises_what_the_client_promises() -> None:
    async def check(at: Running, alice: Any, bob: Any) -> None:
        for call in (alice.cancel_order, alice.fetch_order, alice.cancel_order_ws, alice.fetch_order_ws):
            with pytest.raises(ccxt.OrderNotFound):
                await call("99", BTC)
        with pytest.raises(ccxt.OrderNotFound):
            await alice.cancel_all_orders(BTC)
        with pytest.raises(ccxt.ExchangeError, match="cancel-replace failed"):
            await alice.edit_order("99", BTC, "limit", "buy", 0.1, 59_000)
        with pytest.raises(ccxt.BadSymbol):
            await alice.public_get_depth({"symbol": "NOPE"})
        with pytest.raises(ccxt.BadRequest):
            await alice.public_get_klines({"symbol": "BTCUSDT", "interval": "7m"})
        with pytest.raises(ccxt.BadRequest):
            await alice.public_get_depth({})
        with pytest.raises(ccxt.BadRequest):
            await alice.private_post_order_oco({"symbol": "BTCUSDT"})
        with pytest.raises(ccxt.InvalidNonce):
            await alice.private_get_account({"timestamp": 1_600_000_000_000})
        with pytest.raises(ccxt.InvalidNonce):
            await alice.private_get_account({"timestamp": at.venue.now_ms() + 9_000})
        right = bob.secret
        bob.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await bob.fetch_balance()
        with pytest.raises(ccxt.AuthenticationError):
            await bob.fetch_balance_ws()
        bob.secret, bob.apiKey = right, "stranger-key"
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await bob.fetch_balance()
        bob.apiKey = "ü"
        with pytest.raises(ccxt.AuthenticationError):
            await bob.fetch_open_orders_ws(BTC)

    with_stock(check)
