"""A venue changed a market's tick or lot: what was counted in the old ones is counted in the new, exactly."""

from __future__ import annotations

import msgspec

from agents.order import Order
from domain.errors import ConfigError
from domain.instrument import Instrument


class Rescale(msgspec.Struct, frozen=True):
    """Turn lots and prices of a market as it was into those of the market as it is."""

    instrument: Instrument
    lot_atoms: int
    tick_lot_atoms: int

    @property
    def needed(self) -> bool:
        """Tell whether anything changed."""
        now = self.instrument
        return (self.lot_atoms, self.tick_lot_atoms) != (now.lot_atoms, now.tick_lot_atoms)

    def lots(self, lots: int) -> int:
        """Give a size in new lots; one that is no whole number of them cannot be held to be true."""
        found, left = divmod(lots * self.lot_atoms, self.instrument.lot_atoms)
        if left != 0:
            raise ConfigError(
                f"{self.instrument.key} has a new lot, of which {lots} old ones make no whole number",
                where=self.instrument.venue,
                mend="move the node's journal away, so that the account is opened anew",
            )
        return found

    def order(self, order: Order) -> None:
        """Count an order in new units; a price between two ticks weighs as the heavier of them."""
        for name in ("size_lots", "open_lots", "filled_lots", "end_filled_lots"):
            setattr(order, name, self.lots(getattr(order, name)))
        now = self.instrument
        worth, step = (
            order.price_ticks * self.tick_lot_atoms * now.lot_atoms,
            self.lot_atoms * now.tick_lot_atoms,
        )
        order.price_ticks = -(-worth // step) if order.side > 0 else worth // step
