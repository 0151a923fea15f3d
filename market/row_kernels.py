"""Take one row of a market: judge it, keep its book and touch, and say what follows from it."""

from __future__ import annotations

from domain.dtypes import (
    AGGRESSOR,
    ASK_LOTS,
    ASK_TICKS,
    BID_LOTS,
    BID_TICKS,
    DELTA_ROW,
    EXCHANGE_NS,
    KIND,
    LAST_SEQUENCE,
    LOCAL_NS,
    PRICE_TICKS,
    SEQUENCE,
    SIZE_LOTS,
    SNAPSHOT_ROW,
    TICK_ROW,
    TRADE_ROW,
)
from hw.kernel import kernel
from market.book_kernels import (
    BAD_CHECKSUM,
    CHANGED,
    CROSSED,
    FRESH,
    GAP,
    LOWER,
    UNCHANGED,
    UPPER,
    Flat,
    best,
    drop_book,
    follow_book,
    load_book,
)
from market.columns import (
    ASK,
    ASK_LOTS_AT,
    ASK_TRADES,
    ASKED_MID,
    BEGAN,
    BID,
    BID_LOTS_AT,
    BOOK_SEQUENCE,
    CHANGED_NS,
    CLAIM,
    CLAIM_NS,
    EPOCH,
    FIRST_SEQUENCE,
    FROZEN,
    HEARD_NS,
    LAST_PRICE,
    LAST_SIZE,
    LAST_TRADE,
    LAST_TRADE_NS,
    LEVEL,
    MEDIAN,
    REASON,
    ROW_AT,
    SEEN_EXCHANGE_NS,
    SEEN_LOCAL_NS,
    START,
    TICK_VALUE,
    TICKS,
    TIME_MAX,
    TOUCH_EXCHANGE_NS,
    TOUCH_NS,
    TOUCH_SEQUENCE,
    TRADE_AGGRESSOR,
    TRADE_EPOCH,
    TRADE_ID,
    TRADE_PRICE,
    TRADE_SIZE,
    Block,
    Reals,
)
from market.quality_kernels import (
    CROSSING,
    HASH,
    HOLE,
    MALFORMED,
    MOVING,
    OFF_MEDIAN,
    OK,
    OLD,
    REJECT,
    SILENT,
    SKEWED,
    SOUND,
    STILL,
    SUSPECT,
    TWICE,
    UNCHANGING,
    ZERO,
    count_reason,
    in_order,
    in_range,
    measure_clock,
    off_median,
    others_median,
    sound_book,
    sound_touch,
)
from market.significance_kernels import significant

# Exchange time further than this from ours is no time for a bar.
FAR_NS = 3_600_000_000_000

# What Python must look at. WAITING and LOADED never leave `market.pipeline`.
NOTHING, SIGNIFICANT, TRADED, STALED, SYNCED, WAITING, LOADED = 0, 1, 2, 4, 8, 16, 32
# What rings, bars and indicators must hear of; `advance` tells them, for it alone holds their arrays: to
# hand nine arrays down through every function took longer than all that the functions do.
TICKED, PRINTED, MOVED, BROKE = 64, 128, 256, 512
OUTSIDE = 63


@kernel
def bar_time(exchange_ns: int, local_ns: int) -> int:
    """Give the time that counts for bars: the venue's, unless it told none or nonsense."""
    if exchange_ns <= 0 or abs(exchange_ns - local_ns) > FAR_NS:
        return local_ns
    return exchange_ns


@kernel
def take_touch(
    block: Block,
    reals: Reals,
    base: int,
    late_ns: int,
    key: tuple[int, int, int],
    touch: tuple[int, int, int, int],
) -> int:
    """Take a touch that is newer than the last: judge it, keep it, and tell whether it matters."""
    exchange_ns, local_ns, sequence = key
    bid, bid_lots, ask, ask_lots = touch
    level = OK
    if late_ns != 0:
        count_reason(block, base, int(SKEWED))
        level = SUSPECT
    two_sided = bid != 0 and ask != 0
    others, median = 0, 0.0
    if two_sided:
        price = float(bid + ask) * reals[base + TICK_VALUE]
        others, median = others_median(block, reals, base, local_ns)
        off = off_median(reals, others, median, price)
        # What a venue claims counts for the others even where we do not believe it: else two that
        # disbelieve each other would never meet again.
        reals[base + CLAIM] = price
        block[base + CLAIM_NS] = local_ns
        if off != OK:
            count_reason(block, base, int(OFF_MEDIAN))
            level = max(level, off)
        if level == REJECT:
            block[base + LEVEL] = REJECT
            return NOTHING
    else:
        count_reason(block, base, int(ZERO))
        level = SUSPECT
    if bid != block[base + BID] or ask != block[base + ASK]:
        block[base + CHANGED_NS] = local_ns
        reals[base + MEDIAN] = median
        block[base + FROZEN] = MOVING
    elif block[base + FROZEN] == UNCHANGING:
        count_reason(block, base, int(STILL))
        level = max(level, SUSPECT)
    block[base + BID] = bid
    block[base + BID_LOTS_AT] = bid_lots
    block[base + ASK] = ask
    block[base + ASK_LOTS_AT] = ask_lots
    block[base + TOUCH_SEQUENCE] = sequence
    block[base + TOUCH_NS] = local_ns
    block[base + TOUCH_EXCHANGE_NS] = exchange_ns
    block[base + LEVEL] = level
    if level != OK:
        return NOTHING
    block[TICKS] += 1
    block[ROW_AT + EXCHANGE_NS] = bar_time(exchange_ns, local_ns)
    block[ROW_AT + LOCAL_NS] = local_ns
    block[ROW_AT + BID_TICKS] = bid
    block[ROW_AT + BID_LOTS] = bid_lots
    block[ROW_AT + ASK_TICKS] = ask
    block[ROW_AT + ASK_LOTS] = ask_lots
    return TICKED | (SIGNIFICANT if significant(block, reals, base, local_ns, bid + ask) else NOTHING)


@kernel
def take_tick(flat: Flat, place: int, block: Block, reals: Reals, base: int, late_ns: int) -> int:
    """Take a row that tells the touch itself."""
    bid, bid_lots = flat[place + BID_TICKS], flat[place + BID_LOTS]
    ask, ask_lots = flat[place + ASK_TICKS], flat[place + ASK_LOTS]
    reason = sound_touch(bid, bid_lots, ask, ask_lots)
    if reason != SOUND:
        count_reason(block, base, reason)
        block[base + LEVEL] = REJECT
        return NOTHING
    exchange_ns, sequence = flat[place + EXCHANGE_NS], flat[place + SEQUENCE]
    reason = in_order(block, base, sequence, exchange_ns, bid, bid_lots, ask, ask_lots)
    if reason != SOUND:
        count_reason(block, base, reason)
        return NOTHING
    key = (exchange_ns, flat[place + LOCAL_NS], max(sequence, 0))
    return take_touch(block, reals, base, late_ns, key, (bid, bid_lots, ask, ask_lots))


@kernel
def touch_from_book(
    block: Block,
    reals: Reals,
    base: int,
    exchange_ns: int,
    local_ns: int,
    late_ns: int,
) -> int:
    """Take the touch from the book where that is newer than the last tick; the same touch is no tick."""
    sequence = block[base + BOOK_SEQUENCE]
    if sequence <= block[base + TOUCH_SEQUENCE]:
        return NOTHING
    bids, asks = int(LOWER), int(UPPER)
    bid, ask = best(block, base, bids), best(block, base, asks)
    bid_lots = block[block[base + START] + 1] if bid != 0 else 0
    ask_lots = block[block[base + START + 1] + 1] if ask != 0 else 0
    same = bid == block[base + BID] and bid_lots == block[base + BID_LOTS_AT]
    same = same and ask == block[base + ASK] and ask_lots == block[base + ASK_LOTS_AT]
    if same and block[base + LEVEL] != REJECT:
        block[base + TOUCH_SEQUENCE] = sequence
        block[base + TOUCH_NS] = local_ns
        return NOTHING
    key = (exchange_ns, local_ns, sequence)
    return take_touch(block, reals, base, late_ns, key, (bid, bid_lots, ask, ask_lots))


@kernel
def take_trade(flat: Flat, place: int, block: Block, reals: Reals, base: int, late_ns: int) -> int:
    """Take a trade. Ids rise, also over connections, unless a venue began to count anew."""
    price, size, trade = flat[place + PRICE_TICKS], flat[place + SIZE_LOTS], flat[place + SEQUENCE]
    if not in_range(price) or not in_range(size) or price == 0 or size == 0:
        count_reason(block, base, int(ZERO))
        return NOTHING
    if not -1 <= flat[place + AGGRESSOR] <= 1 or trade > TIME_MAX:
        count_reason(block, base, int(MALFORMED))
        return NOTHING
    exchange_ns, last = flat[place + EXCHANGE_NS], block[base + LAST_TRADE]
    if 0 < trade <= last:
        anew = block[base + TRADE_EPOCH] != block[base + EPOCH] and exchange_ns > block[base + LAST_TRADE_NS]
        if not anew:
            count_reason(block, base, int(TWICE) if trade == last else int(OLD))
            return NOTHING
    local_ns = flat[place + LOCAL_NS]
    others, median = others_median(block, reals, base, local_ns)
    level = off_median(reals, others, median, 2.0 * float(price) * reals[base + TICK_VALUE])
    if level != OK:
        count_reason(block, base, int(OFF_MEDIAN))
    if level == REJECT:
        return NOTHING
    if trade > 0:
        block[base + LAST_TRADE] = trade
        block[base + TRADE_EPOCH] = block[base + EPOCH]
    block[base + LAST_TRADE_NS] = exchange_ns
    block[base + LAST_PRICE] = price
    block[base + LAST_SIZE] = size
    if late_ns < 0:
        # Trades fetched again are late by right; one from the future is not.
        count_reason(block, base, int(SKEWED))
        level = SUSPECT
    if level != OK:
        return NOTHING
    block[ROW_AT + EXCHANGE_NS] = bar_time(exchange_ns, local_ns)
    block[ROW_AT + LOCAL_NS] = local_ns
    block[ROW_AT + PRICE_TICKS] = price
    block[ROW_AT + SIZE_LOTS] = size
    block[ROW_AT + AGGRESSOR] = flat[place + AGGRESSOR]
    block[TRADE_PRICE] = price
    block[TRADE_SIZE] = size
    block[TRADE_AGGRESSOR] = flat[place + AGGRESSOR]
    block[TRADE_ID] = trade
    return PRINTED | (TRADED if block[ASK_TRADES] != 0 else NOTHING)


@kernel
def went_stale(block: Block, base: int, reason: int) -> int:
    """Count why a book is gone; the next tick is asked about."""
    if reason != SOUND:
        count_reason(block, base, reason)
    block[base + ASKED_MID] = 0
    return STALED | BROKE


@kernel
def take_delta(flat: Flat, place: int, block: Block, reals: Reals, base: int, late_ns: int) -> int:
    """Take a change of a book. One that cannot be read is a hole in what came."""
    fresh = block[base + REASON] == FRESH
    reason = sound_book(flat, place)
    if reason != SOUND:
        count_reason(block, base, reason)
        if not fresh:
            return NOTHING
        drop_book(block, base, int(GAP))
        block[BEGAN] = -1
        return went_stale(block, base, int(HOLE))
    if not fresh:
        return WAITING
    first, last = flat[place + SEQUENCE], flat[place + LAST_SEQUENCE]
    before = block[base + BOOK_SEQUENCE]
    again = first == block[base + FIRST_SEQUENCE] and last == before
    change = follow_book(flat, place, block, base)
    if change == CHANGED:
        exchange_ns, local_ns = flat[place + EXCHANGE_NS], flat[place + LOCAL_NS]
        flags = touch_from_book(block, reals, base, exchange_ns, local_ns, late_ns)
        return flags | MOVED
    if change == UNCHANGED:
        return NOTHING
    gone = block[base + REASON]
    if gone == GAP:
        reason = TWICE if again else (OLD if last <= before else HOLE)
    else:
        reason = HASH if gone == BAD_CHECKSUM else (CROSSING if gone == CROSSED else SOUND)
    return went_stale(block, base, reason)


@kernel("int64(int64[::1], int64, int64[::1], float64[::1], int64, boolean)")
def take_row(flat: Flat, place: int, block: Block, reals: Reals, base: int, whole: bool) -> int:
    """Take a row of a known kind and market; give what follows from it."""
    kind = flat[place + KIND]
    exchange_ns, local_ns = flat[place + EXCHANGE_NS], flat[place + LOCAL_NS]
    if not whole or not (0 <= exchange_ns <= TIME_MAX and 0 <= local_ns <= TIME_MAX):
        count_reason(block, base, int(MALFORMED))
        if kind != DELTA_ROW or block[base + REASON] != FRESH:
            return NOTHING
        drop_book(block, base, int(GAP))
        block[BEGAN] = -1
        return went_stale(block, base, int(HOLE))
    late_ns = measure_clock(block, reals, base, exchange_ns, local_ns) if kind != SNAPSHOT_ROW else 0
    block[base + HEARD_NS] = local_ns
    if block[base + FROZEN] == SILENT:
        block[base + FROZEN] = MOVING
    if kind == TICK_ROW:
        return take_tick(flat, place, block, reals, base, late_ns)
    if kind == DELTA_ROW:
        return take_delta(flat, place, block, reals, base, late_ns)
    if kind == TRADE_ROW:
        return take_trade(flat, place, block, reals, base, late_ns)
    reason = sound_book(flat, place)
    if reason != SOUND:
        count_reason(block, base, reason)
        return NOTHING
    return LOADED if load_book(flat, place, block, base) != UNCHANGED else NOTHING


@kernel
def take_sync(block: Block, reals: Reals, base: int) -> int:
    """Take the touch from a book that was just synced; no order flow is counted across the break."""
    block[base + ASKED_MID] = 0
    exchange_ns, local_ns = block[SEEN_EXCHANGE_NS], block[SEEN_LOCAL_NS]
    flags = touch_from_book(block, reals, base, exchange_ns, local_ns, int(NOTHING))
    return flags | SYNCED | BROKE | MOVED
