"""What a pipeline keeps of each market beside its book: rings of ticks, bars, indicators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bar import BarRings
from market.columns import Columns
from market.config import PipelineConfig
from market.ring import TickRings


class Parts:
    """Hold the rings and bars of all symbols, whose memory `zeros` gives."""

    def __init__(self, symbols: int, config: PipelineConfig, zeros: Any = np.zeros) -> None:
        self.rings = TickRings(symbols, config.ticks_kept, zeros)
        self.bars = BarRings(symbols, zeros)

    def state_of(self, slot: int) -> list[bytes]:
        """Give one symbol's part, as data."""
        return [self.rings.state_of(slot), self.bars.state_of(slot)]

    def restore_to(self, slot: int, state: list[bytes]) -> None:
        """Take back what `state_of` gave."""
        ring, bars = state
        self.rings.restore_to(slot, ring)
        self.bars.restore_to(slot, bars)


def allocated(columns: Columns, config: PipelineConfig) -> Parts:
    """Allocate a block with room for the parts, and give them."""
    words = 0

    def measured(shape: Any, dtype: Any) -> NDArray[Any]:
        nonlocal words
        words += int(np.prod(shape))
        return np.zeros(shape, dtype)

    symbols = columns.symbols
    Parts(symbols, config, measured)
    columns.allocate(words)
    return Parts(symbols, config, columns.zeros)
