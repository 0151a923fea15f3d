"""Write ticks into mirrored rings, one per symbol, so that any window is one contiguous view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

TICK_WIDTH = 6  # columns of TICK_DTYPE


@kernel
def push(
    ticks: NDArray[np.int64],
    tick_counts: NDArray[np.int64],
    n: int,
    exchange_ns: int,
    local_ns: int,
    bid_ticks: int,
    bid_lots: int,
    ask_ticks: int,
    ask_lots: int,
) -> None:
    """Add a tick to the ring of symbol `n`, twice: at its place and one capacity further."""
    capacity = ticks.shape[1] >> 1
    count = tick_counts[n]
    # A division costs more than all the rest of this.
    at = count & (capacity - 1) if capacity & (capacity - 1) == 0 else count % capacity
    tick_counts[n] = count + 1
    ticks[n, at, 0] = exchange_ns
    ticks[n, at, 1] = local_ns
    ticks[n, at, 2] = bid_ticks
    ticks[n, at, 3] = bid_lots
    ticks[n, at, 4] = ask_ticks
    ticks[n, at, 5] = ask_lots
    at += capacity
    ticks[n, at, 0] = exchange_ns
    ticks[n, at, 1] = local_ns
    ticks[n, at, 2] = bid_ticks
    ticks[n, at, 3] = bid_lots
    ticks[n, at, 4] = ask_ticks
    ticks[n, at, 5] = ask_lots
