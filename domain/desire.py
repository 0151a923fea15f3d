"""What a strategy answers with: the state it wants, never messages."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Urgency(IntEnum):
    """How a target is reached: resting at the touch, improving the touch, or taking."""

    PASSIVE = 0
    NORMAL = 1
    TAKE = 2


class TargetPosition(msgspec.Struct, frozen=True, array_like=True, tag=110, gc=False):
    """Want a net position; the order desk works out the orders."""

    instrument: int
    position_lots: int
    urgency: int = Urgency.NORMAL


class Quote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Want a resting order at a price."""

    side: int
    price_ticks: int
    size_lots: int


class QuoteSet(msgspec.Struct, frozen=True, array_like=True, tag=111):
    """Want exactly these quotes on one market; an empty set wants none."""

    instrument: int
    quotes: tuple[Quote, ...] = ()


Desire = TargetPosition | QuoteSet
