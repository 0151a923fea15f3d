"""The states of an agent's life."""

from __future__ import annotations

from enum import IntEnum


class Lifecycle(IntEnum):
    """WARMING fills rings, STANDBY waits for a lease, REDUCE_ONLY shrinks, HALTED waits for a human."""

    WARMING = 0
    STANDBY = 1
    ACTIVE = 2
    REDUCE_ONLY = 3
    HALTED = 4
