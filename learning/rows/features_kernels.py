"""Keep what features are made of, O(1) a tick: decayed sums, a ring of mids by quarter seconds, last levels.

Windows are those of schema "f1" and change only with it. Sums decay to the time of an event when it comes
and, without being changed, to the time of a question, so that asking more often changes nothing. Mids stay
as they were at the end of each quarter second: what two ticks skipped is filled in by the next one.
Constants are handed on as `int(CONSTANT)`: numba would compile a callee anew for each literal.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

LEVELS = 5
SEEN_NS, START_NS, BUCKET, MOVED_NS, TICKS, FLOW_NS, LAST_NS = 0, 1, 2, 3, 4, 5, 6
PREVIOUS = 8  # then, per level, bid ticks, bid lots, ask ticks, ask lots of the tick before
INT_WORDS = PREVIOUS + 4 * LEVELS
OFI, FLOW_FAST, FLOW_SLOW, DEPTH, DEPTH_NOW, MEAN, VARIANCE, MID, NEAR, FAR, MICRO, SPREAD = (
    0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
)  # fmt: skip
RING = 16
RING_SLOTS = 128
REAL_WORDS = RING + RING_SLOTS

NS = 1e-9
BUCKET_NS, BUCKETS_S = 250_000_000, 4
OFI_S, FLOW_FAST_S, FLOW_SLOW_S, DEPTH_S, MEAN_S, VARIANCE_S = 2.0, 1.0, 5.0, 30.0, 60.0, 30.0
KEEP = exp(-1.0 / (VARIANCE_S * BUCKETS_S))
TICKS_MIN = 20
LOTS_MIN = 1e-9
UPWARDS, DOWNWARDS = 1, -1
NEAR_S, MIDDLE_S, FAR_S = 1, 5, 30

FLOW_MAX, BPS_MAX, VOLATILITY_MAX, SPREAD_MAX = 20.0, 200.0, 100.0, 100.0


@kernel
def clip(value: float, most: float) -> float:
    """Keep a value within bounds."""
    return min(most, max(-most, value))


@kernel
def level_flow(before_ticks: int, before_lots: int, ticks: int, lots: int, better: int) -> int:
    """Tell what was added to one level of one side since the tick before; `better` is a better price's sign.

    Cont, Kukanov and Stoikov (Journal of Financial Econometrics 12, 2014), a level at a time as in Xu, Gould
    and Howison (Market Microstructure and Liquidity 4, 2018). A level that is not there, before or now, says
    nothing.
    """
    if before_ticks == 0 or ticks == 0:
        return 0
    if ticks == before_ticks:
        return lots - before_lots
    return lots if (ticks - before_ticks) * better > 0 else -before_lots


@kernel
def roll(ints: Ints, reals: Reals, now_ns: int) -> None:
    """Close the quarter seconds that are over: the mid that stood, and its move."""
    bucket = now_ns // BUCKET_NS
    mid = reals[MID]
    while ints[BUCKET] < bucket:
        place = ints[BUCKET] % RING_SLOTS
        move = log(mid / reals[RING + (ints[BUCKET] - 1) % RING_SLOTS]) * 1e4
        reals[VARIANCE] = reals[VARIANCE] * KEEP + move * move
        reals[RING + place] = mid
        ints[BUCKET] += 1


@kernel
def begin(ints: Ints, reals: Reals, now_ns: int, mid: float) -> None:
    """Forget everything: windows begin now."""
    ints[:] = 0
    reals[:] = 0.0
    ints[START_NS], ints[MOVED_NS], ints[BUCKET] = now_ns, now_ns, now_ns // BUCKET_NS
    reals[MEAN], reals[MID] = mid, mid
    reals[RING:] = mid


@kernel("void(int64[::1], float64[::1], int64, int64, int64, int64, int64, int64, int64[::1], int64[::1])")
def see_tick(
    ints: Ints,
    reals: Reals,
    gap_ns: int,
    now_ns: int,
    bid: int,
    bid_lots: int,
    ask: int,
    ask_lots: int,
    bids: Ints,
    asks: Ints,
) -> None:
    """Take a touch and the book's levels as flat (ticks, lots), best first; the touch is the first level."""
    if bid <= 0 or ask <= bid or bid_lots <= 0 or ask_lots <= 0:
        return
    mid = 0.5 * (bid + ask)
    first = ints[TICKS] == 0 or now_ns - ints[SEEN_NS] > gap_ns
    if first:
        begin(ints, reals, now_ns, mid)
    else:
        now_ns = max(now_ns, ints[SEEN_NS])
        roll(ints, reals, now_ns)
        elapsed_s = (now_ns - ints[SEEN_NS]) * NS
        keep = exp(-elapsed_s / OFI_S)
        for level in range(LEVELS):
            reals[OFI + level] *= keep
        reals[MEAN] += (reals[MID] - reals[MEAN]) * (1.0 - exp(-elapsed_s / MEAN_S))
        reals[DEPTH] += (reals[DEPTH_NOW] - reals[DEPTH]) * (1.0 - exp(-elapsed_s / DEPTH_S))
        if mid != reals[MID]:
            ints[MOVED_NS] = now_ns
    below, above, counted = 0, 0, 0
    for level in range(LEVELS):
        bid_at = bids[2 * level] if 2 * level < len(bids) else 0
        bid_size = bids[2 * level + 1] if 2 * level < len(bids) else 0
        ask_at = asks[2 * level] if 2 * level < len(asks) else 0
        ask_size = asks[2 * level + 1] if 2 * level < len(asks) else 0
        if level == 0:
            bid_at, bid_size, ask_at, ask_size = bid, bid_lots, ask, ask_lots
        at = PREVIOUS + 4 * level
        if not first:
            below_flow = level_flow(ints[at], ints[at + 1], bid_at, bid_size, int(UPWARDS))
            above_flow = level_flow(ints[at + 2], ints[at + 3], ask_at, ask_size, int(DOWNWARDS))
            reals[OFI + level] += below_flow - above_flow
        ints[at], ints[at + 1], ints[at + 2], ints[at + 3] = bid_at, bid_size, ask_at, ask_size
        below += bid_size
        above += ask_size
        counted += (1 if bid_at > 0 else 0) + (1 if ask_at > 0 else 0)
    reals[DEPTH_NOW] = (below + above) / counted
    if first:
        reals[DEPTH] = reals[DEPTH_NOW]
    near = (bid_lots - ask_lots) / (bid_lots + ask_lots)
    spread_bps = (ask - bid) / mid * 1e4
    reals[NEAR], reals[FAR] = near, (below - above) / (below + above)
    reals[SPREAD], reals[MICRO], reals[MID] = spread_bps, 0.5 * near * spread_bps, mid
    ints[SEEN_NS] = now_ns
    ints[TICKS] += 1


@kernel("void(int64[::1], float64[::1], int64, int64, int64)")
def see_trade(ints: Ints, reals: Reals, now_ns: int, lots: int, aggressor: int) -> None:
    """Take a trade, signed by its taker's side."""
    now_ns = max(now_ns, ints[FLOW_NS])
    elapsed_s = (now_ns - ints[FLOW_NS]) * NS
    reals[FLOW_FAST] = reals[FLOW_FAST] * exp(-elapsed_s / FLOW_FAST_S) + lots * aggressor
    reals[FLOW_SLOW] = reals[FLOW_SLOW] * exp(-elapsed_s / FLOW_SLOW_S) + lots * aggressor
    ints[FLOW_NS] = now_ns


@kernel
def moved_bps(ints: Ints, reals: Reals, seconds: int) -> float:
    """Tell how far the mid came since the end of the quarter second that lies that long back."""
    then = reals[RING + (ints[BUCKET] - 1 - seconds * BUCKETS_S) % RING_SLOTS]
    return log(reals[MID] / then) * 1e4


@kernel("boolean(int64[::1], float64[::1], int64, int64, int64, float32[::1])")
def write_vector(
    ints: Ints, reals: Reals, gap_ns: int, warm_ns: int, now_ns: int, out: NDArray[np.float32]
) -> bool:
    """Write the features as of a time; False while they are not warm, or no tick came for too long."""
    seen_ns = ints[SEEN_NS]
    if ints[TICKS] < TICKS_MIN or now_ns - ints[START_NS] < warm_ns or now_ns - seen_ns > gap_ns:
        return False
    now_ns = max(now_ns, seen_ns)
    roll(ints, reals, now_ns)
    elapsed_s, flow_s = (now_ns - seen_ns) * NS, max(0, now_ns - ints[FLOW_NS]) * NS
    depth = reals[DEPTH] + (reals[DEPTH_NOW] - reals[DEPTH]) * (1.0 - exp(-elapsed_s / DEPTH_S))
    share = 1.0 / max(depth, LOTS_MIN)
    flow = share * exp(-elapsed_s / OFI_S)
    for level in range(3):
        out[level] = clip(reals[OFI + level] * flow, FLOW_MAX)
    out[3] = clip((reals[OFI + 3] + reals[OFI + 4]) * flow, FLOW_MAX)
    out[4], out[5] = reals[NEAR], reals[FAR]
    out[6], out[7] = clip(reals[MICRO], SPREAD_MAX), min(reals[SPREAD], SPREAD_MAX)
    out[8] = clip(moved_bps(ints, reals, int(NEAR_S)), BPS_MAX)
    out[9] = clip(moved_bps(ints, reals, int(MIDDLE_S)), BPS_MAX)
    out[10] = clip(moved_bps(ints, reals, int(FAR_S)), BPS_MAX)
    closed = ints[BUCKET] - ints[START_NS] // BUCKET_NS
    weights = (1.0 - KEEP**closed) / (1.0 - KEEP)
    out[11] = min(sqrt(max(0.0, reals[VARIANCE]) / max(weights, 1.0) * BUCKETS_S), VOLATILITY_MAX)
    out[12] = clip(reals[FLOW_FAST] * share * exp(-flow_s / FLOW_FAST_S), FLOW_MAX)
    out[13] = clip(reals[FLOW_SLOW] * share * exp(-flow_s / FLOW_SLOW_S), FLOW_MAX)
    out[14] = log1p((now_ns - ints[MOVED_NS]) * NS)
    mean = reals[MEAN] + (reals[MID] - reals[MEAN]) * (1.0 - exp(-elapsed_s / MEAN_S))
    out[15] = clip(log(reals[MID] / mean) * 1e4, BPS_MAX)
    return True
