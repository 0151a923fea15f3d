"""What a saga's orders came to: lots, atoms given and received, and what may still come."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from arbitrage.saga.events import LegFilled
from arbitrage.saga.plan import LegPlan
from domain.units import PPM, fee_atoms


class Fate(IntEnum):
    """What is known about an order: OWED is over, but fills that the venue counted are still to be told."""

    SENT = 0
    UNKNOWN = 1
    OWED = 2
    ENDED = 3


class LegOrder(msgspec.Struct, array_like=True):
    """One order: when its fate became what it is, and the venue's own total, -1 before its end."""

    leg: int
    purpose: int
    side: int
    price_ticks: int
    size_lots: int
    since_ns: int
    fate: int = Fate.SENT
    filled_lots: int = 0
    total_lots: int = -1
    trades: list[int] = msgspec.field(default_factory=list)

    @property
    def open_lots(self) -> int:
        """Give what may still fill, or be told, of an order that has not ended."""
        return max(0, (self.size_lots if self.total_lots < 0 else self.total_lots) - self.filled_lots)

    def to(self, fate: Fate, now_ns: int) -> None:
        """Know something else about the order from now on."""
        self.fate, self.since_ns = int(fate), now_ns

    def fill(self, trade_id: int, size_lots: int, now_ns: int) -> None:
        """Count a trade; one beyond the venue's total raises it."""
        self.trades.append(trade_id)
        self.filled_lots += size_lots
        if self.total_lots >= 0:
            self.ended(self.filled_lots, now_ns)

    def ended(self, filled_lots: int, now_ns: int) -> bool:
        """Take the venue's total, which only grows: what it counts beyond the fills heard is owed."""
        self.total_lots = max(self.total_lots, filled_lots)
        fate = Fate.OWED if self.total_lots > self.filled_lots else Fate.ENDED
        if fate == self.fate:
            return False
        self.to(fate, now_ns)
        return True


class LegLedger(msgspec.Struct, array_like=True):
    """One leg's sums: net lots, and net atoms paid and got, of what was done and taken back, fees included.

    The shadow atoms are what fees paid in a third asset would have been by the plan's rule.
    """

    bid_ticks: int
    ask_ticks: int
    fee_ppm: int
    lots: int = 0
    paid_atoms: int = 0
    got_atoms: int = 0
    shadow_paid_atoms: int = 0
    shadow_got_atoms: int = 0
    hedges: int = 0
    unwinds: int = 0
    ready_ns: int = 0

    def fold(self, fill: LegFilled, side: int, leg: LegPlan) -> None:
        """Add a fill's amounts and its fee."""
        base, quote = fill.size_lots * leg.lot_atoms, fill.price_ticks * fill.size_lots * leg.tick_lot_atoms
        self.lots += fill.size_lots * side * leg.side
        if leg.side > 0:
            self.got_atoms += side * base
            self.paid_atoms += side * quote
        else:
            self.paid_atoms -= side * base
            self.got_atoms -= side * quote
        if fill.fee_asset == leg.get_asset:
            self.got_atoms -= fill.fee_atoms
        elif fill.fee_asset == leg.pay_asset:
            self.paid_atoms += fill.fee_atoms
        else:
            in_quote = side < 0 or leg.fee_in_quote
            shadow = max(0, fee_atoms(quote if in_quote else base, self.fee_ppm))
            if in_quote == (leg.side < 0):
                self.shadow_got_atoms += shadow
            else:
                self.shadow_paid_atoms += shadow

    def dearer(self, fill: LegFilled, leg: LegPlan, step_atoms: int) -> bool:
        """Tell whether a fee is above what was planned, and plan with it from now on."""
        if fill.fee_asset not in (leg.base, leg.quote):
            return False
        quote = fill.price_ticks * fill.size_lots * leg.tick_lot_atoms
        amount = quote if fill.fee_asset == leg.quote else fill.size_lots * leg.lot_atoms
        if fill.fee_atoms <= fee_atoms(amount, self.fee_ppm) + step_atoms:
            return False
        self.fee_ppm = -(-fill.fee_atoms * PPM // amount)
        return True

    def loss(self, value_paid: int, value_got: int) -> int:
        """Give the scaled loss so far, with what was received counted at cost."""
        paid, got = self.paid_atoms + self.shadow_paid_atoms, self.got_atoms - self.shadow_got_atoms
        return value_paid * paid - value_got * got
