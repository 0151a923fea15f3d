"""The depth that a ticket may count on: the pipeline's book, under the touch that may be newer than it."""

from __future__ import annotations

import numpy as np

from arbitrage.size.sides import SIDE_WIDTH, TAKEN_MAX, Sides
from arbitrage.size.sizing import Depth, Levels
from market.columns import ASK, ASK_LOTS_AT, BID, BID_LOTS_AT, COUNT, LEVEL, REASON, START
from market.pipeline import Pipeline

LEVELS = TAKEN_MAX
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


def sides_of(pipeline: Pipeline) -> Sides:
    """Say where kernels find what `side_of` gives, by market: bids, then asks."""
    places = np.zeros((len(pipeline.instruments), 2, SIDE_WIDTH), np.int64)
    for index in pipeline.instruments:
        base = pipeline.columns.symbol(index)
        for way, words in enumerate(
            (
                (REASON, LEVEL, BID, BID_LOTS_AT, START, COUNT),
                (REASON, LEVEL, ASK, ASK_LOTS_AT, START + 1, COUNT + 1),
            )
        ):
            places[index, way] = [base + word for word in words]
    return Sides(pipeline.columns.block, places)
