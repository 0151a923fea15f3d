"""Drive indicators with made-up events, to find out what they cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.indicator_feed_kernels import inputs_of
from market.indicator_kernels import set_bar, step
from market.indicator_layout import LEVEL_WORDS, LEVELS_IN

MIDDLE_TICKS = 1_000_000.0


@kernel(called=True)
def exercise(
    program: NDArray[np.int64],
    marks: NDArray[np.int64],
    state: NDArray[np.float64],
    values: NDArray[np.float64],
    n: int,
    clock: int,
    levels: int,
    first: int,
    end: int,
) -> None:
    """Step a clock of symbol `n` through events whose prices wander and whose sizes vary."""
    i = inputs_of(program, n, clock)
    for event in range(first, end):
        draw = (event * 2654435761) & 0xFFFF
        price = MIDDLE_TICKS + 0.5 * ((draw >> 4) + (event % 4096))
        set_bar(
            state, i, price, price + 3.0, price - 2.0, price, 1.0 + (draw & 63), price * (1.0 + (draw & 63))
        )
        for level in range(levels):
            to = i + LEVELS_IN + LEVEL_WORDS * level
            state[to] = price - level
            state[to + 1] = 1.0 + ((draw >> 2) & 31)
            state[to + 2] = price + 1.0 + level
            state[to + 3] = 1.0 + ((draw >> 3) & 31)
        step(program, marks, state, values, n, clock, event)
