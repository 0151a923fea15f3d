"""Market data: combined streams as events; snapshots and missed trades come over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from domain.dtypes import EXCHANGE_NS, INSTRUMENT, KIND, SEQUENCE, TRADE_ROW
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp, MarketRows, Trade
from domain.protocols import Clock
from market.venues.binance.limits import levels_for
from market.venues.binance.past_trades import PastTrades
from market.venues.binance.rest import RestClient
from market.venues.binance.stream_links import StreamLinks
from market.venues.binance.wire import MarketWire
from market.venues.config import VenueConfig
from market.venues.link import LinkBroken
from market.venues.trade_order import Gap, TradeOrder


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
        self.reread = self.wire.reread
        self._cells = self.wire.scanner.state.data
        self._levels = config.snapshot_levels or levels_for(len(instruments))
        # One place per market is all that can be wanted, so this queue cannot overflow.
        self._wanted: asyncio.PriorityQueue[tuple[bool, int, int]] = asyncio.PriorityQueue(len(instruments))
        self._asked, self._preferred = 0, frozenset[int]()
        self._pending: set[int] = set()
        self.snapshots_failed = 0
        self._past = PastTrades(rest, self.wire, self._symbols, clock)
        self.trades_after = self._past.after
        self.trades = TradeOrder(config.name, self._symbols, clock, deliver, self._past.after)
        self._up = False
        self.link = StreamLinks(
            config,
            self.wire.streams,
            on_begin=self.wire.opened,
            on_frame=self._frame,
            on_up=self._opened,
            on_lost=self._lost,
        )
        self.wire.on_answer = self.link.answered

    def prefer(self, instruments: Iterable[int]) -> None:
        """Fetch the books of these before all others: somebody trades there."""
        self._preferred = self.trades.preferred = frozenset(instruments)

    def tell_gaps(self, tell: Callable[[Gap], None]) -> None:
        """Say whom to tell of trades that could not be had."""
        self.trades.on_gap = tell

    def fetch_book(self, instrument: int) -> None:
        """Ask for a snapshot; asking again while one is on its way changes nothing."""
        if instrument not in self._pending:
            self._pending.add(instrument)
            self._asked += 1
            self._wanted.put_nowait((instrument not in self._preferred, self._asked, instrument))

    async def run(self) -> None:
        """Keep the feed up and fetch snapshots, at most `snapshot_concurrency` at a time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self.trades.run())
            for _ in range(self._config.snapshot_concurrency):
                tasks.create_task(self._fetch_books())

    def _opened(self) -> None:
        self._up = True
        self._deliver(FeedUp(self._config.name, self._clock.now_ns()))
        self.trades.reopened()

    def _lost(self, reason: str) -> None:
        self._up = False
        self._deliver(FeedLost(self._config.name, self._clock.now_ns(), reason))

    def _frame(self, payload: bytes) -> None:
        event = self.wire.decode(payload, self._clock.now_ns())
        if type(event) is MarketRows and self._up:
            cells = self._cells
            if cells[KIND] == TRADE_ROW:
                self.trades.heard(event, cells[INSTRUMENT], cells[SEQUENCE], cells[EXCHANGE_NS])
            else:
                self._deliver(event)
        elif event is None:
            if self.wire.hopeless:
                raise LinkBroken(f"too many bad frames: {self.wire.last_bad}")
        elif not self._up:
            pass  # what comes before all streams are subscribed belongs to no epoch of the books
        elif type(event) is Trade:
            self.trades.heard(event, event.instrument, event.trade_id, event.exchange_ts_ns)
        else:
            self._deliver(event)

    async def _fetch_books(self) -> None:
        while True:
            _, _, instrument = await self._wanted.get()
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
            "limit": self._levels,
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
