"""Market data: combined streams as events; snapshots and missed trades come over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from domain.dtypes import INSTRUMENT, KIND, SEQUENCE, TRADE_ROW
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

GAPS_MAX = 8


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
        self.snapshots_failed, self.trades_lost = 0, 0
        self._seen_trade: dict[int, int] = {}
        self._first_live: dict[int, int] = {}
        self._gaps: dict[int, list[tuple[int, int | None]]] = {}
        self._reopened = asyncio.Event()
        self._past = PastTrades(rest, self.wire, self._symbols, clock)
        self.trades_after = self._past.after
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
        self._preferred = frozenset(instruments)

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
            tasks.create_task(self._back_fill())
            for _ in range(self._config.snapshot_concurrency):
                tasks.create_task(self._fetch_books())

    def _opened(self) -> None:
        self._up = True
        for instrument, seen in self._seen_trade.items():
            self._open_gap(instrument, seen)
        self._first_live.clear()
        self._reopened.set()
        self._deliver(FeedUp(self._config.name, self._clock.now_ns()))

    def _lost(self, reason: str) -> None:
        self._up = False
        self._deliver(FeedLost(self._config.name, self._clock.now_ns(), reason))

    def _frame(self, payload: bytes) -> None:
        event = self.wire.decode(payload, self._clock.now_ns())
        if type(event) is MarketRows and self._up:
            cells = self._cells
            if cells[KIND] == TRADE_ROW:
                self._live_trade(event, cells[INSTRUMENT], cells[SEQUENCE])
            else:
                self._deliver(event)
        elif event is None:
            if self.wire.hopeless:
                raise LinkBroken(f"too many bad frames: {self.wire.last_bad}")
        elif not self._up:
            pass  # what comes before all streams are subscribed belongs to no epoch of the books
        elif type(event) is Trade:
            self._live_trade(event, event.instrument, event.trade_id)
        else:
            self._deliver(event)

    def _live_trade(self, trade: Trade | MarketRows, instrument: int, trade_id: int) -> None:
        if trade_id > self._seen_trade.get(instrument, -1):
            self._seen_trade[instrument] = trade_id
            self._first_live.setdefault(instrument, trade_id)
            self._deliver(trade)

    def _open_gap(self, instrument: int, seen: int) -> None:
        """Note that trades after `seen` are missing; a gap ends with the first live trade after it."""
        gaps, first = self._gaps.setdefault(instrument, []), self._first_live.get(instrument)
        if gaps and gaps[-1][1] is None:
            if first is None:
                return
            gaps[-1] = (gaps[-1][0], first)
        gaps.append((seen, None))
        del gaps[:-GAPS_MAX]

    async def _back_fill(self) -> None:
        """After a reconnect, bring the trades that were missed; they come after their time, marked by it."""
        while True:
            await self._reopened.wait()
            self._reopened.clear()
            for instrument in list(self._gaps):
                try:
                    recent = await self._past.recent(instrument)
                except SwarmError:
                    continue
                self._fill_gaps(instrument, recent)

    def _fill_gaps(self, instrument: int, recent: Sequence[Trade]) -> None:
        if not recent:
            return
        for after, first in self._gaps.pop(instrument):
            end = first if first is not None else self._first_live.get(instrument, recent[-1].trade_id + 1)
            # What the venue does not list any more is lost, and counted.
            self.trades_lost += max(0, min(recent[0].trade_id, end) - after - 1)
            for trade in recent:
                if after < trade.trade_id < end:
                    self._seen_trade[instrument] = max(self._seen_trade[instrument], trade.trade_id)
                    self._deliver(trade)

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
