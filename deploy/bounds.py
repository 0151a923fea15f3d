"""What a process beside the nodes may take: few cores, none of them a node's own, and so much memory."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterable
from pathlib import Path

from domain.errors import ExitCode, SwarmError

_PAGE = os.sysconf("SC_PAGE_SIZE")
MB = 1 << 20


def cores_left(allowed: Iterable[int], taken: Iterable[int], most: int) -> tuple[int, ...]:
    """Choose so many cores at most, the last ones, and none that a node has for itself.

    >>> cores_left(range(8), [6, 7], 2)
    (4, 5)
    >>> cores_left([0], [0], 2)  # there is no other
    (0,)
    """
    every = sorted(allowed)
    free = [core for core in every if core not in set(taken)] or every
    return tuple(free[-most:])


def resident_mb(statm: Path = Path("/proc/self/statm")) -> int:
    """Give how much memory this process holds."""
    return int(statm.read_text().split()[1]) * _PAGE // MB


def check_memory(most_mb: int, who: str) -> None:
    """Give back what is not needed once the bound is passed; end with one line where that is not enough."""
    if resident_mb() <= most_mb:
        return
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)
    held_mb = resident_mb()
    if held_mb > most_mb:
        raise out_of_memory(f"it holds {held_mb} MB, over its {most_mb} MB", who)


def out_of_memory(what: str, who: str) -> SwarmError:
    """Give the line with which a process ends that has used up its memory: what starts it anew goes on."""
    return SwarmError(
        what,
        where=who,
        mend="it goes on from where it was when it is started anew; grant it more with --memory-mb",
        code=ExitCode.OUT_OF_MEMORY,
        retryable=True,
    )
