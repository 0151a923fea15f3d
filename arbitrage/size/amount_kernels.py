"""Amounts along one leg's side of a book: what so many lots take and leave, and how many an amount makes.

Amounts stay within `AMOUNT_MAX` atoms a leg (levels beyond are cut off) and one lot within `UNIT_MAX` atoms
of either asset, so that nothing here can exceed an int64. Of a book that is cut a leg takes half as much at
most: what is left over is walked on beyond it, and must meet no end that the book does not have.
`levels[leg, k]` holds level k (price, lots), what one lot costs there, and lots, pay and get before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.kernel import kernel

Ints = NDArray[np.int64]

# Columns of `legs`: what a side of a market is, as given …
SIDE, LOT_ATOMS, TICK_LOT_ATOMS, FEE_PPM, FEE_IN_QUOTE, SIZE_MIN, SIZE_MAX, NOTIONAL_MIN = range(8)
VENUE, PAID_SWAP_PPM = 8, 9
ROW_WIDTH = 10
# … and what is found: levels, swap cost, the most lots that depth, maximum and balance allow, where it ends.
LEVELS, SWAP_PPM, LOTS_MAX, LEVEL = 10, 11, 12, 13
LEG_WIDTH = 14
PRICE, LOTS, COST, LOTS_BEFORE, PAY_BEFORE, GET_BEFORE = range(6)
LEVEL_WIDTH = 6

(
    MADE,
    NOT_PROFITABLE,
    NO_DEPTH,
    BALANCE,
    SIZE_TOO_SMALL,
    NOTIONAL_TOO_SMALL,
    BELOW_THRESHOLD,
    BAD_BOOK,
    OUT_OF_BOUNDS,
    ONE_BOOK_TWICE,
) = range(10)

PPM = 1_000_000
AMOUNT_MAX = 1 << 61
UNIT_MAX = 1 << 56


@kernel
def charged(amount: int, ppm: int) -> int:
    """Give a fee of an amount, rounded up, without the product of both."""
    whole = amount // PPM
    return whole * ppm - (-(amount - whole * PPM) * ppm) // PPM


@kernel
def scaled(amount: int, by: int, over: int) -> int:
    """Give amount × by / over, rounded down: guessed in floats, then set right; the products may wrap."""
    whole = amount // over
    rest = amount - whole * over
    guess = int(float(rest) * float(by) / float(over))
    error = int(rest) * int(by) - guess * int(over)
    scaled_down: int = whole * by + guess + error // over
    return scaled_down


@kernel
def level_pay(legs: Ints, leg: int, cost: int, lots: int) -> int:
    """Give what so many lots of one level take of the asset given."""
    if legs[leg, SIDE] < 0:
        base: int = lots * legs[leg, LOT_ATOMS]
        return base
    notional = lots * cost
    if legs[leg, FEE_IN_QUOTE] != 0:
        notional += charged(notional, legs[leg, FEE_PPM])
    return notional


@kernel
def level_get(legs: Ints, leg: int, cost: int, lots: int) -> int:
    """Give what so many lots of one level leave of the asset received, after the fee."""
    received = lots * (cost if legs[leg, SIDE] < 0 else legs[leg, LOT_ATOMS])
    if legs[leg, SIDE] > 0 and legs[leg, FEE_IN_QUOTE] != 0:
        return received
    return received - charged(received, legs[leg, FEE_PPM])


@kernel
def laid(legs: Ints, books: Ints, levels: Ints, leg: int, amount_max: int, unit_max: int) -> int:
    """Lay out a leg's levels with their sums, cut off where amounts would grow beyond their bound."""
    side, lot, tick_lot = legs[leg, SIDE], legs[leg, LOT_ATOMS], legs[leg, TICK_LOT_ATOMS]
    fee = legs[leg, FEE_PPM]
    price_max, cut = unit_max // tick_lot, False
    if lot > unit_max or fee >= PPM or fee <= -PPM:
        return OUT_OF_BOUNDS
    lots, pay, get, count, half = 0, 0, 0, legs[leg, LEVELS], -1
    for k in range(count):
        price, here = books[leg, k, PRICE], books[leg, k, LOTS]
        if price <= 0 or here <= 0 or (k > 0 and (price - books[leg, k - 1, PRICE]) * side < 0):
            return BAD_BOOK
        if price > price_max:
            return OUT_OF_BOUNDS
        cost = price * tick_lot
        levels[leg, k, COST], levels[leg, k, LOTS_BEFORE] = cost, lots
        levels[leg, k, PAY_BEFORE], levels[leg, k, GET_BEFORE] = pay, get
        unit, left = max(cost, lot), amount_max - max(pay, get)
        unit += charged(unit, abs(fee))
        if half < 0 and float(here) * unit > left - amount_max // 2:
            half = lots + max(0, min(here, (left - amount_max // 2) // unit))
        if float(here) * unit > left:
            here, count, cut = min(here, left // unit), k + 1, True
        levels[leg, k, PRICE], levels[leg, k, LOTS] = price, here
        lots += here
        pay += level_pay(legs, leg, cost, here)
        get += level_get(legs, leg, cost, here)
        if count == k + 1:
            break
    legs[leg, LEVELS], legs[leg, LOTS_MAX] = count, half if cut else lots
    levels[leg, count, LOTS_BEFORE], levels[leg, count, PAY_BEFORE] = lots, pay
    levels[leg, count, GET_BEFORE] = get
    return MADE if lots > 0 else NO_DEPTH


@kernel
def at_level(legs: Ints, levels: Ints, leg: int, column: np.int64, amount: int) -> int:
    """Name the first level that carries a sum up to an amount or beyond; the last where none does.

    A column is given as an int64, or it would be compiled once for each.
    """
    k, last = 0, legs[leg, LEVELS] - 1
    while k < last and levels[leg, k + 1, column] < amount:
        k += 1
    return k


@kernel
def affordable(legs: Ints, levels: Ints, leg: int, have: int) -> int:
    """Give the most lots that an amount of the asset given pays for."""
    k = at_level(legs, levels, leg, np.int64(PAY_BEFORE), have)
    rest, cost = have - levels[leg, k, PAY_BEFORE], levels[leg, k, COST]
    if legs[leg, SIDE] < 0:
        lots = rest // legs[leg, LOT_ATOMS]
    else:
        if legs[leg, FEE_IN_QUOTE] != 0:  # the most whose fee, rounded up, is paid as well
            over = PPM + legs[leg, FEE_PPM]
            rest = rest // over * PPM + rest % over * PPM // over
        lots = rest // cost
    most: int = levels[leg, k, LOTS_BEFORE] + min(lots, levels[leg, k, LOTS])
    return most


@kernel
def needed(legs: Ints, levels: Ints, leg: int, want: int) -> int:
    """Give the fewest lots that leave so much of the asset received; -1 where the depth does not."""
    if levels[leg, legs[leg, LEVELS], GET_BEFORE] < want:
        return -1
    k = at_level(legs, levels, leg, np.int64(GET_BEFORE), want)
    rest, cost = want - levels[leg, k, GET_BEFORE], levels[leg, k, COST]
    if legs[leg, SIDE] < 0 or legs[leg, FEE_IN_QUOTE] == 0:  # the least that is enough after a fee rounded up
        kept = PPM - legs[leg, FEE_PPM]
        rest = rest // kept * PPM - (-(rest % kept) * PPM) // kept
    unit = cost if legs[leg, SIDE] < 0 else legs[leg, LOT_ATOMS]
    lots = -(-rest // unit)
    fewest: int = levels[leg, k, LOTS_BEFORE] + lots
    return fewest
