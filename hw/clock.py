"""Time: the only place that reads the machine's clocks."""

from __future__ import annotations

import time

perf_ns = time.perf_counter_ns
monotonic_ns = time.monotonic_ns


class SystemClock:
    """Tell wall time that runs at the monotonic clock's pace and never goes back.

    The wall clock is read once, at the start. It is never anchored again while the process lives: whoever
    sets the machine's clock cannot move our leases and time-outs, and `step_ns` tells by how much it was
    moved, for an alarm. A restarted process takes the new wall time, but not one before `floor_ns`
    (give it the last time in the journal), so time does not go back over a restart either.
    """

    __slots__ = ("_offset_ns", "_wall_offset_ns")

    def __init__(self, floor_ns: int = 0) -> None:
        monotonic = time.monotonic_ns()
        self._wall_offset_ns = time.time_ns() - monotonic
        self._offset_ns = max(self._wall_offset_ns, floor_ns - monotonic)

    def now_ns(self) -> int:
        """Give nanoseconds since the Unix epoch."""
        return self._offset_ns + time.monotonic_ns()

    def step_ns(self) -> int:
        """Tell how far the wall clock has jumped against the monotonic one since the start."""
        return time.time_ns() - time.monotonic_ns() - self._wall_offset_ns


class VirtualClock:
    """Tell the time that it was told, for simulations and tests.

    >>> clock = VirtualClock(5)
    >>> clock.advance(10)
    >>> clock.now_ns()
    15
    """

    __slots__ = ("_now_ns",)

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Give the time last set."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move to a time that is not before the current one."""
        assert now_ns >= self._now_ns, f"time cannot go back from {self._now_ns} to {now_ns}"
        self._now_ns = now_ns

    def advance(self, duration_ns: int) -> None:
        """Let time pass."""
        self.set(self._now_ns + duration_ns)

    def step_ns(self) -> int:
        """Tell that virtual time never jumps."""
        return 0
