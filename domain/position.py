"""What the fills of one market add up to."""

from __future__ import annotations

import msgspec

from domain.instrument import Instrument
from domain.order_events import Fill


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Sum fills of one market: net lots, and the changes they made to the two assets.

    `base_atoms` differs from net_lots × lot_atoms by fees paid in base. Fees in a third asset are in
    `fee_other_atoms`, apart from both.
    """

    net_lots: int = 0
    base_atoms: int = 0
    quote_atoms: int = 0
    fee_base_atoms: int = 0
    fee_quote_atoms: int = 0
    fee_other_atoms: int = 0
    fills: int = 0

    def fold(self, fill: Fill, instrument: Instrument) -> Position:
        """Add one fill."""
        signed_lots = fill.side * fill.size_lots
        notional = instrument.notional_atoms(fill.price_ticks, fill.size_lots)
        in_base = fill.fee_atoms if fill.fee_asset == instrument.base else 0
        in_quote = fill.fee_atoms if fill.fee_asset == instrument.quote and not in_base else 0
        return Position(
            self.net_lots + signed_lots,
            self.base_atoms + signed_lots * instrument.lot_atoms - in_base,
            self.quote_atoms - fill.side * notional - in_quote,
            self.fee_base_atoms + in_base,
            self.fee_quote_atoms + in_quote,
            self.fee_other_atoms + fill.fee_atoms - in_base - in_quote,
            self.fills + 1,
        )

    def pnl_quote_atoms(self, mark_ticks: int, instrument: Instrument) -> int:
        """Value the position at a mark: cash plus base, in quote atoms."""
        return (
            self.quote_atoms
            + self.base_atoms * mark_ticks * instrument.tick_lot_atoms // instrument.lot_atoms
        )
