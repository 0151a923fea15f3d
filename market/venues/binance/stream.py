"""Market data: one combined stream as events, and book snapshots over REST when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp
from domain.protocols import Clock
from market.venues.binance.config import VenueConfig
from market.venues.binance.link import VenueLink
from market.venues.binance.rest import RestClient
from market.venues.binance.wire import MarketWire


class MarketStream:
    """Deliver depth, best prices and trades of the venue's instruments; satisfies `domain.protocols.Feed`."""

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        rest: RestClient,
        clock: Clock,
        deliver: Callable[[Event], None],
    ) -> None:
        self._config, self._rest, self._clock, self._deliver = config, rest, clock, deliver
        self._symbols = {instrument.index: instrument.symbol for instrument in instruments}
        self.wire = MarketWire(instruments)
        # One place per market is all that can be wanted, so this queue cannot overflow.
        self._wanted: asyncio.Queue[int] = asyncio.Queue(maxsize=len(instruments))
        self._pending: set[int] = set()
        self.snapshots_failed = 0
        url = f"{config.stream_url.rstrip('/')}/stream?streams={'/'.join(self.wire.streams)}"
        self.link = VenueLink(
            "stream", url, config, on_open=self._opened, on_frame=self._frame, on_lost=self._lost
        )

    def fetch_book(self, instrument: int) -> None:
        """Ask for a snapshot; asking again while one is on its way changes nothing."""
        if instrument not in self._pending:
            self._pending.add(instrument)
            self._wanted.put_nowait(instrument)

    async def run(self) -> None:
        """Keep the feed up and fetch snapshots, at most `snapshot_concurrency` at a time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            for _ in range(self._config.snapshot_concurrency):
                tasks.create_task(self._fetch_books())

    async def _opened(self) -> None:
        self.link.up.set()
        self._deliver(FeedUp(self._config.name, self._clock.now_ns()))

    def _lost(self, reason: str) -> None:
        self._deliver(FeedLost(self._config.name, self._clock.now_ns(), reason))

    def _frame(self, payload: bytes) -> None:
        event = self.wire.decode(payload, self._clock.now_ns())
        if event is not None:
            self._deliver(event)

    async def _fetch_books(self) -> None:
        while True:
            instrument = await self._wanted.get()
            try:
                await self._fetch_book(instrument)
            except SwarmError:
                # The book stays stale and asks again at its own pace.
                self.snapshots_failed += 1
            finally:
                self._pending.discard(instrument)

    async def _fetch_book(self, instrument: int) -> None:
        parameters: dict[str, str | int] = {
            "symbol": self._symbols[instrument],
            "limit": self._config.snapshot_levels,
        }
        while True:
            epoch = self.link.epoch
            body = await self._rest.get("/api/v3/depth", parameters)
            if epoch == self.link.epoch:
                break
        snapshot = self.wire.snapshot(instrument, body, self._clock.now_ns())
        if snapshot is None:
            self.snapshots_failed += 1
            return
        self._pending.discard(instrument)
        self._deliver(snapshot)
