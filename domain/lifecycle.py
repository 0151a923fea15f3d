"""The states of an agent's life."""

from __future__ import annotations

from enum import IntEnum


class Lifecycle(IntEnum):
    """WARMING fills its rings, STANDBY waits for a lease, ACTIVE trades, REDUCE_ONLY shrinks, HALTED waits for a human."""

    WARMING = 0
    STANDBY = 1
    ACTIVE = 2
    REDUCE_ONLY = 3
    HALTED = 4
