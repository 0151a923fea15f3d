"""Merge the books of equal pairs into one depth, best first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel
from market.columns import COUNT, LEVEL, REASON, START, Block
from market.quality_kernels import REJECT

Places = NDArray[np.int64]
Prices = NDArray[np.float64]


@kernel(called=True)
def merge_side(
    block: Block,
    members: Places,
    units: Prices,
    side: int,
    cursors: Places,
    prices: Prices,
    sizes: Prices,
    places: Places,
) -> int:
    """Write a side's best levels over all members that can be believed; give how many.

    `members` tells where each one's words begin; its `units` are what its tick is in a step that all share,
    how many of those make 1, and what its lot is worth. `places` gets the member of each level. Whole shared
    steps are compared, so that at one price the earlier member always comes first.
    """
    sign = 2.0 * side - 1.0
    for member in range(len(members)):
        cursors[member] = 0
    made = 0
    while made < len(prices):
        found, best = -1, 0.0
        for member in range(len(members)):
            base = members[member]
            if block[base + REASON] != 0 or block[base + LEVEL] == REJECT:
                continue
            at = cursors[member]
            if at >= block[base + COUNT + side]:
                continue
            price = units[member, 0] * float(block[block[base + START + side] + 2 * at])
            if found < 0 or price * sign < best * sign:
                found, best = member, price
        if found < 0:
            break
        level = block[members[found] + START + side] + 2 * cursors[found]
        prices[made] = best / units[found, 1]
        sizes[made] = float(block[level + 1]) * units[found, 2]
        places[made] = found
        cursors[found] += 1
        made += 1
    return made
