"""A side taken on one market, and the target that follows from it."""

from __future__ import annotations

from domain.desire import TargetPosition, Urgency
from domain.instrument import Instrument


def edge_side(held: int, edge: float, enter: float, leave: float) -> int:
    """Tell the side that an edge asks for: it is entered at one strength, and kept until a lesser one."""
    if abs(edge) >= enter:
        return 1 if edge > 0 else -1
    return held if held * edge > leave else 0


def target_of(
    market: Instrument, side: int, held_lots: int, notional: float, mid: float, patient: bool
) -> TargetPosition:
    """Want a side held; what is left late is taken.

    It turns round by way of flat, so that what is taken is never an entry.
    """
    leaving = held_lots * side <= 0 and held_lots != 0
    urgency = Urgency.TAKE if leaving and not patient else Urgency.NORMAL
    if held_lots * side < 0:
        return TargetPosition(market.index, 0, int(urgency))
    lots = int(notional / (mid * market.tick_lot_atoms / 10**10))
    # A size that only drifted with the price is not worth a message.
    wanted = held_lots if side != 0 and 2 * side * held_lots >= lots else side * lots
    return TargetPosition(market.index, wanted, int(urgency))
