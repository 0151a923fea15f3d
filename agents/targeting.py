"""From a wanted position to the fewest messages, counting all that may still fill."""

from __future__ import annotations

from agents.agent import Agent
from agents.desk import Desk
from agents.order import PENDING_CANCEL, UNKNOWN, Order
from agents.orders import Actions
from domain.desire import Urgency
from domain.order import TimeInForce
from risk.exposure import MarketRisk, crosses_own

SLACK_PART = 16
_POST, _IOC = int(TimeInForce.POST), int(TimeInForce.IOC)
_PASSIVE, _TAKE = int(Urgency.PASSIVE), int(Urgency.TAKE)


def work_target(desk: Desk, agent: Agent, position_lots: int, urgency: int, out: Actions) -> None:
    """Reach a position with at most the orders that it needs; an unknown order stops new ones."""
    need = position_lots - agent.risk.position_lots
    side = 1 if need > 0 else -1
    left = abs(need)
    market = agent.market.risk
    price = wanted_price(market, side, urgency, desk.take_bps)
    # A target that drifts with the price is not worth a message, unless more would turn the position round.
    slack = 0 if agent.risk.position_lots * side < 0 else left // SLACK_PART
    unknown = False
    if agent.orders:
        surplus: list[Order] = []
        for order in agent.orders.values():
            state = order.state
            if state == UNKNOWN:
                unknown = True
            if order.side != side or left <= 0:
                surplus.append(order)
                continue
            if state not in (PENDING_CANCEL, UNKNOWN) and (
                order.open_lots > left + slack or _misplaced(order, market, urgency, desk.requote_ppm)
            ):
                surplus.append(order)
            # What is being cancelled may still fill until the venue confirms.
            left -= order.open_lots
        for order in surplus:
            desk.cancel(order, out)
    if left <= 0 or unknown or price <= 0:
        return
    size = _sendable(agent, market, side, left, price)
    if size <= 0 or crosses_own(market, side, price):
        return
    desk.submit(agent, side, _IOC if urgency == _TAKE else _POST, price, size, out)


def wanted_price(market: MarketRisk, side: int, urgency: int, take_bps: int) -> int:
    """Rest at the touch, improve it where the spread has room, or take up to a cap beyond it."""
    bid, ask = market.bid_ticks, market.ask_ticks
    if bid <= 0 or ask <= bid:
        return 0
    if urgency == _TAKE:
        return ask + ask * take_bps // 10_000 if side > 0 else bid - bid * take_bps // 10_000
    improve = 1 if urgency != _PASSIVE and ask - bid > 1 else 0
    return bid + improve if side > 0 else ask - improve


def _misplaced(order: Order, market: MarketRisk, urgency: int, requote_ppm: int) -> bool:
    """Tell whether an order rests too far behind the touch, or rests where it should take."""
    if order.tif == _IOC:
        return False
    if urgency == _TAKE:
        return True
    price = order.price_ticks
    behind = market.bid_ticks - price if order.side > 0 else price - market.ask_ticks
    return behind * 1_000_000 > price * requote_ppm


def _sendable(agent: Agent, market: MarketRisk, side: int, left: int, price: int) -> int:
    """Bound an order by the limits that would refuse it; too small to send gives 0.

    Fees taken in base leave less to sell than was bought. Where even the least cannot be paid, the gate
    is to say so.
    """
    unit = price * market.tick_lot_atoms
    size = min(left, market.size_lots_max, agent.risk.order_lots_max)
    if market.rate_num > 0:
        size = min(size, agent.risk.order_value_atoms_max * market.rate_den // (unit * market.rate_num))
    least = max(market.size_lots_min, -(-market.notional_atoms_min // unit))
    if size < least:
        return 0
    wallet, each = (market.quote, unit) if side > 0 else (market.base, market.lot_atoms)
    payable = (wallet.total_atoms - wallet.reserved_atoms) // each
    return payable if least <= payable < size else size
