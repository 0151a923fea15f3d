"""Orders that wait for a price, and orders measured in quote."""

from __future__ import annotations

import msgspec

from sim.exchange import engine_kernels as k
from sim.exchange.exchange_market import Market
from sim.exchange.messages import PlacedOrder

# Binance spot, filter MAX_NUM_ALGO_ORDERS.
STOPS_MAX = 5


def due(stop_ticks: int, last_ticks: int) -> bool:
    """Tell whether a stop price has come: from below where it is above zero, else from above."""
    return last_ticks >= stop_ticks if stop_ticks > 0 else last_ticks <= -stop_ticks


def first_due(market: Market) -> PlacedOrder | None:
    """Find the oldest waiting order whose price has come."""
    last_ticks = market.last_ticks
    return next((each for each in market.waiting.values() if due(each.stop_ticks, last_ticks)), None)


def stops_of(market: Market, account: int) -> int:
    """Count an account's waiting orders."""
    return sum(each.account == account for each in market.waiting.values())


def sized_by_quote(order: PlacedOrder, market: Market, rows: list[int], budget: int) -> PlacedOrder:
    """Give an order by quote its size: what was traded, and what more the rest of its budget would buy.

    It is filled once not one more lot can be had for the rest.
    """
    _, _, left, filled, notional, _ = rows[: k.ROW]
    trades = [rows[at : at + k.ROW] for at in range(k.ROW, len(rows), k.ROW) if rows[at] == k.TRADE]
    next_ticks = market.engine.ask_ticks if order.side > 0 else market.engine.bid_ticks
    price = next_ticks if next_ticks > 0 or not trades else trades[-1][2]
    more = (budget - notional) // price if left > 0 and price > 0 else 0
    return msgspec.structs.replace(order, size_lots=max(1, filled + more))
