"""One market inside the exchange: its book, its counters and what its integers are worth."""

from __future__ import annotations

from domain.instrument import Instrument
from sim.exchange.config import ExchangeConfig
from sim.exchange.engine import Engine
from sim.exchange.messages import MarketStatus, PlacedOrder


class Market:
    """Keep what every order of a market needs at hand."""

    __slots__ = (
        "base",
        "engine",
        "instrument",
        "last_ticks",
        "lot_atoms",
        "notional_atoms_min",
        "quote",
        "size_lots_max",
        "size_lots_min",
        "status",
        "tick_lot_atoms",
        "tick_multiple",
        "trade_id",
        "update_id",
        "waiting",
    )

    def __init__(self, config: ExchangeConfig, instrument: Instrument) -> None:
        self.instrument = instrument
        self.base = config.assets.index(instrument.base)
        self.quote = config.assets.index(instrument.quote)
        self.lot_atoms, self.tick_lot_atoms = instrument.lot_atoms, instrument.tick_lot_atoms
        self.size_lots_min, self.size_lots_max = instrument.size_lots_min, instrument.size_lots_max
        self.notional_atoms_min = instrument.notional_atoms_min
        self.engine = Engine(config.engine_orders_max)
        # What `SetMarket` may change; orders that rest on an older price step stay where they are.
        self.status, self.tick_multiple = int(MarketStatus.TRADING), 1
        # The last trade's and update's id; prices before the first trade are valued at the start price.
        self.trade_id, self.update_id = 0, 0
        self.last_ticks = instrument.tick.count(config.markets[instrument.index].start_price)

        # Stop orders whose price has not come, by id.
        self.waiting: dict[int, PlacedOrder] = {}

    def locks(self, side: int, price_ticks: int, size_lots: int) -> tuple[int, int]:
        """Give (asset, atoms) that an order of this size at this price may need."""
        if side > 0:
            return self.quote, price_ticks * size_lots * self.tick_lot_atoms
        return self.base, size_lots * self.lot_atoms
