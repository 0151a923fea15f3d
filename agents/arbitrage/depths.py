"""The depth that a ticket may count on: the pipeline's book, under the touch that may be newer than it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arbitrage.sizing import Depth
from market.pipeline import Pipeline

LEVELS = 20
_NONE = np.zeros((0, 2), np.int64)


def depth_of(pipeline: Pipeline, index: int) -> Depth:
    """Give the best levels of a market; without a believed book there are none.

    A ticker may have told of a newer touch than the book has: what the book has before the touch is gone,
    and the touch itself is of the size that was told last.
    """
    if not pipeline.believed(index):
        return Depth(_NONE, _NONE)
    bid, bid_lots, ask, ask_lots, *_ = pipeline.touch(index)
    book = pipeline.book(index)
    bids, asks = (_levels(side[: LEVELS + 4]) for side in (book.bids, book.asks))
    return Depth(
        _under(bid, bid_lots, bids[bids[:, 0] < bid]),
        _under(ask, ask_lots, asks[asks[:, 0] > ask]),
    )


def _levels(side: NDArray[np.void]) -> NDArray[np.int64]:
    return side.view(np.int64).reshape(-1, 2)


def _under(ticks: int, lots: int, rest: NDArray[np.int64]) -> NDArray[np.int64]:
    if ticks <= 0 or lots <= 0:
        return rest[:LEVELS].copy()
    rest = rest[: LEVELS - 1]
    levels = np.empty((len(rest) + 1, 2), np.int64)
    levels[0, 0], levels[0, 1] = ticks, lots
    levels[1:] = rest
    return levels
