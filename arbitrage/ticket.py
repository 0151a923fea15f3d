"""What arbitrage found and what it would send: cycles, and tickets in whole lots."""

from __future__ import annotations

import msgspec


class Hop(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One conversion: through a market on a side. A BUY turns quote into base, a SELL base into quote."""

    market: int
    side: int


class Cycle(msgspec.Struct, frozen=True, array_like=True):
    """Conversions that lead back to the asset they began with.

    `product` is what one unit becomes at the touch after fees and swap costs; above 1 is a profit. Where a
    hop's venue differs from the one before it, the asset is not moved: inventory at both venues is swapped.
    """

    hops: tuple[Hop, ...]
    product: float


class Leg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order of a ticket: immediate or cancel, at `price_ticks` or better.

    `pay_atoms` of the asset given and `get_atoms` of the asset received are what the books of the ticket's
    instant say, fees included.
    """

    instrument: int
    side: int
    size_lots: int
    price_ticks: int
    pay_atoms: int
    get_atoms: int


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """A cycle at a size that the books can bear, in integers; legs are in the order of conversion.

    `asset` is what it begins and ends with, `in_atoms` what the first leg pays and `out_atoms` what the last
    one gives. `dust_atoms` is what the legs between leave over, valued in `asset` and never above what the
    books would pay for it. `swap_atoms` is what swapping inventory between venues is reckoned to cost.
    """

    ticket_id: int
    detected_ns: int
    asset: str
    legs: tuple[Leg, ...]
    in_atoms: int
    out_atoms: int
    dust_atoms: int
    swap_atoms: int

    @property
    def profit_atoms(self) -> int:
        """Give what is left when everything is paid."""
        return self.out_atoms + self.dust_atoms - self.in_atoms - self.swap_atoms

    @property
    def profit_bps(self) -> float:
        """Give the profit for what was put in."""
        return self.profit_atoms / self.in_atoms * 10_000

    @property
    def route(self) -> tuple[tuple[int, int], ...]:
        """Name the cycle whatever its size: (instrument, side) of every leg."""
        return tuple((leg.instrument, leg.side) for leg in self.legs)
