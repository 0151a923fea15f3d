"""What a pipeline keeps of each market beside its book: rings of ticks, bars, indicators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bar import BarRings
from market.columns import Columns
from market.config import PipelineConfig
from market.indicators import Indicators
from market.ring import TickRings
from market.schedule import Schedule


class Parts:
    """Hold the rings, bars and indicators of all symbols; `zeros` gives their memory in this order."""

    def __init__(
        self, symbols: int, config: PipelineConfig, schedule: Schedule | None, zeros: Any = np.zeros
    ) -> None:
        self.rings = TickRings(symbols, config.ticks_kept, zeros)
        self.bars = BarRings(symbols, zeros)
        self.indicators = Indicators(config.indicators, symbols, schedule, zeros)

    def state_of(self, slot: int) -> list[bytes]:
        """Give one symbol's part, as data."""
        return [self.rings.state_of(slot), self.bars.state_of(slot), self.indicators.state_of(slot)]

    def restore_to(self, slot: int, state: list[bytes]) -> None:
        """Take back what `state_of` gave; indicators that are others now begin cold."""
        ring, bars, indicators = state
        self.rings.restore_to(slot, ring)
        self.bars.restore_to(slot, bars)
        self.indicators.restore_to(slot, indicators)


def allocated(columns: Columns, config: PipelineConfig, schedule: Schedule | None) -> Parts:
    """Allocate a block with room for the parts, and give them."""
    words = 0

    def measured(shape: Any, dtype: Any) -> NDArray[Any]:
        nonlocal words
        words += int(np.prod(shape))
        return np.zeros(shape, dtype)

    symbols = columns.symbols
    Parts(symbols, config, schedule, measured).indicators.close()
    columns.allocate(words)
    return Parts(symbols, config, schedule, columns.zeros)
