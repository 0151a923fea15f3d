"""The start of a node that is warm: history, then what came after it, then live, as one stream.

Live events are held back while history is played (`play`) and the venues are asked for the trades that were
made since its last one (`fill`); `join` then gives what was held. No trade is missing or told twice over the
cut, or it is said which: an alarm in the log and a mark in the journal. Ticks of the time between are gone,
for no venue lists them; books begin with the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agents.config import RegionConfig
from agents.gaps import Gaps
from agents.node import Node
from agents.record import Recorder
from domain.control_events import NodeStarted
from domain.dtypes import EXCHANGE_NS, LOCAL_NS, SEQUENCE, TRADE_ROW, Rows
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, MarketRows, Tick, Trade
from domain.protocols import Clock
from market.history.seam import Seam
from market.rows import rows_of
from market.venues.trade_order import FILLS_AT_ONCE, NOT_LISTED, Gap, holes
from market.venues.venue import Venue, counts_trades

HELD_ROWS_MAX = 1 << 20
# So long after the cut nothing comes any more that was fetched already.
SETTLED_NS = 30_000_000_000
_TOLD = (Tick, Trade, BookDelta, BookSnapshot)


class WarmStart:
    """Stand between the venues and a node until both ends of its data have met."""

    def __init__(
        self, config: RegionConfig, recorder: Recorder, clock: Clock, log: Callable[[str], None]
    ) -> None:
        node = recorder.core
        assert isinstance(node, Node)
        self.node: Node = node
        self._config, self._recorder, self._clock, self._log = config, recorder, clock, log
        self._seam: Seam | None = Seam()
        self._held: list[Event] = []
        self._rows = self._until_ns = self.fetched = 0
        self._go: Callable[[Event], None] | None = None
        self._deadline: asyncio.Timeout | None = None
        self.gaps: list[Gap] = []
        self._told = Gaps(recorder.store, log)

    def deliver(self, event: Event) -> None:
        """Take an event of a venue: hold it back, or pass on what of it is new."""
        if self._go is None:
            self._hold(event)
        elif self._seam is None:
            self._go(event)
        else:
            self._sift(event, self._seam, self._go)

    def play(self, root: Path, now_ns: int) -> int:
        """Play the latest history to a node that has seen nothing yet; give how many rows that were.

        It goes the way that live data goes, journal included. Nobody trades on it: there is no lease yet.
        """
        if self.node.pipeline.ticks > 0:
            return 0
        from market.history.history import History
        from market.history.layout import Kind

        start_ns, count, last_ns = now_ns - round(self._config.history.warm_s * 1e9), 0, 0
        for venue in self._config.venues:
            own = {one.symbol: one for one in self._markets(venue.name)}
            told = History(root).rows(
                venue.name, tuple(own), start_ns, now_ns, instruments=own, kinds=(Kind.TICKS, Kind.TRADES)
            )
            try:
                for rows in told:
                    last_ns = max(last_ns, int(rows[:, LOCAL_NS].max()))
                    self._seam_open().warm(rows)
                    self._step(rows)
                    count += len(rows)
            except SwarmError as trouble:
                self._log(f"no warm-up from {venue.name}: {trouble}")
        if count > 0:
            self._log(f"warmed up on {count} rows; history ends {(now_ns - last_ns) / 1e9:.0f} s ago")
        return count

    async def fill(self, venues: Sequence[Venue], tap: Callable[[Event], None] | None = None) -> None:
        """Ask for the trades since the last known ones, agents' markets first, for `fill_s` at most."""
        wanted = {venue.name: self._wanted(venue.name) for venue in venues}
        self._know([one for markets in wanted.values() for one in markets])
        limit_s = self._config.history.fill_s if self._rows < HELD_ROWS_MAX else 0.0
        try:
            async with asyncio.timeout(limit_s) as self._deadline:
                async with asyncio.TaskGroup() as tasks:
                    for venue in venues:
                        jobs = iter(wanted[venue.name])
                        for _ in range(FILLS_AT_ONCE):
                            tasks.create_task(self._fill(venue, jobs, wanted, tap))
        except TimeoutError:
            pass
        self._deadline = None
        for venue in venues:
            for market in wanted[venue.name]:
                self._gap(market, self._last(market), None, "the venue was not asked in time")

    def join(self, started: NodeStarted, go: Callable[[Event], None]) -> None:
        """Begin the node's life, and give what was held back; from now on everything passes."""
        seam = self._seam_open()
        self._tell_holes(seam)
        seam.join()
        self._go, self._until_ns = go, self._clock.now_ns() + SETTLED_NS
        go(started)
        held, self._held = self._held, []
        for event in held:
            self.deliver(event)
        if self.fetched > 0 or self.gaps:
            self._log(f"{self.fetched} trades fetched between history and live, {len(self.gaps)} gaps")

    def _hold(self, event: Event) -> None:
        """Keep an event; when too many are kept nothing more is asked for."""
        if type(event) is MarketRows:
            event = MarketRows(event.local_ts_ns, event.rows.copy())
        rows = _rows(event)
        if rows is not None:
            self._seam_open().heard(rows)
            self._rows += len(rows)
        self._held.append(event)
        if self._rows >= HELD_ROWS_MAX and self._deadline is not None:
            self._deadline.reschedule(0)

    def _sift(self, event: Event, seam: Seam, go: Callable[[Event], None]) -> None:
        rows = _rows(event)
        if rows is None:
            go(event)
            return
        new = seam.live(rows)
        if len(new) == len(rows):
            go(event)
        elif len(new) > 0:
            go(MarketRows(event.local_ts_ns, new))
        if seam.met or event.local_ts_ns > self._until_ns:
            self._seam = None

    def _markets(self, venue: str) -> list[Instrument]:
        return [one for one in self.node.pipeline.instruments.values() if one.venue == venue]

    def _last(self, market: Instrument) -> int:
        return self.node.pipeline.last_trade(market.index)[0]

    def _wanted(self, venue: str) -> list[Instrument]:
        """Give the markets of which a trade is known, those with agents first."""
        known = [one for one in self._markets(venue) if self._last(one) > 0]
        return sorted(known, key=lambda one: not self.node.markets[one.index].agents)

    def _know(self, markets: Sequence[Instrument]) -> None:
        """Let the seam know how far the node is, be it by history or by its journal."""
        seam = self._seam_open()
        for market in markets:
            trade_id, at_ns = self.node.pipeline.last_trade(market.index)
            seam.warm(rows_of(Trade(market.index, at_ns, at_ns, trade_id, 1, 1, 1)))

    async def _fill(
        self,
        venue: Venue,
        jobs: Iterator[Instrument],
        wanted: dict[str, list[Instrument]],
        tap: Callable[[Event], None] | None,
    ) -> None:
        for market in jobs:
            last, at_ns = self.node.pipeline.last_trade(market.index)
            try:
                rows = await venue.trades_after(market.index, last, at_ns)
            except SwarmError as trouble:
                self._gap(market, last, None, str(trouble))
            else:
                self._take(market, last, rows, tap)
            wanted[venue.name].remove(market)

    def _take(self, market: Instrument, last: int, rows: Rows, tap: Callable[[Event], None] | None) -> None:
        """Give the node what was fetched, as of the time at which it would have come."""
        rows[:, LOCAL_NS] = rows[:, EXCHANGE_NS]
        self._tell_missing(market, last, rows)
        new = self._seam_open().warm(rows)
        if len(new) > 0:
            self.fetched += len(new)
            self._step(new)
            if tap is not None:
                tap(MarketRows(int(new[-1, LOCAL_NS]), new))

    def _step(self, rows: Rows) -> None:
        self._recorder.step(MarketRows(int(rows[:, LOCAL_NS].max()), rows))

    def _seam_open(self) -> Seam:
        assert self._seam is not None and self._go is None, "the ends have met already"
        return self._seam

    def _tell_missing(self, market: Instrument, last: int, rows: Rows) -> None:
        if not self._counts(market):
            return
        for after, before in holes(last, rows[:, SEQUENCE]):
            self._gap(market, after, before, NOT_LISTED)

    def _tell_holes(self, seam: Seam) -> None:
        markets, told = (
            self.node.pipeline.instruments,
            {(one.venue, one.symbol, one.after) for one in self.gaps},
        )
        for hole in seam.holes():
            market = markets[hole.instrument]
            known = (market.venue, market.symbol, hole.after) in told
            if hole.row_kind == TRADE_ROW and self._counts(market) and not known:
                self._gap(market, hole.after, hole.before, "the venue did not list them")

    def _counts(self, market: Instrument) -> bool:
        return any(counts_trades(one) for one in self._config.venues if one.name == market.venue)

    def _gap(self, market: Instrument, after: int, before: int | None, why: str) -> None:
        gap = Gap(market.venue, market.symbol, after, before, why)
        self.gaps.append(gap)
        self._told.tell(gap)


def _rows(event: Event) -> Rows | None:
    if type(event) is MarketRows:
        return event.rows
    return rows_of(event) if isinstance(event, _TOLD) else None
