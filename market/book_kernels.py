"""Keep books in step with their venues: snapshot, then changes without a gap; else stale and empty.

`block` and `base` are told in `market.columns`; `flat` is a batch of rows (`domain.dtypes`) as one line.
Constants are handed on as `int(CONSTANT)`: numba would compile a callee anew for each literal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.dtypes import (
    ASKS,
    BIDS,
    CHECKSUM,
    LAST_SEQUENCE,
    LEVELS_PER_ROW,
    LOCAL_NS,
    ROW_WIDTH,
    SEQUENCE,
)
from hw.kernel import kernel
from market.checksum_kernels import book_checksum
from market.columns import (
    APPLIED_NS,
    AREA,
    BOOK_SEQUENCE,
    COUNT,
    DEPTH,
    FIGURE_MAX,
    FIRST_SEQUENCE,
    HORIZON,
    LINKED,
    NO_HORIZON,
    PLACES,
    REASON,
    START,
    STRADDLED,
    TRUNCATED,
    Block,
)

Flat = NDArray[np.int64]

LOWER, UPPER = 0, 1
UNCHANGED, CHANGED, SYNCED, STALE = 0, 1, 2, 3
FRESH, NEVER_SYNCED, GAP, CROSSED, FEED_LOST, AGE, THIN, RESTARTED, BAD_CHECKSUM = 0, 1, 2, 3, 4, 5, 6, 7, 8


@kernel
def clear_side(block: Block, base: int, side: int) -> None:
    """Forget a side; its next levels begin in the middle of its area."""
    room = block[PLACES]
    block[base + COUNT + side] = 0
    block[base + HORIZON + side] = NO_HORIZON
    block[base + START + side] = block[base + AREA] + side * 2 * room + 2 * (room // 4)


@kernel(called=True)
def drop_book(block: Block, base: int, reason: int) -> None:
    """Make a book stale and empty."""
    block[base + REASON] = reason
    for side in range(2):
        clear_side(block, base, side)


@kernel
def best(block: Block, base: int, side: int) -> int:
    """Give a side's best price, 0 where there is none."""
    ticks: int = block[block[base + START + side]] if block[base + COUNT + side] > 0 else 0
    return ticks


@kernel
def find_level(block: Block, first: int, count: int, price: int, sign: int) -> int:
    """Give the first place whose level is not better than `price`."""
    low, high, key = 0, count, price * sign
    while low < high:
        middle = (low + high) >> 1
        if block[first + 2 * middle] * sign < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def move_levels(block: Block, source: int, target: int, words: int) -> None:
    """Move words to where they may overlap."""
    if target < source:
        for i in range(words):
            block[target + i] = block[source + i]
    else:
        for i in range(words - 1, -1, -1):
            block[target + i] = block[source + i]


@kernel
def remove_level(block: Block, base: int, side: int, at: int) -> None:
    """Take a level out, moving whichever end is shorter."""
    first, count = block[base + START + side], block[base + COUNT + side]
    if 2 * at < count:
        move_levels(block, first, first + 2, 2 * at)
        block[base + START + side] = first + 2
    else:
        move_levels(block, first + 2 * at + 2, first + 2 * at, 2 * (count - at - 1))
    block[base + COUNT + side] = count - 1


@kernel
def insert_level(block: Block, base: int, side: int, at: int, price: int, size: int) -> None:
    """Put a level in, moving whichever end is shorter; the worst goes where a side is full."""
    sign = 2 * side - 1
    first, count, room = block[base + START + side], block[base + COUNT + side], block[PLACES]
    cut = block[base + TRUNCATED] == 0
    full = count >= (block[base + DEPTH] if cut else room - 2)
    if full:
        if at == count:
            if cut:
                block[base + HORIZON + side] = block[first + 2 * count - 2] * sign
            return
        count -= 1
    area = block[base + AREA] + side * 2 * room
    front = 2 * at < count
    if (front and first == area) or (not front and first + 2 * count == area + 2 * room):
        middle = area + 2 * ((room - count) // 2)
        move_levels(block, first, middle, 2 * count)
        first = middle
    if front:
        move_levels(block, first, first - 2, 2 * at)
        first -= 2
    else:
        move_levels(block, first + 2 * at, first + 2 * at + 2, 2 * (count - at))
    block[first + 2 * at] = price
    block[first + 2 * at + 1] = size
    block[base + START + side] = first
    block[base + COUNT + side] = count + 1
    if full and cut:
        block[base + HORIZON + side] = block[first + 2 * count] * sign


@kernel
def update_side(flat: Flat, place: int, levels: int, block: Block, base: int, side: int) -> None:
    """Set the sizes of levels; 0 removes one. What lies beyond a cut side's horizon is not known."""
    sign = 2 * side - 1
    for level in range(levels):
        price, size = flat[place + 2 * level], flat[place + 2 * level + 1]
        if price * sign > block[base + HORIZON + side]:
            continue
        first, count = block[base + START + side], block[base + COUNT + side]
        at = find_level(block, first, count, price, sign)
        if at < count and block[first + 2 * at] == price:
            if size != 0:
                block[first + 2 * at + 1] = size
            else:
                remove_level(block, base, side, at)
        elif size != 0:
            insert_level(block, base, side, at, price, size)


@kernel
def load_side(flat: Flat, place: int, levels: int, block: Block, base: int, side: int) -> None:
    """Take a whole side. A full one is assumed cut, unless the venue keeps us at that depth."""
    clear_side(block, base, side)
    depth = block[base + DEPTH]
    update_side(flat, place, min(levels, depth), block, base, side)
    count = block[base + COUNT + side]
    if levels >= depth and count > 0 and block[base + TRUNCATED] == 0:
        sign = 2 * side - 1
        block[base + HORIZON + side] = block[block[base + START + side] + 2 * count - 2] * sign


@kernel
def thin(block: Block, base: int, side: int) -> bool:
    """Tell whether so much of a cut side is gone that its rest says little."""
    little: bool = block[base + COUNT + side] < max(1, block[base + DEPTH] // 8)
    return block[base + HORIZON + side] != NO_HORIZON and little


@kernel
def judge_book(block: Block, base: int, checksum: int, otherwise: int) -> int:
    """Make a book stale that is crossed, thin or not what the venue hashed."""
    if block[base + TRUNCATED] != 0:
        depth = block[base + DEPTH]
        block[base + COUNT] = min(block[base + COUNT], depth)
        block[base + COUNT + 1] = min(block[base + COUNT + 1], depth)
    bids, asks = int(LOWER), int(UPPER)
    bid, ask = best(block, base, bids), best(block, base, asks)
    if bid >= ask and ask != 0 and bid != 0:
        drop_book(block, base, int(CROSSED))
        return STALE
    if thin(block, base, bids) or thin(block, base, asks):
        drop_book(block, base, int(THIN))
        return STALE
    if checksum >= 0 and book_checksum(block, base) != checksum:
        drop_book(block, base, int(BAD_CHECKSUM))
        return STALE
    return otherwise


@kernel(called=True)
def follow_book(flat: Flat, place: int, block: Block, base: int) -> int:
    """Apply a change to a fresh book; `place` is where its header begins."""
    first, last = flat[place + SEQUENCE], flat[place + LAST_SEQUENCE]
    expected = block[base + BOOK_SEQUENCE] + 1
    if first != expected:
        straddled = block[base + STRADDLED] != 0
        if not straddled and last < expected:
            return UNCHANGED
        if straddled or first > expected:
            drop_book(block, base, int(GAP))
            return STALE
    block[base + STRADDLED] = 1
    block[base + BOOK_SEQUENCE] = last
    block[base + FIRST_SEQUENCE] = first
    block[base + APPLIED_NS] = flat[place + LOCAL_NS]
    begin = place + ROW_WIDTH
    for side in range(2):
        levels = flat[place + BIDS + side]
        update_side(flat, begin, levels, block, base, side)
        begin += 2 * levels
    return judge_book(block, base, flat[place + CHECKSUM], int(CHANGED))


@kernel(called=True)
def load_book(flat: Flat, place: int, block: Block, base: int) -> int:
    """Take a snapshot, unless nothing is linked or the book is already further."""
    sequence = flat[place + SEQUENCE]
    fresh = block[base + REASON] == FRESH
    if block[base + LINKED] == 0 or (fresh and sequence <= block[base + BOOK_SEQUENCE]):
        return UNCHANGED
    begin = place + ROW_WIDTH
    for side in range(2):
        levels = flat[place + BIDS + side]
        load_side(flat, begin, levels, block, base, side)
        begin += 2 * levels
    block[base + BOOK_SEQUENCE] = sequence
    block[base + STRADDLED] = 0
    block[base + APPLIED_NS] = flat[place + LOCAL_NS]
    block[base + REASON] = FRESH
    return judge_book(block, base, flat[place + CHECKSUM], int(SYNCED))


@kernel
def rows_of_book(flat: Flat, place: int) -> int:
    """Give how many rows a book change fills by its header, 0 where its counts make no sense."""
    bids, asks = flat[place + BIDS], flat[place + ASKS]
    if bids < 0 or asks < 0 or bids > FIGURE_MAX or asks > FIGURE_MAX:
        return 0
    rows: int = 1 + (bids + asks + LEVELS_PER_ROW - 1) // LEVELS_PER_ROW
    return rows
