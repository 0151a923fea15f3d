"""Find the touches in packed rows of market data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    ASK_TICKS,
    ASKS,
    BID_TICKS,
    BIDS,
    INSTRUMENT,
    KIND,
    LEVELS_PER_ROW,
    LOCAL_NS,
    TICK_ROW,
    TRADE_ROW,
)
from hw.kernel import kernel

Rows = NDArray[np.int64]


@kernel("int64(int64[:, ::1], int64[:, ::1])")
def find_touches(rows: Rows, out: Rows) -> int:
    """Write (instrument, local time, bid + ask) of every tick with two sides; give how many."""
    row, found = 0, 0
    while row < len(rows):
        kind = rows[row, KIND]
        if kind == TICK_ROW:
            bid, ask = rows[row, BID_TICKS], rows[row, ASK_TICKS]
            if 0 < bid < ask:
                out[found, 0], out[found, 1] = rows[row, INSTRUMENT], rows[row, LOCAL_NS]
                out[found, 2] = bid + ask
                found += 1
        elif kind != TRADE_ROW:
            row += (rows[row, BIDS] + rows[row, ASKS] + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW
        row += 1
    return found
