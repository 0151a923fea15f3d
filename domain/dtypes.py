"""Numpy forms of the values that kernels work on; field names equal those of the structs.

Market data travels as rows of `ROW_WIDTH` int64: one row for a tick or a trade; for a book change a header
row, and then rows that hold its levels as flat (price_ticks, size_lots) pairs, bids before asks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TICK_DTYPE = np.dtype(
    [
        ("exchange_ts_ns", np.int64),
        ("local_ts_ns", np.int64),
        ("bid_ticks", np.int64),
        ("bid_lots", np.int64),
        ("ask_ticks", np.int64),
        ("ask_lots", np.int64),
    ]
)

LEVEL_DTYPE = np.dtype([("price_ticks", np.int64), ("size_lots", np.int64)])

Rows = NDArray[np.int64]
ROW_WIDTH = 10
LEVELS_PER_ROW = ROW_WIDTH // 2
NO_ROWS: Rows = np.empty((0, ROW_WIDTH), np.int64)

# Column 0 says what a row is; columns 1 to 4 mean the same in all but rows of levels.
TICK_ROW, TRADE_ROW, DELTA_ROW, SNAPSHOT_ROW = 1, 2, 3, 4
KIND, INSTRUMENT, EXCHANGE_NS, LOCAL_NS, SEQUENCE = 0, 1, 2, 3, 4
# A tick: its sequence, then the best levels.
BID_TICKS, BID_LOTS, ASK_TICKS, ASK_LOTS = 5, 6, 7, 8
# A trade: its id in SEQUENCE, then price, size and the taker's side.
PRICE_TICKS, SIZE_LOTS, AGGRESSOR = 5, 6, 7
# A book change: its first sequence in SEQUENCE (a snapshot: its only one, in both), then these.
LAST_SEQUENCE, BIDS, ASKS, CHECKSUM = 5, 6, 7, 8
NO_CHECKSUM = -1


def level_rows(levels: int) -> int:
    """Give how many rows the levels of a book change fill."""
    return (levels + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW
