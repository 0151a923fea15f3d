"""How far a market's data can be believed, with counted reasons."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from market import quality_kernels as k


class Level(IntEnum):
    """How far what a venue last said of a market can be believed."""

    OK = k.OK
    SUSPECT = k.SUSPECT
    REJECT = k.REJECT


class Reason(IntEnum):
    """Why a row was not simply believed."""

    OUT_OF_ORDER = k.OLD
    DUPLICATE = k.TWICE
    GAP = k.HOLE
    CROSSED = k.CROSSING
    ZERO = k.ZERO
    OFF_MEDIAN = k.OFF_MEDIAN
    FROZEN = k.STILL
    CLOCK_SKEW = k.SKEWED
    MALFORMED = k.MALFORMED
    CHECKSUM = k.HASH


class Quality(msgspec.Struct, frozen=True):
    """A market's level, and how often each reason was met; reasons never met are left out."""

    level: Level
    counts: dict[Reason, int]


class VenueClock(msgspec.Struct, frozen=True):
    """What a venue's clock was found to be: our time at arrival less the venue's, at the least."""

    measured: bool
    offset_ns: int
    drift_ppb: float
    jumps: int
