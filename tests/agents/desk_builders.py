"""One agent at the order desk, and short words for what happens to its orders."""

from __future__ import annotations

from typing import Any

from agents.order import (
    Order,
)
from domain.actions import Action, Alarm, SendOrder
from domain.desire import Desire
from domain.order_events import (
    Fill,
)
from tests.agents.builders import MS, Rig, Scripted, agent_table, quotes


def rig(*wanted: Desire | None, **changes: Any) -> Rig:
    """Give a started node whose one agent wants what a script says, tick by tick."""
    made = Rig(agent_table(1), **changes)
    made.node.desk.agents[1].strategy = Scripted(*wanted)
    made.start()
    return made


def sent(r: Rig, *wanted: Desire) -> Order:
    """Send one resting order, unanswered."""
    r.node.desk.agents[1].strategy = Scripted(*(wanted or (quotes((1, 9_999, 1000)),)))
    r.now_ns += 10 * MS
    actions = r.step(r.tick_event(), answered=False)
    (order,) = [action for action in actions if isinstance(action, SendOrder)]
    r.node.desk.agents[1].desire = None
    return r.node.desk.working[order.client_id]


def fill(order: Order, size: int, trade_id: int, **changes: Any) -> Fill:
    wanted: dict[str, Any] = {
        "client_id": order.client_id,
        "local_ts_ns": 0,
        "instrument": order.instrument,
        "trade_id": trade_id,
        "venue_order_id": 77,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": size,
        "fee_atoms": 0,
        "fee_asset": "BTC",
        "maker": True,
        "exchange_ts_ns": 0,
        **changes,
    }
    return Fill(**wanted)


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def alarms(actions: list[Action]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, Alarm)]
