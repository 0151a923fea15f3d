"""From wanted quotes to the fewest messages, given what is open."""

from __future__ import annotations

from agents.agent import Agent
from agents.desk import Desk
from agents.order import NO_END, PENDING_CANCEL, UNKNOWN, Order
from agents.orders import Actions
from domain.desire import Quote
from domain.order import TimeInForce
from risk.exposure import crosses_own

_POST = int(TimeInForce.POST)


def work_quotes(desk: Desk, agent: Agent, quotes: tuple[Quote, ...], out: Actions) -> None:
    """Keep orders that are as wanted, cancel the surplus, send the missing.

    An unknown order takes the place of a quote on its side, so that nothing is sent twice.
    """
    if not agent.orders:
        desk.submit_all(agent, quotes, _POST, out)
        return
    missing = list(quotes)
    surplus: list[Order] = []
    unknown_buys = unknown_sells = 0
    for order in agent.orders.values():
        state = order.state
        if state == UNKNOWN:
            unknown_buys += order.side > 0
            unknown_sells += order.side < 0
        elif state != PENDING_CANCEL and not order.cancel_wanted and order.end_state == NO_END:
            found = _match(order, missing, desk.requote_ppm)
            if found < 0:
                surplus.append(order)
            else:
                del missing[found]
    for order in surplus:
        desk.cancel(order, out)
    market = agent.market.risk
    sendable = [
        quote
        for quote in missing
        if (unknown_buys if quote.side > 0 else unknown_sells) == 0
        and not crosses_own(market, quote.side, quote.price_ticks)
    ]
    if sendable:
        desk.submit_all(agent, sendable, _POST, out)


def _match(order: Order, quotes: list[Quote], requote_ppm: int) -> int:
    """Find the quote that an order already is: nearest price within the hysteresis, and near in size."""
    side, price, left = order.side, order.price_ticks, order.open_lots
    found, found_away = -1, price * requote_ppm // 1_000_000 + 1
    for index, quote in enumerate(quotes):
        if quote.side == side and left <= quote.size_lots <= 2 * left:
            away = abs(quote.price_ticks - price)
            if away < found_away:
                found, found_away = index, away
    return found
