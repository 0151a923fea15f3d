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
    at = tick_counts[n] % capacity
    tick_counts[n] += 1
    for place in (at, at + capacity):
        ticks[n, place, 0] = exchange_ns
        ticks[n, place, 1] = local_ns
        ticks[n, place, 2] = bid_ticks
        ticks[n, place, 3] = bid_lots
        ticks[n, place, 4] = ask_ticks
        ticks[n, place, 5] = ask_lots
