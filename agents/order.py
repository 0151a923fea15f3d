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

_ASKED = (PENDING_NEW, PENDING_CANCEL, UNKNOWN)


def _change(before: int, after: int) -> int | None:
    """Give by how much a transition changes the number of orders in flight; an illegal one has none."""
    if OrderState(after) not in LEGAL_TRANSITIONS[OrderState(before)]:
        return None
    return (after in _ASKED) - (before in _ASKED)


_STATES = range(len(OrderState))
CHANGES = tuple(tuple(_change(before, after) for after in _STATES) for before in _STATES)
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
    end_ns: int = 0

    @property
    def terminal(self) -> bool:
        """Tell whether nothing can follow."""
        return self.state >= FILLED

    @property
    def in_flight(self) -> bool:
        """Tell whether an answer of the venue is outstanding."""
        return self.state in _ASKED


def legal(state: int, after: int) -> bool:
    """Tell whether an order may go from one state to another."""
    return CHANGES[state][after] is not None
