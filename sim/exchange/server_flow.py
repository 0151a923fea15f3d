"""Let the crowd trade through the same door as everybody, and send gathered depth on time."""

from __future__ import annotations

import asyncio
from itertools import count

from sim.exchange.dialect_errors import DialectError
from sim.exchange.server_venue import Venue
from sim.exchange.stream_hub import FAST, SLOW
from sim.market.flow import MarketFlow
from sim.market.view import ExchangeView

TICK_S = 0.02
FLUSH_S = 0.1
SLOW_EVERY = 10


class FlowDriver:
    """Step a crowd on the clock. One step waits at a time: a slow disk slows the crowd, not the queue."""

    def __init__(self, venue: Venue, flow: MarketFlow) -> None:
        self._venue, self._flow = venue, flow
        self._view = ExchangeView(venue.exchange)
        self._waiting = False

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            self.kick()
            await asyncio.sleep(TICK_S)

    def kick(self) -> None:
        """Queue a step if somebody's time has come."""
        if self._waiting or self._flow.next_ns > self._venue.now_ns():
            return
        try:
            self._venue.submit(self._step, self._stepped)
        except DialectError:
            return
        self._waiting = True

    def _step(self) -> None:
        for command in self._flow.step(self._venue.now_ns(), self._view):
            self._venue.apply(command)

    def _stepped(self, _: object) -> None:
        self._waiting = False


async def flush_depth(venue: Venue) -> None:
    """Send `depth@100ms` ten times a second and `depth` once, for ever."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for turn in count(1):
        due = max(due + FLUSH_S, loop.time())
        await asyncio.sleep(due - loop.time())
        venue.hub.flush(FAST, venue.now_ms())
        if turn % SLOW_EVERY == 0:
            venue.hub.flush(SLOW, venue.now_ms())
