"""What an order must satisfy before it reaches the book."""

from __future__ import annotations

import string

from domain.order import TimeInForce
from sim.exchange.accounts import Accounts
from sim.exchange.config import NOTIONAL_ATOMS_MAX
from sim.exchange.exchange_market import Market
from sim.exchange.messages import ExchangeErrorKind, MarketStatus, PlaceOrder
from sim.exchange.orders import Orders

# Binance spot: `^[\.A-Z\:/a-z0-9_-]{1,36}$` (REST API, new order).
_CLIENT_CHARSET = string.ascii_letters + string.digits + ".:/_-"
_CLIENT_LENGTH_MAX = 36
_MARKET, _TRADING = int(TimeInForce.MARKET), int(MarketStatus.TRADING)


def check_order(
    order: PlaceOrder, market: Market, accounts: Accounts, orders: Orders
) -> ExchangeErrorKind | None:
    """Give the first reason to refuse an order, in the order in which Binance looks."""
    assert order.side in {1, -1} and 0 <= order.tif <= _MARKET
    size, price = order.size_lots, order.price_ticks
    if market.status != _TRADING:
        return ExchangeErrorKind.MARKET_CLOSED
    at_market = order.tif == _MARKET
    if (price != 0) if at_market else (price <= 0 or price % market.tick_multiple != 0):
        return ExchangeErrorKind.PRICE_FILTER
    if not market.size_lots_min <= size <= market.size_lots_max:
        return ExchangeErrorKind.LOT_SIZE
    valued = market.last_ticks if at_market else price
    notional = valued * size * market.tick_lot_atoms
    if not market.notional_atoms_min <= notional <= NOTIONAL_ATOMS_MAX:
        return ExchangeErrorKind.NOTIONAL
    if order.client_text:
        # Stripping is the quickest way to find a character outside the set.
        if order.client_text.strip(_CLIENT_CHARSET) or len(order.client_text) > _CLIENT_LENGTH_MAX:
            return ExchangeErrorKind.BAD_CLIENT_ID
        if orders.text_taken(order.account, order.client_text):
            return ExchangeErrorKind.DUPLICATE_CLIENT_ID
    if len(orders.open[orders.slot(order.account, order.instrument)]) >= orders.open_max[order.account]:
        return ExchangeErrorKind.TOO_MANY_ORDERS
    if at_market and order.side > 0:
        # Binance refuses a market buy that cannot be paid at the best price; a deeper one stops short.
        notional = market.engine.ask_ticks * size * market.tick_lot_atoms
    asset, amount = (market.quote, notional) if order.side > 0 else (market.base, size * market.lot_atoms)
    return None if accounts.affords(order.account, asset, amount) else ExchangeErrorKind.BALANCE
