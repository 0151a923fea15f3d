"""What the exchange says and keeps, made from what was asked: orders, their next forms, depth, refusals."""

from __future__ import annotations

from sim.exchange.exchange_market import Market
from sim.exchange.messages import (
    CancelPlaced,
    Command,
    DepthChange,
    ExchangeErrorKind,
    OrderStatusKind,
    PlacedOrder,
    PlaceOrder,
    Refused,
    SetMarket,
)


def placed(command: PlaceOrder, order_id: int) -> PlacedOrder:
    """Make the order that a command asks for."""
    return PlacedOrder(
        order_id,
        command.account,
        command.instrument,
        command.client_text or f"x-{order_id}",
        command.side,
        command.tif,
        command.price_ticks,
        command.size_lots,
        0,
        0,
        int(OrderStatusKind.NEW),
        command.now_ns,
        command.now_ns,
        command.self_trade,
        command.quote_atoms,
        command.stop_ticks,
    )


def changed(order: PlacedOrder, status: int, lots: int, notional_atoms: int, now_ns: int) -> PlacedOrder:
    """Give an order's next form."""
    return PlacedOrder(
        order.order_id,
        order.account,
        order.instrument,
        order.client_text,
        order.side,
        order.tif,
        order.price_ticks,
        order.size_lots,
        order.filled_lots + lots,
        order.filled_notional_atoms + notional_atoms,
        status,
        order.placed_ns,
        now_ns,
        order.self_trade,
        order.quote_atoms,
        order.stop_ticks,
        order.working_ns,
        order.entered,
    )


def depth_change(now_ns: int, market: Market, levels: list[tuple[int, int, int]]) -> DepthChange:
    """Make the one change of depth of a command; the last size of a level wins."""
    market.update_id += 1
    if len(levels) == 1:
        side, price, size = levels[0]
        level = ((price, size),)
        if side > 0:
            return DepthChange(now_ns, market.instrument.index, market.update_id, level, ())
        return DepthChange(now_ns, market.instrument.index, market.update_id, (), level)
    latest = {(side, price): size for side, price, size in levels}
    bids = tuple((price, size) for (side, price), size in latest.items() if side > 0)
    asks = tuple((price, size) for (side, price), size in latest.items() if side < 0)
    return DepthChange(now_ns, market.instrument.index, market.update_id, bids, asks)


def refused(command: Command, kind: ExchangeErrorKind) -> Refused:
    """Say that a command changed nothing."""
    text = command.client_text if isinstance(command, PlaceOrder | CancelPlaced) else ""
    account = -1 if isinstance(command, SetMarket) else command.account
    return Refused(account, int(kind), text, command.instrument)
