"""Judge what a venue says: by its own order, by the other venues, and by its clock."""

from __future__ import annotations

from domain.dtypes import ASKS, BIDS, LAST_SEQUENCE, ROW_WIDTH, SEQUENCE
from hw.kernel import kernel
from market.book_kernels import Flat
from market.columns import (
    ASK,
    ASK_LOTS_AT,
    BID,
    BID_LOTS_AT,
    CHANGED_NS,
    CLAIM,
    CLAIM_NS,
    CLAIM_NS_MAX,
    COUNTS,
    DRIFT,
    FIGURE_MAX,
    FROZEN,
    FROZEN_BPS,
    FROZEN_NS,
    GROUP,
    HEARD_NS,
    JUMPS,
    KNOWN,
    LEVEL,
    LINKED,
    MEDIAN,
    OFFSET_AT_NS,
    OFFSET_NS,
    REJECT_BPS,
    SKEW_NS,
    SKEW_WINDOW_NS,
    SORT_AT,
    SUSPECT_BPS,
    TIME_MAX,
    TOUCH_EXCHANGE_NS,
    TOUCH_SEQUENCE,
    VENUE,
    WINDOW_MIN_NS,
    WINDOW_NS,
    Block,
    Reals,
)

OK, SUSPECT, REJECT = 0, 1, 2
OLD, TWICE, HOLE, CROSSING, ZERO, OFF_MEDIAN, STILL, SKEWED, MALFORMED, HASH = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
MOVING, SILENT, UNCHANGING = 0, 1, 2
SOUND = -1
# How much of a newly measured drift is believed.
_DRIFT_SHARE = 0.125


@kernel
def count_reason(block: Block, base: int, reason: int) -> None:
    """Count a reason of a symbol."""
    block[base + COUNTS + reason] += 1


@kernel
def in_range(figure: int) -> bool:
    """Tell whether a price or size can be computed with."""
    return 0 <= figure <= FIGURE_MAX


@kernel
def sound_touch(bid: int, bid_lots: int, ask: int, ask_lots: int) -> int:
    """Give why a touch cannot be, or `SOUND`. An empty side is (0, 0)."""
    if not (in_range(bid) and in_range(bid_lots) and in_range(ask) and in_range(ask_lots)):
        return ZERO
    if (bid == 0) != (bid_lots == 0) or (ask == 0) != (ask_lots == 0):
        return ZERO
    if bid >= ask and ask != 0 and bid != 0:
        return CROSSING
    return SOUND


@kernel
def sound_book(flat: Flat, place: int) -> int:
    """Give why a book change cannot be what a venue says, or `SOUND`."""
    first, last = flat[place + SEQUENCE], flat[place + LAST_SEQUENCE]
    if first < 0 or last < first or last > TIME_MAX:
        return MALFORMED
    begin = place + ROW_WIDTH
    for at in range(begin, begin + 2 * (flat[place + BIDS] + flat[place + ASKS]), 2):
        if flat[at] <= 0 or flat[at] > FIGURE_MAX or not in_range(flat[at + 1]):
            return ZERO
    return SOUND


@kernel
def in_order(
    block: Block, base: int, sequence: int, exchange_ns: int, bid: int, bid_lots: int, ask: int, ask_lots: int
) -> int:
    """Give why a tick must not replace the touch, or `SOUND`; without a sequence exchange time orders."""
    before = block[base + TOUCH_SEQUENCE]
    if sequence <= 0:
        return OLD if 0 < exchange_ns < block[base + TOUCH_EXCHANGE_NS] else SOUND
    if sequence < before:
        return OLD
    same = bid == block[base + BID] and bid_lots == block[base + BID_LOTS_AT]
    same = same and ask == block[base + ASK] and ask_lots == block[base + ASK_LOTS_AT]
    return TWICE if same and sequence == before else SOUND


@kernel
def measure_clock(block: Block, reals: Reals, base: int, exchange_ns: int, local_ns: int) -> int:
    """Follow a venue's clock; give how far a row is from what its clock was, beyond what is borne, else 0.

    The offset is the least local − exchange of a window: what the network adds is never negative. The sign
    tells the direction: below 0 the venue's clock went ahead, above 0 it went back or the row is late.
    """
    venue = block[base + VENUE]
    if exchange_ns <= 0 or venue == 0:
        return 0
    offset = local_ns - exchange_ns
    if block[venue + KNOWN] == 0:
        block[venue + KNOWN] = 1
        block[venue + WINDOW_NS] = local_ns
        block[venue + WINDOW_MIN_NS] = offset
        return 0
    block[venue + WINDOW_MIN_NS] = min(block[venue + WINDOW_MIN_NS], offset)
    if local_ns - block[venue + WINDOW_NS] >= block[SKEW_WINDOW_NS]:
        close_window(block, reals, venue, local_ns)
        block[venue + WINDOW_NS] = local_ns
        block[venue + WINDOW_MIN_NS] = offset
    if block[venue + KNOWN] == 1:
        return 0
    shift: int = offset - block[venue + OFFSET_NS]
    return shift if abs(shift) > block[SKEW_NS] else 0


@kernel
def close_window(block: Block, reals: Reals, venue: int, local_ns: int) -> None:
    """Take a window's least offset as the venue's; how it moved since the last one is drift, or a jump."""
    least = block[venue + WINDOW_MIN_NS]
    if block[venue + KNOWN] == 2:
        shift, passed = least - block[venue + OFFSET_NS], local_ns - block[venue + OFFSET_AT_NS]
        if abs(shift) > block[SKEW_NS]:
            block[venue + JUMPS] += 1
        elif passed > 0:
            reals[venue + DRIFT] += (shift * 1e9 / passed - reals[venue + DRIFT]) * _DRIFT_SHARE
    block[venue + KNOWN] = 2
    block[venue + OFFSET_NS] = least
    block[venue + OFFSET_AT_NS] = local_ns


@kernel
def others_median(block: Block, reals: Reals, base: int, now_ns: int) -> tuple[int, float]:
    """Give how many other venues lately said a price for the same pair, and the median of those."""
    group = block[base + GROUP]
    if group == 0:
        return 0, 0.0
    found = 0
    for place in range(block[group]):
        other = block[group + 1 + place]
        if other == base or block[other + CLAIM_NS] == 0:
            continue
        if now_ns - block[other + CLAIM_NS] > block[CLAIM_NS_MAX]:
            continue
        price, at = reals[other + CLAIM], found
        while at > 0 and reals[SORT_AT + at - 1] > price:
            reals[SORT_AT + at] = reals[SORT_AT + at - 1]
            at -= 1
        reals[SORT_AT + at] = price
        found += 1
    if found == 0:
        return 0, 0.0
    return found, (reals[SORT_AT + (found - 1) // 2] + reals[SORT_AT + found // 2]) * 0.5


@kernel
def off_median(reals: Reals, others: int, median: float, price: float) -> int:
    """Judge a price by the others'. Of two that differ nobody can tell which is wrong: both are suspect."""
    if others == 0:
        return OK
    off = abs(price - median) * 1e4
    if others > 1 and off > reals[REJECT_BPS] * median:
        return REJECT
    return SUSPECT if off > reals[SUSPECT_BPS] * median else OK


@kernel
def watch_feed(block: Block, reals: Reals, base: int, now_ns: int) -> None:
    """Find a feed that is silent, or that says the same for ever while the others move."""
    if block[base + LINKED] == 0 or block[base + HEARD_NS] == 0 or block[base + FROZEN] != MOVING:
        return
    if now_ns - block[base + HEARD_NS] > block[FROZEN_NS]:
        block[base + FROZEN] = SILENT
    elif block[base + CHANGED_NS] != 0 and now_ns - block[base + CHANGED_NS] > block[FROZEN_NS]:
        others, median = others_median(block, reals, base, now_ns)
        before = reals[base + MEDIAN]
        if others > 0 and before > 0.0 and abs(median - before) * 1e4 >= reals[FROZEN_BPS] * before:
            block[base + FROZEN] = UNCHANGING
    if block[base + FROZEN] != MOVING:
        count_reason(block, base, int(STILL))
        block[base + LEVEL] = max(block[base + LEVEL], SUSPECT)
