"""One order of ours, and the only way in which its state may change."""

from __future__ import annotations

import msgspec

from domain.order import LEGAL_TRANSITIONS, OrderState

PENDING_NEW = int(OrderState.PENDING_NEW)
OPEN = int(OrderState.OPEN)
PARTIALLY_FILLED = int(OrderState.PARTIALLY_FILLED)
PENDING_CANCEL = int(OrderState.PENDING_CANCEL)
UNKNOWN = int(OrderState.UNKNOWN)
FILLED = int(OrderState.FILLED)
CANCELLED = int(OrderState.CANCELLED)
REJECTED = int(OrderState.REJECTED)
EXPIRED = int(OrderState.EXPIRED)

_LEGAL = tuple(
    sum(1 << int(after) for after in LEGAL_TRANSITIONS[OrderState(state)]) for state in range(len(OrderState))
)
_IN_FLIGHT = 1 << PENDING_NEW | 1 << PENDING_CANCEL | 1 << UNKNOWN
NO_END = -1


class Order(msgspec.Struct, array_like=True, gc=False):
    """An order as the desk keeps it.

    `open_lots` is what still counts as exposure. `end_state` is an end that the venue told of while fills
    are missing; the order stays where it is until they came.
    """

    client_id: int
    agent: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int
    open_lots: int
    sent_ns: int
    changed_ns: int
    state: int = PENDING_NEW
    filled_lots: int = 0
    venue_order_id: int = 0
    end_state: int = NO_END
    end_filled_lots: int = 0
    cancel_wanted: bool = False
    queries: int = 0
    next_query_ns: int = 0
    not_found_ns: int = 0

    @property
    def terminal(self) -> bool:
        """Tell whether nothing can follow."""
        return self.state >= FILLED

    @property
    def in_flight(self) -> bool:
        """Tell whether an answer of the venue is outstanding."""
        return bool(_IN_FLIGHT >> self.state & 1)


def legal(state: int, after: int) -> bool:
    """Tell whether an order may go from one state to another."""
    return bool(_LEGAL[state] >> after & 1)


def move(order: Order, after: int, now_ns: int) -> int:
    """Change an order's state and give the change in the number of orders in flight."""
    before = order.state
    assert _LEGAL[before] >> after & 1, f"{order.client_id:x}: {before} may not become {after}"
    order.state, order.changed_ns = after, now_ns
    return (_IN_FLIGHT >> after & 1) - (_IN_FLIGHT >> before & 1)
