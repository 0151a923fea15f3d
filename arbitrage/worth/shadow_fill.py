"""What a book would have paid for a leg: immediate or cancel, within its price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from arbitrage.fee import FeeRule
from arbitrage.ticket import Leg
from domain.instrument import Instrument
from domain.units import fee_atoms


class ShadowFill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Lots that would have filled, and the atoms given and received for them, fees included."""

    filled_lots: int
    pay_atoms: int
    get_atoms: int


MISSED = ShadowFill(0, 0, 0)


def shadow_fill(
    instrument: Instrument, leg: Leg, levels: Iterable[Sequence[int]], rule: FeeRule
) -> ShadowFill:
    """Fill a leg from the levels of the side it takes, best first, each (price_ticks, size_lots)."""
    left_lots, ticks_lots = leg.size_lots, 0
    for price_ticks, size_lots in levels:
        if left_lots == 0 or (price_ticks - leg.price_ticks) * leg.side > 0:
            break
        lots = min(left_lots, int(size_lots))
        left_lots -= lots
        ticks_lots += lots * int(price_ticks)
    filled_lots = leg.size_lots - left_lots
    base, quote = filled_lots * instrument.lot_atoms, ticks_lots * instrument.tick_lot_atoms
    if leg.side > 0:
        return _bought(filled_lots, base, quote, rule)
    return ShadowFill(filled_lots, base, quote - fee_atoms(quote, rule.taker_ppm))


def _bought(filled_lots: int, base: int, quote: int, rule: FeeRule) -> ShadowFill:
    if rule.in_quote:
        return ShadowFill(filled_lots, quote + fee_atoms(quote, rule.taker_ppm), base)
    return ShadowFill(filled_lots, quote, base - fee_atoms(base, rule.taker_ppm))
