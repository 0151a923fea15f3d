"""Why something that looks like an arbitrage is not believed."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class RejectReason(IntEnum):
    """Name every reason; what each figure and limit counts stands beside it."""

    NO_QUOTE = 0  # a side of the book is empty
    NOT_A_NUMBER = 1  # not a finite whole number
    NEGATIVE = 2
    ABSURD = 3  # beyond what integers of a market can be, ticks or lots
    CROSSED = 4  # the bid is not below the ask: ticks
    WIDE = 5  # the spread: bps of mid
    JUMP = 6  # the mid against where it was: bps
    STALE = 7  # age of the quote: ns
    AGE_SPREAD = 8  # oldest less youngest quote of the legs: ns
    FLICKER = 9  # reversals of the size at the touch, less what drained
    FROZEN = 10  # a market that stands still while its asset moves: bps moved
    FROZEN_VENUE = 11  # a venue that stands still while others move: ns
    DEVIATION = 12  # from the median over markets: bps
    OTHER_ASSET = 13  # far off for long: another asset under this name: bps
    OFF_PEG = 14  # stable coins of one peg that are not near-equal: bps
    TWO_CYCLE = 15  # there and back on one venue for a profit: bps
    PERSISTENT = 16  # the route has been profitable for too long: ns
    TOO_GOOD = 17  # more profit than markets give: bps
    FEE_CHANGED = 18  # ppm now, ppm before
    BAD_FEE = 19  # no rate that an account can have: ppm
    QUIET = 20  # the market has not been heard at all


class Rejection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Say what was refused: the figure that was met, the limit that it broke, the market that broke it.

    `market` is -1 where no single one is to blame.
    """

    reason: RejectReason
    figure: float
    limit: float
    market: int
