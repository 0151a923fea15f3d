"""Decide which ticks strategies are asked about: every one, those that matter, or the newest at intervals.

The rate is in event time: n ticks, faded by window / (window + gap) at each gap. In steady flow that is
rate × window + 1, and it needs no exponential, whose last bit differs between compilers.
"""

from __future__ import annotations

from hw.kernel import kernel
from market.columns import (
    ASKED_MID,
    ASKED_NS,
    ASKS,
    FORCED_MODE,
    LATCH_DOWN,
    LATCH_NS,
    LATCH_UP,
    MODE,
    MOVE_BPS,
    QUIET_NS,
    RATE,
    RATE_NS,
    SMART_DOWN,
    SMART_UP,
    TICK_COUNT,
    TICK_NS,
    Block,
    Reals,
)

AUTO, FULL, SMART, LATCH = 0, 1, 2, 3


@kernel
def fade(block: Block, reals: Reals, base: int, local_ns: int) -> float:
    """Count a tick and give the rate in ticks/s."""
    window = float(block[RATE_NS])
    gap = float(max(0, local_ns - block[base + TICK_NS]))
    count = reals[base + RATE] * (window / (window + gap)) + 1.0
    reals[base + RATE] = count
    block[base + TICK_NS] = local_ns
    block[base + TICK_COUNT] += 1
    rate: float = (count - 1.0) * 1e9 / window
    return rate


@kernel
def mode_after(reals: Reals, mode: int, rate: float) -> int:
    """Give the mode that follows from a rate; a threshold down lies below the one up."""
    if mode != LATCH and rate >= reals[LATCH_UP]:
        return LATCH
    if mode == LATCH and rate > reals[LATCH_DOWN]:
        return LATCH
    if mode == FULL:
        return SMART if rate >= reals[SMART_UP] else FULL
    return SMART if rate > reals[SMART_DOWN] else FULL


@kernel
def significant(block: Block, reals: Reals, base: int, local_ns: int, mid: int) -> bool:
    """Count a tick (`mid` is bid + ask) and tell whether strategies are asked about it.

    SMART asks after a move since the last question, or when it was long ago. LATCH asks about the same, but
    never twice within its interval: what came between is conflated into the newest.
    """
    rate = fade(block, reals, base, local_ns)
    forced = block[FORCED_MODE]
    mode = forced if forced != AUTO else mode_after(reals, block[base + MODE], rate)
    block[base + MODE] = mode
    if mode != FULL:
        before, since = block[base + ASKED_MID], local_ns - block[base + ASKED_NS]
        moved = float(abs(mid - before)) * 1e4 >= reals[MOVE_BPS] * float(before)
        # A clock that went back must not silence a market.
        late = since >= block[QUIET_NS] or since < 0
        if not (moved or late) or (mode == LATCH and 0 <= since < block[LATCH_NS]):
            return False
    block[base + ASKED_MID] = mid
    block[base + ASKED_NS] = local_ns
    block[base + ASKS] += 1
    return True
