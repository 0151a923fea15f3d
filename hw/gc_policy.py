"""When Python may look for garbage: never between a tick and its order."""

from __future__ import annotations

import gc
from collections.abc import Callable

from hw.clock import monotonic_ns

NS_PER_S = 1_000_000_000
# (generation, collect when idle after, collect even when busy after)
_PLAN = (
    (0, 1 * NS_PER_S, 5 * NS_PER_S),
    (1, 10 * NS_PER_S, 60 * NS_PER_S),
    (2, 60 * NS_PER_S, 600 * NS_PER_S),
)


class GcPolicy:
    """Freeze what warm-up made, switch automatic collection off, and collect when told to be idle.

    Bound: cyclic garbage lives at most 5 s in generation 0, 60 s in 1 and 600 s in 2, as long as
    `collect_when_idle` is called at least once a second; a call collects one generation at most. What
    was frozen is never looked at again, so collections stay as small as what the run itself made.
    """

    def __init__(self, clock_ns: Callable[[], int] = monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._last_ns = [clock_ns()] * len(_PLAN)
        self.collections = [0] * len(_PLAN)

    def freeze(self) -> None:
        """Take over after warm-up: what lives now is kept out of every later collection."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._last_ns = [self._clock_ns()] * len(_PLAN)

    def collect_when_idle(self, idle: bool = True) -> int | None:
        """Collect the oldest generation that is due, and give its number; busy waits until overdue."""
        now_ns = self._clock_ns()
        for generation, due_ns, overdue_ns in reversed(_PLAN):
            if now_ns - self._last_ns[generation] >= (due_ns if idle else overdue_ns):
                return self._collected(generation, now_ns)
        return None

    def release(self) -> None:
        """Give collection back to Python, for the end of a process and for tests."""
        gc.unfreeze()
        gc.enable()

    def _collected(self, generation: int, now_ns: int) -> int:
        gc.collect(generation)
        self.collections[generation] += 1
        for younger in range(generation + 1):
            self._last_ns[younger] = now_ns
        return generation
