"""What a venue charges whoever takes, and in which asset."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.instrument import Instrument


class FeeRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """State a taker's fee: of what is received, or always in the quote asset where `in_quote` (Kraken)."""

    taker_ppm: int
    in_quote: bool = False


Fees = Mapping[int, FeeRule]
"""By market; a market that is not in it pays its instrument's `taker_fee_ppm` of what is received."""

NO_FEES_CHANGED: Fees = {}


def fee_rule(instrument: Instrument, market: int, fees: Fees) -> FeeRule:
    """Give what a market charges now."""
    rule = fees.get(market)
    return FeeRule(instrument.taker_fee_ppm) if rule is None else rule
