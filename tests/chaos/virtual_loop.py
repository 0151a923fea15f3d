"""An event loop whose clock jumps: real sockets and real shells, and ten minutes pass in a second."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any

EPOCH_NS = 1_700_000_000_000_000_000
NEVER_S = 5.0
# Loopback delivers at once, but not by contract: so long a look costs little and makes runs repeat.
LOOK_S = 0.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jump to the next timer whenever no socket has anything to say. Threads are done without."""

    def __init__(self) -> None:
        self.virtual_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Give the virtual time."""
        return self.virtual_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run it here and now: a thread would need time that does not pass."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class VirtualClock:
    """Tell the loop's time as a wall clock would."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        """Give the time in ns."""
        return EPOCH_NS + round(self._loop.virtual_s * 1e9)


class _Jumping(selectors.BaseSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop, self._real = loop, selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(LOOK_S)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            ready = self._real.select(NEVER_S)
            assert ready, "no timer and no socket: nothing will ever happen"
            return ready
        self._loop.virtual_s += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()
