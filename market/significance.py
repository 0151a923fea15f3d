"""Which ticks strategies are asked about."""

from __future__ import annotations

from enum import IntEnum

from market import significance_kernels as k


class Mode(IntEnum):
    """How ticks are chosen: every one, those that matter, or those that matter at intervals."""

    FULL = k.FULL
    SMART = k.SMART
    LATCH = k.LATCH
