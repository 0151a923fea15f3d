"""Advance every symbol over a batch of rows: quality, book, rings, bars, indicators, significance.

One call takes as many rows as it can and comes back after the first one that Python must look at. What a
row holds is not trusted: whatever is in it, nothing outside the block is read or written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    ASK_LOTS,
    ASK_TICKS,
    BID_LOTS,
    BID_TICKS,
    DELTA_ROW,
    EXCHANGE_NS,
    INSTRUMENT,
    KIND,
    LOCAL_NS,
    ROW_WIDTH,
    SNAPSHOT_ROW,
    TICK_ROW,
    TRADE_ROW,
    Rows,
)
from hw.kernel import kernel
from market.bar_kernels import BAR_WIDTH, minute_over
from market.book_kernels import (
    FRESH,
    rows_of_book,
)
from market.columns import (
    AGE_LIMIT_NS,
    APPLIED_NS,
    ASK,
    ASK_LOTS_AT,
    BEGAN,
    BID,
    BID_LOTS_AT,
    COUNT,
    FLAGS,
    LEVEL,
    PARTS_AT,
    PRESENT,
    REASON,
    ROW_AT,
    SEEN,
    SEEN_ASK,
    SEEN_ASK_LOTS,
    SEEN_BID,
    SEEN_BID_LOTS,
    SEEN_EXCHANGE_NS,
    SEEN_LOCAL_NS,
    SEEN_SEQUENCE,
    START,
    SYMBOL_WORDS,
    SYMBOLS,
    SYMBOLS_AT,
    TOUCH_SEQUENCE,
    UNKNOWN_ROWS,
    Block,
    Reals,
)
from market.indicator_feed_kernels import (
    forget_book,
    on_book,
    on_time,
    on_trade,
    step_touch,
    wants_book,
)
from market.quality_kernels import (
    OK,
    watch_feed,
)
from market.ring_kernels import TICK_WIDTH, push
from market.row_kernels import (
    BROKE,
    MOVED,
    NOTHING,
    OUTSIDE,
    PRINTED,
    TICKED,
    take_row,
    take_sync,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Parts = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Floats, Floats]


@kernel
def parts_of(block: Block, reals: Reals) -> Parts:
    """Give the arrays of rings, bars and indicators, which lie in the block."""
    symbols, at = block[SYMBOLS], PARTS_AT
    ticks = block[block[at] : block[at + 1]]
    bars = block[block[at + 4] : block[at + 5]]
    heads = block[block[at + 6] : block[at + 7]]
    values = reals[block[at + 14] : block[at + 15]]
    return (
        ticks.reshape((symbols, len(ticks) // (symbols * TICK_WIDTH), TICK_WIDTH)),
        block[block[at + 2] : block[at + 3]],
        bars.reshape((symbols, len(bars) // (symbols * BAR_WIDTH), BAR_WIDTH)),
        heads.reshape((symbols, len(heads) // symbols)),
        block[block[at + 8] : block[at + 9]],
        block[block[at + 10] : block[at + 11]],
        reals[block[at + 12] : block[at + 13]],
        values.reshape((symbols, len(values) // symbols)),
    )


@kernel
def tell(block: Block, base: int, slot: int, flags: int, exchange_ns: int, local_ns: int) -> None:
    """Write down what was seen."""
    block[FLAGS] = flags
    block[SEEN] = slot
    block[SEEN_EXCHANGE_NS] = exchange_ns
    block[SEEN_LOCAL_NS] = local_ns
    block[SEEN_SEQUENCE] = block[base + TOUCH_SEQUENCE]
    block[SEEN_BID] = block[base + BID]
    block[SEEN_BID_LOTS] = block[base + BID_LOTS_AT]
    block[SEEN_ASK] = block[base + ASK]
    block[SEEN_ASK_LOTS] = block[base + ASK_LOTS_AT]


@kernel("int64(int64[:, ::1], int64, int64, int64[::1])")
def advance(rows: Rows, start: int, end: int, block: Block) -> int:
    """Advance over rows `start` to `end`; give the place after the row that must be looked at, or `end`.

    A `start` below 0 says instead that the book of market −1 − start is synced now.
    """
    reals = block.view(np.float64)
    ticks, counts, bars, heads, program, marks, state, values = parts_of(block, reals)
    row = block[ROW_AT : ROW_AT + ROW_WIDTH].reshape((1, ROW_WIDTH))
    flat = rows.reshape(-1)
    end = min(end, len(rows))
    at = max(start, 0)
    resumed = start < 0
    while resumed or at < end:
        if resumed:
            slot, base = -1 - start, block[SYMBOLS_AT] + (-1 - start) * SYMBOL_WORDS
            exchange_ns, local_ns = block[SEEN_EXCHANGE_NS], block[SEEN_LOCAL_NS]
            flags = take_sync(block, reals, base)
        else:
            place = at * ROW_WIDTH
            kind, slot = flat[place + KIND], flat[place + INSTRUMENT]
            began = at
            at += 1
            booked = kind in (DELTA_ROW, SNAPSHOT_ROW)
            whole = True
            if booked:
                filled = rows_of_book(flat, place)
                whole = 0 < filled <= end - began
                at = end if filled > end - began else began + max(filled, 1)
            base = block[SYMBOLS_AT] + slot * SYMBOL_WORDS if 0 <= slot < block[SYMBOLS] else 0
            if base == 0 or block[base + PRESENT] == 0 or not (booked or kind in (TICK_ROW, TRADE_ROW)):
                block[UNKNOWN_ROWS] += 1
                continue
            block[BEGAN] = began
            exchange_ns, local_ns = flat[place + EXCHANGE_NS], flat[place + LOCAL_NS]
            flags = take_row(flat, place, block, reals, base, whole)
        if flags & TICKED:
            # As `on_tick` does, but here, where no array must be handed on for most of it.
            time_ns, now_ns = row[0, EXCHANGE_NS], row[0, LOCAL_NS]
            bid, bid_lots, ask, ask_lots = (
                row[0, BID_TICKS],
                row[0, BID_LOTS],
                row[0, ASK_TICKS],
                row[0, ASK_LOTS],
            )
            push(ticks, counts, slot, time_ns, now_ns, bid, bid_lots, ask, ask_lots)
            if minute_over(heads, slot, time_ns):
                on_time(bars, heads, program, marks, state, values, slot, time_ns, now_ns)
            step_touch(program, marks, state, values, slot, now_ns, bid, bid_lots, ask, ask_lots)
        elif flags & PRINTED:
            on_trade(ticks, counts, bars, heads, program, marks, state, values, slot, row, int(NOTHING))
        if flags & BROKE:
            forget_book(program, state, slot)
        if flags & MOVED and wants_book(program) and block[base + LEVEL] == OK:
            bids_at, asks_at = block[base + START], block[base + START + 1]
            bids, asks, now_ns = block[base + COUNT], block[base + COUNT + 1], block[base + APPLIED_NS]
            on_book(program, marks, state, values, slot, now_ns, block, bids_at, bids, asks_at, asks)
        flags &= OUTSIDE
        if flags != NOTHING:
            tell(block, base, slot, flags, exchange_ns, local_ns)
            return at
    block[FLAGS] = NOTHING
    return at


@kernel("int64(int64[::1], int64, int64[::1])")
def watch_all(block: Block, now_ns: int, found: Block) -> int:
    """Make books stale that heard nothing for too long; give how many, and which in `found`."""
    reals = block.view(np.float64)
    count = 0
    for slot in range(block[SYMBOLS]):
        base = block[SYMBOLS_AT] + slot * SYMBOL_WORDS
        if block[base + PRESENT] == 0:
            continue
        watch_feed(block, reals, base, now_ns)
        if block[base + REASON] == FRESH and now_ns - block[base + APPLIED_NS] > block[base + AGE_LIMIT_NS]:
            found[count] = slot
            count += 1
    return count
