"""How ticks are chosen about which strategies are asked."""

from __future__ import annotations

from enum import IntEnum

from market import significance_kernels as k


class Mode(IntEnum):
    """Ask about every tick, about those that matter, or about those that matter at intervals."""

    FULL = k.FULL
    SMART = k.SMART
    LATCH = k.LATCH
