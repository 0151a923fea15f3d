"""Where the sides of all markets' books lie in one block of words, so that kernels read them in place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Places of a side: words that are nought while the market is believed, its newest touch, and its book: the
# word that names the first level's place, and the one that counts levels. A level is its price and its lots.
DOUBT, DOUBT_TOO, TOUCH, TOUCH_LOTS, START, COUNT = range(6)
SIDE_WIDTH = 6
TAKEN_MAX = 20


class Sides(NamedTuple):
    """Hold a block and, by market, the places of its bids and of its asks: int64 [markets, 2, 6]."""

    block: NDArray[np.int64]
    places: NDArray[np.int64]


NO_SIDES = Sides(np.zeros(1, np.int64), np.zeros((1, 2, SIDE_WIDTH), np.int64))
