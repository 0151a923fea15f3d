"""How much of a cycle the books can bear: all legs walked together, then floored to lots leg by leg."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arbitrage.size.amount_kernels import (
    BALANCE,
    BELOW_THRESHOLD,
    COST,
    FEE_IN_QUOTE,
    FEE_PPM,
    GET_BEFORE,
    LEVEL,
    LEVELS,
    LOT_ATOMS,
    LOTS_BEFORE,
    LOTS_MAX,
    MADE,
    NO_DEPTH,
    NOT_PROFITABLE,
    NOTIONAL_MIN,
    NOTIONAL_TOO_SMALL,
    ONE_BOOK_TWICE,
    PAID_SWAP_PPM,
    PAY_BEFORE,
    PPM,
    PRICE,
    ROW_WIDTH,
    SIDE,
    SIZE_MAX,
    SIZE_MIN,
    SIZE_TOO_SMALL,
    SWAP_PPM,
    VENUE,
    affordable,
    at_level,
    charged,
    laid,
    level_get,
    level_pay,
    needed,
    scaled,
)
from arbitrage.size.sides import COUNT as SIDE_COUNT
from arbitrage.size.sides import DOUBT, DOUBT_TOO, START, TAKEN_MAX, TOUCH, TOUCH_LOTS
from hw.kernel import kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Words of `asked` for each leg: the count is -1 where the levels are to be read from the block, the balance
# where nothing bounds it.
MARKET, BUYS, COUNT, BALANCE_MAX = 0, 1, 2, 3
ASKED_WIDTH = 4
# Words of `told`: how it ended, what it earns beyond the threshold, the sums, then the best plan leg by leg.
REASON, FIGURE, LIMIT, WHICH, EARNED, IN, OUT, DUST, SWAP = range(9)
TOLD_HEAD = 9
# Columns of `plan[leg]`, and words of a leg in `told`.
SIZE, CAP, PAY, GET = 0, 1, 2, 3
PLAN_WIDTH = 4
STARTS_MAX = 12 * 4 + 3 * 16  # proposals: a few a leg, many on one, and the last steps
# Columns of `flow`.
RATE, BACK, LEFT, LOT_PAY, TAKEN = 0, 1, 2, 3, 4
FLOW_WIDTH = 5

FLOAT_EXACT = 1 << 50  # a float of so many lots may be one off: where a level ends is known better
DUST_PARTS = 100  # what is left over is sold some other time: a hundredth is written off
# Lots either side of the continuous size that are tried: a few on each leg of which a lot still counts,
# and many on the coarsest one, where a lot is a good part of the whole.
NEAR_LOTS, WIDE_LOTS, COARSE_LOTS, FINE_LOTS = 2, 8, 32, 10_000


@kernel
def dust_worth(legs: Ints, levels: Ints, plan: Ints, count: int) -> int:
    """Walk what flooring leaves over on down the books, to the asset of the start, and write part of it off.

    Never more than one lot's worth a leg: what a leg could not take for its size is not made up for here.
    """
    carried = 0
    for leg in range(1, count):
        lot, fee = legs[leg, LOT_ATOMS], legs[leg, FEE_PPM]
        in_quote = legs[leg, FEE_IN_QUOTE] != 0 and legs[leg, SIDE] > 0
        taken, got, k = plan[leg, SIZE], 0, legs[leg, LEVEL]
        if taken == levels[leg, k + 1, LOTS_BEFORE]:
            k += 1
        if k < legs[leg, LEVELS]:
            unit = lot if legs[leg, SIDE] < 0 else levels[leg, k, COST]
            unit += charged(unit, fee) if in_quote else 0
            carried += min(plan[leg - 1, GET] - plan[leg, PAY], unit)
        if in_quote:
            carried -= charged(carried, fee)
        while carried > 0 and k < legs[leg, LEVELS]:
            cost = levels[leg, k, COST]
            left = levels[leg, k + 1, LOTS_BEFORE] - taken
            selling = legs[leg, SIDE] < 0
            part = min(carried, left * (lot if selling else cost))
            got += scaled(part, cost, lot) if selling else scaled(part, lot, cost)
            carried -= part
            taken, k = levels[leg, k + 1, LOTS_BEFORE], k + 1
        carried = got if in_quote else got - charged(got, fee)
    kept: int = carried + -carried // DUST_PARTS
    return kept


@kernel
def walked(legs: Ints, levels: Ints, flow: Floats, count: int, threshold_ppm: int) -> float:
    """Walk all legs together to where the product at the margin meets the threshold; give the first product.

    Meanwhile TAKEN is where a leg's level ends; LEFT of it is not taken, which is set right in the end.
    """
    kept, goal, first, short, more = 1.0, 1.0 + threshold_ppm / PPM, 0.0, count, True
    for leg in range(count):
        kept -= legs[leg, SWAP_PPM] / PPM
        legs[leg, LEVEL] = -1
    while more:
        for leg in range(count):
            if leg == short or legs[leg, LEVEL] < 0:  # it enters its next level
                k = legs[leg, LEVEL] + 1
                before = levels[leg, k, LOTS_BEFORE] if k < legs[leg, LEVELS] else legs[leg, LOTS_MAX]
                if before >= legs[leg, LOTS_MAX]:
                    more = False
                    break
                end = min(levels[leg, k + 1, LOTS_BEFORE], legs[leg, LOTS_MAX])
                rest, cost = 1.0 - legs[leg, FEE_PPM] / PPM, float(levels[leg, k, COST])
                lot = float(legs[leg, LOT_ATOMS])
                pay, get = (lot, cost * rest) if legs[leg, SIDE] < 0 else (cost, lot * rest)
                if legs[leg, SIDE] > 0 and legs[leg, FEE_IN_QUOTE] != 0:
                    pay, get = cost * (2.0 - rest), lot
                legs[leg, LEVEL] = k
                flow[leg, RATE], flow[leg, BACK], flow[leg, LOT_PAY] = get / pay, pay / get, pay
                flow[leg, LEFT], flow[leg, TAKEN] = float(end - before) * pay, float(end)
        if not more:
            break
        unit, back, step = kept, 1.0, -1.0
        for leg in range(count):
            unit *= flow[leg, RATE]
            if step < 0.0 or flow[leg, LEFT] * back < step:
                step, short = flow[leg, LEFT] * back, leg
            back *= flow[leg, BACK]
        first = unit if first == 0.0 else first
        if unit <= goal:
            break
        for leg in range(count):
            flow[leg, LEFT] -= step
            step *= flow[leg, RATE]
        flow[short, LEFT] = 0.0
    for leg in range(count):
        flow[leg, TAKEN] -= max(0.0, flow[leg, LEFT]) / flow[leg, LOT_PAY]
    return first


@kernel
def proposed(legs: Ints, levels: Ints, flow: Floats, starts: Ints, count: int) -> int:
    """Note sizes of the first leg to try, each once: the fewest lots that bring a leg near its best size."""
    coarsest, found = 0, 0
    for leg in range(count):
        coarsest = leg if flow[leg, TAKEN] < flow[coarsest, TAKEN] else coarsest
    for pivot in range(count):
        near, level, ended = int(flow[pivot, TAKEN]), legs[pivot, LEVEL], False
        for place in range(3):
            edge = legs[pivot, LOTS_MAX] if place == 2 else levels[pivot, level + place, LOTS_BEFORE]
            if abs(edge - near) <= near // FLOAT_EXACT:
                near, ended = edge, True
        if pivot not in (0, coarsest) and near >= FINE_LOTS and not ended:
            continue
        reach = WIDE_LOTS if pivot == coarsest and near < COARSE_LOTS else NEAR_LOTS
        for wanted in range(near - reach + 1, near + reach + 1):
            lots = min(max(wanted, legs[pivot, SIZE_MIN]), legs[pivot, LOTS_MAX])
            if wanted not in (lots, near):
                continue
            for leg in range(pivot - 1, -1, -1):
                k = at_level(legs, levels, leg + 1, np.int64(LOTS_BEFORE), lots)
                over = lots - levels[leg + 1, k, LOTS_BEFORE]
                pay = level_pay(legs, leg + 1, levels[leg + 1, k, COST], over)
                lots = needed(legs, levels, leg, levels[leg + 1, k, PAY_BEFORE] + pay)
                if lots < 0 or lots > legs[leg, LOTS_MAX]:
                    lots = -1
                    break
            starts[found] = lots
            before = 0
            while starts[before] != lots:
                before += 1
            found += lots > 0 and before == found
    return found


@kernel
def planned(legs: Ints, levels: Ints, plan: Ints, count: int, lots: int) -> int:
    """Size every leg from what the one before it gives, into `plan`; give the leg that fails its minimums."""
    for leg in range(count):
        if leg > 0:
            lots = min(affordable(legs, levels, leg, plan[leg - 1, GET]), legs[leg, LOTS_MAX])
        plan[leg, SIZE] = lots
        if lots < legs[leg, SIZE_MIN]:
            return leg
        k = at_level(legs, levels, leg, np.int64(LOTS_BEFORE), lots)
        cost, over = levels[leg, k, COST], lots - levels[leg, k, LOTS_BEFORE]
        pay = levels[leg, k, PAY_BEFORE] + level_pay(legs, leg, cost, over)
        legs[leg, LEVEL] = k
        plan[leg, CAP], plan[leg, PAY] = levels[leg, k, PRICE], pay
        plan[leg, GET] = levels[leg, k, GET_BEFORE] + level_get(legs, leg, cost, over)
        # A venue may take the price cap or the best price for it: the lowest price walked is the lesser one.
        least = cost if legs[leg, SIDE] < 0 else levels[leg, 0, COST]
        if lots * least < legs[leg, NOTIONAL_MIN]:
            plan[leg, PAY] = lots * least
            return leg
    return -1


@kernel
def weighed(legs: Ints, plan: Ints, told: Ints, count: int, dust: int, threshold_ppm: int) -> None:
    """Weigh a plan after swaps, dust and the threshold, and keep it where it is the best yet.

    Its orders alone have to gain: dust may be too little to be sold, and is no profit by itself.
    """
    given, out, swap = plan[0, PAY], plan[count - 1, GET], 0
    asked = charged(given, threshold_ppm)
    for leg in range(count):
        swap += charged(max(given, out), legs[leg, SWAP_PPM])
    earned = out + dust - given - swap - asked
    if told[REASON] == MADE and earned <= told[EARNED]:
        return
    bare = out - given - swap
    if earned <= 0 or bare <= 0:
        if told[REASON] != MADE and (told[REASON] != BELOW_THRESHOLD or earned > told[EARNED]):
            told[REASON], told[WHICH], told[EARNED] = BELOW_THRESHOLD, -1, earned
            told[FIGURE], told[LIMIT] = (earned + asked, asked) if earned <= 0 else (bare, 0)
        return
    told[REASON], told[EARNED] = MADE, earned
    told[IN], told[OUT], told[DUST], told[SWAP] = given, out, dust, swap
    for leg in range(count):
        for column in range(PLAN_WIDTH):
            told[TOLD_HEAD + leg * PLAN_WIDTH + column] = plan[leg, column]


@kernel
def too_small(legs: Ints, plan: Ints, told: Ints, leg: int) -> None:
    """Note why a plan cannot be, where nothing better is known."""
    if told[REASON] == MADE or told[REASON] == BELOW_THRESHOLD:
        return
    told[WHICH] = leg
    if plan[leg, SIZE] < legs[leg, SIZE_MIN]:
        told[REASON], told[FIGURE], told[LIMIT] = SIZE_TOO_SMALL, plan[leg, SIZE], legs[leg, SIZE_MIN]
    else:
        told[REASON], told[FIGURE] = NOTIONAL_TOO_SMALL, plan[leg, PAY]
        told[LIMIT] = legs[leg, NOTIONAL_MIN]


@kernel
def read(block: Ints, places: Ints, market: int, way: int, books: Ints, leg: int) -> int:
    """Read the best levels that an order of a side would take, and give how many there are.

    A ticker may have told of a newer touch than the book has: what the book has before the touch is gone,
    and the touch itself is of the size that was told last.
    """
    if block[places[market, way, DOUBT]] != 0 or block[places[market, way, DOUBT_TOO]] != 0:
        return 0
    ticks, lots = block[places[market, way, TOUCH]], block[places[market, way, TOUCH_LOTS]]
    at, side, found = block[places[market, way, START]], 2 * way - 1, 0
    end = at + 2 * min(block[places[market, way, SIDE_COUNT]], TAKEN_MAX)
    if ticks > 0 and lots > 0 and (at == end or block[at] != ticks or block[at + 1] != lots):
        while at < end and (block[at] - ticks) * side <= 0:
            at += 2
        books[leg, 0, 0], books[leg, 0, 1], found = ticks, lots, 1
    while at < end:
        books[leg, found, 0], books[leg, found, 1] = block[at], block[at + 1]
        at, found = at + 2, found + 1
    return found


@kernel
def ready(
    block: Ints,
    places: Ints,
    rows: Ints,
    asked: Ints,
    books: Ints,
    legs: Ints,
    levels: Ints,
    told: Ints,
    count: int,
    amount_max: int,
    unit_max: int,
) -> bool:
    """Lay every leg out and bound its lots; false where one cannot have its least size."""
    for leg in range(count):
        at = leg * ASKED_WIDTH
        for column in range(ROW_WIDTH):
            legs[leg, column] = rows[asked[at + MARKET], asked[at + BUYS], column]
        legs[leg, LEVELS] = asked[at + COUNT]
        if asked[at + COUNT] < 0:
            legs[leg, LEVELS] = read(block, places, asked[at + MARKET], asked[at + BUYS], books, leg)
        told[WHICH], told[FIGURE], told[LIMIT] = leg, 0, legs[leg, SIZE_MIN]
        for before in range(leg):
            if asked[before * ASKED_WIDTH + MARKET] == asked[at + MARKET]:
                told[REASON], told[FIGURE], told[LIMIT] = ONE_BOOK_TWICE, before, 0
                return False
        told[REASON] = (
            laid(legs, books, levels, leg, amount_max, unit_max) if legs[leg, LEVELS] > 0 else NO_DEPTH
        )
        if told[REASON] != MADE:
            return False
        depth = legs[leg, LOTS_MAX]
        legs[leg, LOTS_MAX] = min(depth, legs[leg, SIZE_MAX])
        if legs[leg, LOTS_MAX] < legs[leg, SIZE_MIN]:
            told[REASON], told[FIGURE] = NO_DEPTH, depth
            return False
        if asked[at + BALANCE_MAX] >= 0:
            most = affordable(legs, levels, leg, asked[at + BALANCE_MAX])
            legs[leg, LOTS_MAX] = min(legs[leg, LOTS_MAX], most)
        if legs[leg, LOTS_MAX] < legs[leg, SIZE_MIN]:
            told[REASON], told[FIGURE] = BALANCE, legs[leg, LOTS_MAX]
            return False
    for leg in range(count):
        before = leg - 1 if leg > 0 else count - 1
        differs = legs[leg, VENUE] != legs[before, VENUE]
        legs[leg, SWAP_PPM] = legs[leg, PAID_SWAP_PPM] if differs else 0
    return True


@kernel(
    "void(int64[::1], int64[:, :, ::1], int64[:, :, ::1], int64[::1], int64[:, :, ::1], int64[:, ::1],"
    " int64[:, :, ::1], float64[:, ::1], int64[:, ::1], int64[::1], int64[::1], int64, int64, int64, int64)"
)
def size_cycle(
    block: Ints,
    places: Ints,
    rows: Ints,
    asked: Ints,
    books: Ints,
    legs: Ints,
    levels: Ints,
    flow: Floats,
    plan: Ints,
    starts: Ints,
    told: Ints,
    count: int,
    threshold_ppm: int,
    amount_max: int,
    unit_max: int,
) -> None:
    """Find the plan in whole lots that earns most beyond the threshold, into `told`.

    When all that is proposed was tried, it goes on by single lots for as long as that earns more.
    """
    if not ready(block, places, rows, asked, books, legs, levels, told, count, amount_max, unit_max):
        return
    first = walked(legs, levels, flow, count, threshold_ppm)
    told[WHICH] = -1
    if first <= 1.0 + threshold_ppm / PPM:
        told[REASON], told[LIMIT] = NOT_PROFITABLE, threshold_ppm
        told[FIGURE] = int(min((first - 1.0) * PPM // 1.0, 1e15))
        return
    told[REASON], told[FIGURE], told[EARNED] = SIZE_TOO_SMALL, 0, 0
    found, at, last = proposed(legs, levels, flow, starts, count), 0, -1
    end = found + 2 * WIDE_LOTS
    while at < found:
        small = planned(legs, levels, plan, count, starts[at])
        if small < 0:
            weighed(legs, plan, told, count, dust_worth(legs, levels, plan, count), threshold_ppm)
        else:
            too_small(legs, plan, told, small)
        at += 1
        best = told[TOLD_HEAD + SIZE]
        if at == found and told[REASON] == MADE and best != last and found < end:
            last = best
            for lots in (best - 1, best + 1):
                if 0 < lots <= legs[0, LOTS_MAX]:
                    starts[found] = lots
                    found += 1
