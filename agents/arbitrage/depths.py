"""The depth that a ticket may count on: the pipeline's book, under the touch that may be newer than it."""

from __future__ import annotations

import numpy as np

from arbitrage.size.sizing import Depth, Levels
from market.pipeline import Pipeline

LEVELS = 20
_NONE = np.zeros((0, 2), np.int64)


def depth_of(pipeline: Pipeline, index: int) -> Depth:
    """Give the best levels of a market; without a believed book there are none."""
    return Depth(side_of(pipeline, index, -1), side_of(pipeline, index, 1))


def side_of(pipeline: Pipeline, index: int, side: int) -> Levels:
    """Give the best levels that an order of a side would take; they hold until the next event.

    A ticker may have told of a newer touch than the book has: what the book has before the touch is gone,
    and the touch itself is of the size that was told last.
    """
    if not pipeline.believed(index):
        return _NONE
    bid, bid_lots, ask, ask_lots, *_ = pipeline.touch(index)
    ticks, lots = (ask, ask_lots) if side > 0 else (bid, bid_lots)
    levels = pipeline.book(index).taken(side, LEVELS)
    if ticks <= 0 or lots <= 0 or (len(levels) > 0 and levels.item(0) == ticks and levels.item(1) == lots):
        return levels
    gone, count = 0, len(levels)
    while gone < count and (levels.item(2 * gone) - ticks) * side <= 0:
        gone += 1
    found = np.empty((count - gone + 1, 2), np.int64)
    found[0, 0], found[0, 1] = ticks, lots
    found[1:] = levels[gone:]
    return found
