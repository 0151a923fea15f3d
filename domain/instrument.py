"""One market at one venue: what its integers mean."""

from __future__ import annotations

import msgspec

from domain.units import Step


class Instrument(msgspec.Struct, frozen=True):
    """Tie ticks and lots of one market to atoms of its two assets.

    `index` is the market's place in its node's or exchange's table and is what hot-path events carry.
    notional in quote atoms = price_ticks × size_lots × tick_lot_atoms, always exact.
    """

    index: int
    venue: str
    symbol: str
    base: str
    quote: str
    tick: Step
    lot: Step
    size_lots_min: int
    size_lots_max: int
    notional_atoms_min: int
    lot_atoms: int
    tick_lot_atoms: int
    maker_fee_ppm: int
    taker_fee_ppm: int

    @staticmethod
    def of(
        index: int,
        venue: str,
        base: str,
        quote: str,
        *,
        tick: str,
        lot: str,
        size_min: str = "0",
        size_max: str = "1000000",
        notional_atoms_min: int = 0,
        maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
        symbol: str | None = None,
    ) -> Instrument:
        """Build an instrument from a venue's strings."""
        tick_step, lot_step = Step.parse(tick), Step.parse(lot)
        joint = Step(tick_step.units * lot_step.units, tick_step.decimals + lot_step.decimals)
        return Instrument(
            index=index,
            venue=venue,
            symbol=symbol or base + quote,
            base=base,
            quote=quote,
            tick=tick_step,
            lot=lot_step,
            size_lots_min=max(1, lot_step.count(size_min, "up")),
            size_lots_max=lot_step.count(size_max, "down"),
            notional_atoms_min=notional_atoms_min,
            lot_atoms=lot_step.atoms(),
            tick_lot_atoms=joint.atoms(),
            maker_fee_ppm=maker_fee_ppm,
            taker_fee_ppm=taker_fee_ppm,
        )

    def notional_atoms(self, price_ticks: int, size_lots: int) -> int:
        """Value a size at a price in quote atoms."""
        return price_ticks * size_lots * self.tick_lot_atoms

    @property
    def key(self) -> str:
        """Name the market across venues, for people and reports."""
        return f"{self.venue}:{self.symbol}"
