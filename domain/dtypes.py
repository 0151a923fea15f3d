"""Numpy forms of the values that kernels work on; field names equal those of the structs."""

from __future__ import annotations

import numpy as np

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
