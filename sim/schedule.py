"""Virtual time: what happens next, in an order that only the seed decides."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class Schedule:
    """Hold what is to happen. Things due at the same time happen in the order in which they were put in."""

    __slots__ = ("_due", "_numbers", "now_ns")

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self._due: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._numbers = count()

    def put(self, at_ns: int, call: Callable[[Any], None], argument: Any = None) -> None:
        """Call something at a time; the past is our own mistake."""
        assert at_ns >= self.now_ns, f"{at_ns} is before {self.now_ns}"
        heapq.heappush(self._due, (at_ns, next(self._numbers), call, argument))

    def run(self, until_ns: int) -> int:
        """Let everything happen that is due before a time, and give how much that was."""
        due, done = self._due, 0
        while due and due[0][0] < until_ns:
            self.now_ns, _, call, argument = heapq.heappop(due)
            call(argument)
            done += 1
        self.now_ns = max(self.now_ns, until_ns)
        return done

    def __len__(self) -> int:
        return len(self._due)
