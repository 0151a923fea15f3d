"""Start a command that gives way to the processes that trade: `lowered.py NICE MEMORY_MB COMMAND...`."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def lower(nice: int, memory_mb: int) -> None:
    """Take a low rank, keep to the memory, and end with whoever started this; what it starts inherits all."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


if __name__ == "__main__":
    lower(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
