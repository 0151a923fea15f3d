"""A snapshot by a forked child: the loop pays for the fork alone, however large the state is."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable

CHILD_NICE = 5
_KEPT_OPEN = 3


def forked(work: Callable[[], None]) -> int:
    """Do work on this very moment's memory in a child of low priority, and give its process id.

    The child has nothing of ours but memory: it closes every descriptor (sockets, the journal and its lock)
    before anything else, hears no signal that is meant for us, and runs nothing at its exit. Threads are not
    in it: what they were about to do must be waited for before.
    """
    process = os.fork()
    if process != 0:
        return process
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(_KEPT_OPEN, os.sysconf("SC_OPEN_MAX"))
        _make_way()
        work()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def _make_way() -> None:
    """Leave our own cores and priority to us, as far as the system lets a child choose."""
    os.nice(CHILD_NICE)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    if others:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, others)


def ended_well(process: int) -> bool:
    """Wait for a child, and tell whether it did its work."""
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status) == 0
