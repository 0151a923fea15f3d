"""One depth over all venues that trade the same base for the same quote.

Venues differ in ticks and lots, so prices and sizes are floats here: this is for models and detection, and
whatever is sent is computed again in one venue's integers. A dollar is not another dollar: only equal quotes
are merged. A book that is stale, and one whose data is rejected, is left out.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.instrument import Instrument
from market.consolidated_kernels import merge_side
from market.pipeline import Pipeline

DEPTH_MAX = 50


class Depth(msgspec.Struct, frozen=True):
    """The merged levels of one side, best first, and whose each is: a place in `ConsolidatedBook.members`."""

    prices: NDArray[np.float64]
    sizes: NDArray[np.float64]
    places: NDArray[np.int64]


class ConsolidatedBook:
    """Merge the books of one pair whenever they are asked for; what is given is overwritten by the next."""

    def __init__(self, pipeline: Pipeline, base: str, quote: str, depth_max: int = DEPTH_MAX) -> None:
        assert depth_max > 0
        self.base, self.quote, self._pipeline = base, quote, pipeline
        self.members: tuple[Instrument, ...] = tuple(
            one for one in pipeline.instruments.values() if (one.base, one.quote) == (base, quote)
        )
        self._bases = np.array([pipeline.columns.symbol(one.index) for one in self.members], np.int64)
        self._units = _shared_units(self.members)
        self._cursors = np.zeros(len(self.members), np.int64)
        self._sides = [
            Depth(np.zeros(depth_max), np.zeros(depth_max), np.zeros(depth_max, np.int64)) for _ in range(2)
        ]

    def bids(self) -> Depth:
        """Merge the bids, best first."""
        return self._merge(0)

    def asks(self) -> Depth:
        """Merge the asks, best first."""
        return self._merge(1)

    def _merge(self, side: int) -> Depth:
        whole = self._sides[side]
        made = merge_side(
            self._pipeline.columns.block,
            self._bases,
            self._units,
            side,
            self._cursors,
            whole.prices,
            whole.sizes,
            whole.places,
        )
        return Depth(whole.prices[:made], whole.sizes[:made], whole.places[:made])


def _shared_units(members: tuple[Instrument, ...]) -> NDArray[np.float64]:
    """Give each member's tick in steps that all share, how many of those make 1, and its lot's worth."""
    decimals = max((one.tick.decimals for one in members), default=0)
    rows = [
        (one.tick.units * 10 ** (decimals - one.tick.decimals), 10**decimals, one.lot.value(1))
        for one in members
    ]
    return np.array(rows, np.float64).reshape(-1, 3)


def consolidated(pipeline: Pipeline, depth_max: int = DEPTH_MAX) -> dict[tuple[str, str], ConsolidatedBook]:
    """Give a merged book for every pair of a pipeline, by (base, quote)."""
    pairs = dict.fromkeys((one.base, one.quote) for one in pipeline.instruments.values())
    return {pair: ConsolidatedBook(pipeline, *pair, depth_max) for pair in pairs}
