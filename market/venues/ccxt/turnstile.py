"""One request at a time, the most urgent first: some exchanges take signed requests in strict order only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush

from market.venues.quota import Priority


class Turnstile:
    """Let through one at a time; the quota and the in-flight bound keep the line short."""

    def __init__(self) -> None:
        self._busy = False
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []
        self._last = 0

    @asynccontextmanager
    async def passing(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for a turn, and give it up at the end."""
        if self._busy:
            self._last += 1
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._line, (int(priority), self._last, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        while self._line:
            *_, turn = heappop(self._line)
            if not turn.done():
                # The turn is handed over, so that nobody who comes meanwhile can take it.
                turn.set_result(None)
                return
        self._busy = False
