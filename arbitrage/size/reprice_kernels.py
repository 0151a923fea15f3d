"""Price a ticket again from its sizes alone: the second opinion of what may be sent, compiled.

It shares no code with the search, reads the books by itself and checks its own bounds. `reprice.reprice`,
which is plain Python on integers of any size, is what it is held against in tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arbitrage.size.sides import COUNT, DOUBT, DOUBT_TOO, START, TAKEN_MAX, TOUCH, TOUCH_LOTS
from hw.kernel import kernel

Ints = NDArray[np.int64]

# Columns of `rules[market]`: the swap costs are of the quote, which a BUY pays, and of the base.
LOT, TICK_LOT, FEE, QUOTE_FEE, VENUE, SWAP_QUOTE, SWAP_BASE = range(7)
RULE_WIDTH = 7
# Words of a leg in `asked`, and what `told` begins with and has of every leg.
MARKET, SIDE, LOTS, ASKED_WIDTH = 0, 1, 2, 3
GIVEN, GOT, DUST, SWAP, TOLD_HEAD = 0, 1, 2, 3, 4
CAP, PAY, GET, TOLD_WIDTH = 0, 1, 2, 3
EQUAL_TERMS, UNBEARABLE, TOO_LARGE = 0, 1, 2

MILLION, DUST_LOST_PPM = 1_000_000, 10_000
ROOM = float(1 << 61)  # no amount of a ticket is larger, so that no sum of two leaves an int64


@kernel
def toll(amount: int, ppm: int) -> int:
    """Give a share in ppm of an amount, rounded up, whole millions apart so that nothing grows too large."""
    millions, rest = amount // MILLION, amount % MILLION
    return millions * ppm + (rest * ppm + MILLION - 1) // MILLION


@kernel
def share(amount: int, by: int, of: int) -> int:
    """Give amount × by / of, rounded down, digit by digit: no product is ever written out."""
    whole, rest = amount // of, amount % of
    quotient, left, digit = 0, 0, np.int64(1) << 60
    while digit > 0:
        quotient, left = 2 * quotient, 2 * left
        if by & digit != 0:
            left += rest
        while left >= of:
            left -= of
            quotient += 1
        digit >>= 1
    return whole * by + quotient


@kernel("int64(int64[::1], int64[:, :, ::1], int64[:, ::1], int64[::1], int64[::1], int64)")
def reprice_legs(block: Ints, places: Ints, rules: Ints, asked: Ints, told: Ints, count: int) -> int:
    """Fill every leg from the best level on, and walk on with what is left over, into `told`."""
    dust, given, came, swap_legs = 0, 0, 0, 0
    for leg in range(count):
        market, side, lots = asked[3 * leg + MARKET], asked[3 * leg + SIDE], asked[3 * leg + LOTS]
        way = 1 if side > 0 else 0
        lot, tick_lot, fee = rules[market, LOT], rules[market, TICK_LOT], rules[market, FEE]
        fee_paid = side > 0 and rules[market, QUOTE_FEE] != 0
        if block[places[market, way, DOUBT]] != 0 or block[places[market, way, DOUBT_TOO]] != 0:
            return UNBEARABLE
        price, here = block[places[market, way, TOUCH]], block[places[market, way, TOUCH_LOTS]]
        level = block[places[market, way, START]]
        last = level + 2 * (min(block[places[market, way, COUNT]], TAKEN_MAX) - 1)
        newer = price > 0 and here > 0
        if newer and level <= last and block[level] == price and block[level + 1] == here:
            newer = False
        while newer and level <= last and (block[level] - price) * side <= 0:
            level += 2
        if not newer:
            if level > last:
                return UNBEARABLE
            price, here, level = block[level], block[level + 1], level + 2
        wanted, pay, get, cap = lots, 0, 0, 0
        while wanted > 0:
            if here == 0:
                if level > last:
                    return UNBEARABLE
                price, here, level = block[level], block[level + 1], level + 2
            part, cap = min(wanted, here), price
            if float(part) * lot > ROOM or float(part) * price * tick_lot > ROOM:
                return TOO_LARGE
            base, worth = part * lot, part * price * tick_lot
            if side > 0:
                pay += worth + (toll(worth, fee) if fee_paid else 0)
                get += base - (0 if fee_paid else toll(base, fee))
            else:
                pay += base
                get += worth - toll(worth, fee)
            if max(float(pay), float(get)) > ROOM:
                return TOO_LARGE
            wanted, here = wanted - part, here - part
        if leg == 0:
            given = pay
        elif pay > came:
            return UNBEARABLE
        else:
            # What the legs before left over goes the same way; of this one's own no more than a lot's worth.
            if here == 0 and level <= last:
                price, here, level = block[level], block[level + 1], level + 2
            if here == 0:
                dust = 0
            else:
                one = price * tick_lot if side > 0 else lot
                dust += min(came - pay, one + (toll(one, fee) if fee_paid else 0))
                dust -= toll(dust, fee) if fee_paid else 0
                sold = 0
                while True:
                    if float(price) * tick_lot > ROOM or float(dust) > ROOM:
                        return TOO_LARGE
                    one, gives = (price * tick_lot, lot) if side > 0 else (lot, price * tick_lot)
                    part = dust if here > dust // one else here * one
                    if float(part) * gives / one > ROOM:
                        return TOO_LARGE
                    sold, dust = sold + share(part, gives, one), dust - part
                    if dust == 0 or level > last:
                        break
                    price, here, level = block[level], block[level + 1], level + 2
                dust = sold if fee_paid else sold - toll(sold, fee)
        told[TOLD_HEAD + 3 * leg + CAP] = cap
        told[TOLD_HEAD + 3 * leg + PAY] = pay
        told[TOLD_HEAD + 3 * leg + GET] = get
        came = get
    told[GIVEN], told[GOT], told[DUST] = given, came, dust - toll(dust, DUST_LOST_PPM)
    before = rules[asked[3 * (count - 1) + MARKET], VENUE]
    for leg in range(count):
        market = asked[3 * leg + MARKET]
        if rules[market, VENUE] != before:
            ppm = rules[market, SWAP_QUOTE] if asked[3 * leg + SIDE] > 0 else rules[market, SWAP_BASE]
            swap_legs += toll(max(given, came), ppm)
        before = rules[market, VENUE]
    told[SWAP] = swap_legs
    return EQUAL_TERMS
