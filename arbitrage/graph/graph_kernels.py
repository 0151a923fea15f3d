"""Take changes of books into the price graph, and keep the best cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arbitrage.graph.certify_kernels import level, settle
from arbitrage.graph.columns import (
    ASK_LOTS,
    ASK_TICKS,
    BACKS_AT,
    BEST,
    BEST_AT,
    BEST_PRODUCT,
    BID_LOTS,
    BID_TICKS,
    BOOK_COUNT,
    BOOKS,
    BOOKS_AT,
    FLOOR,
    FOUND,
    FOUND_AT,
    FOUND_PRODUCT,
    GAINS_AT,
    HOT,
    LOADING,
    MARKET_WORDS,
    MARKETS,
    MARKETS_AT,
    PAIR_WORDS,
    PAIRS,
    PAIRS_AT,
    PRODUCT_MIN,
    RATES_AT,
    REVERSE,
    SCALE_WORDS,
    SCALES_AT,
    SOURCE,
    STANDING,
    STRETCHED,
    TARGET,
    TOPS_AT,
    VALUE_WORDS,
    VALUES_AT,
    Ints,
    Reals,
)
from arbitrage.graph.detect_kernels import ANY, LOOSE, is_sooner, pair_of, search, swap_rest
from hw.kernel import kernel

Rows = NDArray[np.int64]
ROW_MARKET, ROW_BID_TICKS, ROW_HIT, ROW_WORDS = 0, 1, 5, 6
# A rate beyond these is nobody's price.
RATE_MIN, RATE_MAX = 1e-15, 1e15


@kernel
def set_rate(ints: Ints, reals: Reals, edge: int, rate: float) -> int:
    """Set what an edge converts at; give 1 where that is better than before, -1 where it is worse."""
    if not RATE_MIN <= rate <= RATE_MAX:
        rate = 0.0
    rates, pair = ints[RATES_AT], pair_of(ints, edge)
    old = reals[rates + edge]
    if rate == old:
        return 0
    reals[rates + edge] = rate
    top = ints[TOPS_AT] + pair
    if rate > reals[top]:
        reals[top] = rate
    elif old == reals[top]:
        at, best = ints[PAIRS_AT] + pair * PAIR_WORDS, 0.0
        for i in range(ints[at + BOOKS], ints[at + BOOKS] + ints[at + BOOK_COUNT]):
            best = max(best, reals[rates + ints[ints[BOOKS_AT] + i]])
        reals[top] = best
    at = ints[PAIRS_AT] + pair * PAIR_WORDS
    given = ints[VALUES_AT] + VALUE_WORDS * ints[at + SOURCE]
    got = ints[VALUES_AT] + VALUE_WORDS * ints[at + TARGET]
    gain = reals[top] * reals[got] / reals[given]
    reals[ints[GAINS_AT] + pair], reals[ints[BACKS_AT] + ints[at + REVERSE]] = gain, gain
    return 1 if rate > old else -1


@kernel
def is_in_best(ints: Ints, edge: int) -> bool:
    """Tell whether the best cycle passes an edge."""
    found = False
    for i in range(ints[BEST]):
        found = found or ints[BEST_AT + i] == edge
    return found


@kernel
def keep_found(ints: Ints, reals: Reals, edge: int) -> None:
    """Make what was found the best there is, unless that stands and is better."""
    if edge != ANY and ints[BEST] != 0 and not is_in_best(ints, edge):
        product, best = reals[FOUND_PRODUCT], reals[BEST_PRODUCT]
        if product < best:
            return
        if product == best and not is_sooner(ints, int(FOUND_AT), ints[FOUND], int(BEST_AT), ints[BEST]):
            return
    ints[BEST], reals[BEST_PRODUCT] = ints[FOUND], reals[FOUND_PRODUCT]
    for i in range(ints[FOUND]):
        ints[BEST_AT + i] = ints[FOUND_AT + i]


@kernel
def bound_search(ints: Ints, reals: Reals, edge: int) -> None:
    """Begin a search: what stands bounds it from the start where it is among those looked for, else later."""
    standing, among = 1.0, edge == ANY
    for i in range(ints[BEST]):
        one, onward = ints[BEST_AT + i], ints[BEST_AT + (i + 1) % ints[BEST]]
        standing *= reals[ints[RATES_AT] + one] * swap_rest(ints, reals, one, onward)
        among = among or one == edge
    ints[FOUND], reals[STANDING] = 0, standing
    reals[FLOOR] = max(reals[PRODUCT_MIN], standing if among else 0.0) * LOOSE


@kernel("int64(int64[::1], float64[::1], int64[:, ::1], float64[::1], int64, int64, boolean)")
def update_rows(
    ints: Ints, reals: Reals, rows: Rows, products: Reals, start: int, end: int, stop: bool
) -> int:
    """Take touches one after the other and note each row's best; `stop` after one that a cycle gains by.

    A side without price or size is not there, and a book that crosses itself has no sides.
    """
    for i in range(start, end):
        market = rows[i, ROW_MARKET]
        if not 0 <= market < ints[MARKETS]:
            rows[i, ROW_HIT], products[i] = -1, 0.0
            continue
        at, scale = ints[MARKETS_AT] + market * MARKET_WORDS, ints[SCALES_AT] + market * SCALE_WORDS
        for word in range(BID_TICKS, ASK_LOTS + 1):
            ints[at + word] = rows[i, ROW_BID_TICKS + word]
        bid_ticks, ask_ticks = ints[at + BID_TICKS], ints[at + ASK_TICKS]
        bid, ask = bid_ticks > 0 and ints[at + BID_LOTS] > 0, ask_ticks > 0 and ints[at + ASK_LOTS] > 0
        if bid and ask and bid_ticks > ask_ticks:
            bid, ask = False, False
        edge, hit, lost, sold, bought = 2 * market, False, False, 0, 0
        for side in range(2):
            rate = bid_ticks * reals[scale] * reals[scale + 1] if bid else 0.0
            if side == 1:
                rate = reals[scale + 1] / (ask_ticks * reals[scale]) if ask else 0.0
            moved = set_rate(ints, reals, edge + side, rate)
            lost = lost or (moved < 0 and is_in_best(ints, edge + side))
            sold, bought = (moved, bought) if side == 0 else (sold, moved)
        place, count, every = 0, 2 if sold != 0 or bought != 0 else 0, False
        while place < count:
            moved = sold if place == 0 else bought
            if every or moved > 0 or (moved < 0 and ints[HOT] != 0):
                settle(ints, reals, place if every else pair_of(ints, edge + place))
            place += 1
            if place == count and not every and ints[STRETCHED] != 0:
                level(ints, reals)
                place, count, every = 0, ints[PAIRS], True
        if ints[HOT] == 0:
            ints[BEST], lost, sold, bought = 0, False, 0, 0
        # All there is where the best lost; then through each side that improved.
        for task in range(-1 if lost else 0, 2 if ints[LOADING] == 0 else 0):
            if task >= 0 and (sold if task == 0 else bought) <= 0:
                continue
            through = edge + task if task >= 0 else ANY
            bound_search(ints, reals, through)
            search(ints, reals, through)
            if task < 0 or ints[FOUND] != 0:
                keep_found(ints, reals, through)
                hit = hit or task >= 0
        rows[i, ROW_HIT] = 1 if hit else 0
        products[i] = reals[BEST_PRODUCT] if ints[BEST] != 0 else 0.0
        if hit and stop:
            return i + 1
    return end
