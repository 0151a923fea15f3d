"""What an order must satisfy before it reaches the book."""

from __future__ import annotations

import string

from domain.order import TimeInForce
from sim.exchange.accounts import Accounts
from sim.exchange.config import NOTIONAL_ATOMS_MAX
from sim.exchange.exchange_market import Market
from sim.exchange.exchange_stops import STOPS_MAX, due, stops_of
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
    at_market, stop = order.tif == _MARKET, order.stop_ticks
    if (price != 0) if at_market else (price <= 0 or price % market.tick_multiple != 0):
        return ExchangeErrorKind.PRICE_FILTER
    if order.quote_atoms != 0:
        assert at_market and size == 0 and stop == 0
        size = _size_by_quote(order, market)
    if not market.size_lots_min <= size <= market.size_lots_max:
        return ExchangeErrorKind.LOT_SIZE
    valued = price if not at_market else market.last_ticks if stop == 0 else abs(stop)
    notional = order.quote_atoms if order.quote_atoms != 0 else valued * size * market.tick_lot_atoms
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
    if stop != 0:
        refusal = _check_stop(order, market)
        if refusal is not None:
            return refusal
    elif at_market and order.side > 0 and order.quote_atoms == 0:
        # Binance refuses a market buy that cannot be paid at the best price; a deeper one stops short.
        notional = market.engine.ask_ticks * size * market.tick_lot_atoms
    asset, amount = (market.quote, notional) if order.side > 0 else (market.base, size * market.lot_atoms)
    return None if accounts.affords(order.account, asset, amount) else ExchangeErrorKind.BALANCE


def _check_stop(order: PlaceOrder, market: Market) -> ExchangeErrorKind | None:
    if order.stop_ticks % market.tick_multiple != 0:
        return ExchangeErrorKind.PRICE_FILTER
    if due(order.stop_ticks, market.last_ticks):
        return ExchangeErrorKind.WOULD_TRIGGER
    if stops_of(market, order.account) >= STOPS_MAX:
        return ExchangeErrorKind.TOO_MANY_STOPS
    return None


def _size_by_quote(order: PlaceOrder, market: Market) -> int:
    """Estimate an order by quote at the best price, or at the last where nobody stands."""
    best = market.engine.ask_ticks if order.side > 0 else market.engine.bid_ticks
    price = best if best > 0 else market.last_ticks
    return min(order.quote_atoms // (price * market.tick_lot_atoms), market.size_lots_max)
