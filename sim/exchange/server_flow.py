"""Let the crowd trade through the same door as everybody, and send gathered depth on time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
    """Send `depth@100ms` ten times a second, `depth` once, and what else is told by the clock, for ever."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for turn in count(1):
        due = max(due + FLUSH_S, loop.time())
        await asyncio.sleep(due - loop.time())
        venue.hub.flush(FAST, venue.now_ms())
        if turn % SLOW_EVERY == 0:
            venue.hub.flush(SLOW, venue.now_ms())
        tell_timed(venue, turn)


def tell_timed(venue: Venue, turn: int) -> None:
    """Queue the streams that are due by the clock; when the queue is full they are left out this once."""
    names = venue.timed.due(turn)
    if not names:
        return

    def tell(events: object) -> None:
        if isinstance(events, list):
            venue.timed.tell(events)

    with suppress(DialectError):
        venue.submit(lambda: venue.timed.gather(names, venue.now_ms()), tell)
