"""Let arbitrage groups look at what every event did to their node, after the node's own handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agents.arbitrage.touched import touched
from agents.orders import Actions
from domain import control_events as control
from domain import market_events as told
from domain import order_events as answers

if TYPE_CHECKING:
    from agents.arbitrage.arbitrageur import Arbitrageur

Handler = Callable[[Any, Actions], object]


def accompanied(handlers: dict[type, Handler], groups: Sequence[Arbitrageur]) -> dict[type, Handler]:
    """Give the handlers of a node with these groups; without any they are as they were."""
    if not groups:
        return handlers
    return {kind: _with(kind, handler, groups) for kind, handler in handlers.items()}


def _with(kind: type, handler: Handler, groups: Sequence[Arbitrageur]) -> Handler:
    def on_rows(event: told.MarketRows, out: Actions) -> None:
        markets = touched(event.rows)
        handler(event, out)
        for group in groups:
            group.seek(markets, out)

    def on_told(event: told.Tick | told.BookDelta | told.BookSnapshot, out: Actions) -> None:
        handler(event, out)
        for group in groups:
            group.seek((event.instrument,), out)

    def on_ack(event: answers.OrderAcked, out: Actions) -> None:
        for group in groups:
            group.acked(event)
        handler(event, out)
        for group in groups:
            group.follow(out)

    def on_clock(event: control.Clocked, out: Actions) -> None:
        handler(event, out)
        for group in groups:
            group.passed(out)

    def on_start(event: control.NodeStarted, out: Actions) -> None:
        handler(event, out)
        for group in groups:
            group.restarted(out)

    def on_other(event: object, out: Actions) -> None:
        handler(event, out)
        for group in groups:
            group.follow(out)

    if kind is told.MarketRows:
        return on_rows
    if kind in (told.Tick, told.BookDelta, told.BookSnapshot):
        return on_told
    if kind is told.Trade:
        return handler
    special: dict[type, Handler] = {
        answers.OrderAcked: on_ack,
        control.Clocked: on_clock,
        control.NodeStarted: on_start,
    }
    return special.get(kind, on_other)
