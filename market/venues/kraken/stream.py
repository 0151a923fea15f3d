"""Market data: books, best prices and trades of one public socket; missed trades come over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import numpy as np

from domain.dtypes import EXCHANGE_NS, INSTRUMENT, NO_ROWS, SEQUENCE, Rows
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp, MarketRows
from domain.protocols import Clock
from market.venues.config import VenueConfig
from market.venues.kraken.market_frames import Answer
from market.venues.kraken.names import wire_symbol
from market.venues.kraken.rest import RestClient
from market.venues.kraken.wire import MarketWire, TradeGap
from market.venues.link import LinkBroken, VenueLink
from market.venues.steps import COUNT_MAX
from market.venues.trade_order import Gap, TradeOrder

DEPTHS = (10, 25, 100, 500, 1_000)
DEPTH = 100
SYMBOLS_MAX = 100
PAGES_MAX = 100
PRINTS_POLL_S = 0.01


def book_depth(config: VenueConfig) -> int:
    """Give the depth that books are subscribed to: the nearest that Kraken offers to `snapshot_levels`, 100
    where the config does not say. The pipeline must cut its books there (`BookRules(depth=…)`)."""
    wanted = DEPTH if config.snapshot_levels is None else config.snapshot_levels
    return min(DEPTHS, key=lambda depth: abs(depth - wanted))


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
        self._symbols = {instrument.index: wire_symbol(instrument) for instrument in instruments}
        self._indexes = {symbol: index for index, symbol in self._symbols.items()}
        self._depth = book_depth(config)
        self._patience_ns = int(config.request_timeout_s * 1e9)
        self.wire = MarketWire(instruments)
        # Until when the snapshot of a book is waited for; one that is on its way is not asked for again.
        self._pending: dict[int, int] = {}
        names = {instrument.index: instrument.symbol for instrument in instruments}
        self.trades = TradeOrder(config.name, names, clock, deliver, self.trades_after)
        self._last_id = 0
        self.refused, self.snapshots_asked = 0, 0
        self.link = VenueLink(
            "stream",
            config.stream_url,
            config,
            on_open=self._opened,
            on_frame=self._frame,
            on_lost=self._lost,
        )

    def tell_gaps(self, tell: Callable[[Gap], None]) -> None:
        """Say whom to tell of trades that could not be had."""
        self.trades.on_gap = tell

    def fetch_book(self, instrument: int) -> None:
        """Ask for a snapshot by subscribing anew; asking again while one is on its way changes nothing."""
        now_ns = self._clock.now_ns()
        if not self.link.up.is_set() or now_ns < self._pending.get(instrument, 0):
            return
        self._pending[instrument] = now_ns + self._patience_ns
        self.snapshots_asked += 1
        symbols = [self._symbols[instrument]]
        self._request("unsubscribe", "book", symbols, depth=self._depth)
        self._request("subscribe", "book", symbols, depth=self._depth, snapshot=True)

    async def run(self) -> None:
        """Keep the feed up and bring the trades that it missed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self.trades.run())

    async def _opened(self) -> None:
        now_ns = self._clock.now_ns()
        self.wire.opened(now_ns)
        self._pending = dict.fromkeys(self._symbols, now_ns + self._patience_ns)
        symbols = list(self._symbols.values())
        for first in range(0, len(symbols), SYMBOLS_MAX):
            some = symbols[first : first + SYMBOLS_MAX]
            self._request("subscribe", "book", some, depth=self._depth, snapshot=True)
            self._request("subscribe", "trade", some, snapshot=True)
            self._request("subscribe", "ticker", some, event_trigger="bbo", snapshot=True)
        self.link.up.set()
        self._deliver(FeedUp(self._config.name, now_ns))

    def _request(self, method: str, channel: str, symbols: list[str], **more: int | str) -> None:
        self._last_id += 1
        parameters = {"channel": channel, "symbol": symbols, **more}
        request = {"method": method, "params": parameters, "req_id": self._last_id}
        self.link.send(json.dumps(request, separators=(",", ":")).encode())

    def _lost(self, reason: str) -> None:
        self._deliver(FeedLost(self._config.name, self._clock.now_ns(), reason))

    def _frame(self, payload: bytes) -> None:
        now_ns = self._clock.now_ns()
        told = self.wire.decode(payload, now_ns)
        if told is None:
            if self.wire.hopeless:
                raise LinkBroken(f"too many bad frames: {self.wire.last_bad}")
            return
        if isinstance(told, Answer):
            self._answered(told)
            return
        if self.wire.synced:
            for instrument in self.wire.synced:
                self._pending.pop(instrument, None)
            self.wire.synced.clear()
        if self.wire.printed:
            self._printed(told, now_ns)
        else:
            self._deliver(MarketRows(now_ns, told))

    def _printed(self, rows: Rows, now_ns: int) -> None:
        """Pass trades on by one, since each may have to wait; what came before the first ones is known."""
        self.wire.printed = False
        gaps = {(gap.instrument, gap.before): gap for gap in self.wire.gaps}
        self.wire.gaps.clear()
        for place, row in enumerate(rows.tolist()):
            gap = gaps.get((row[INSTRUMENT], row[SEQUENCE]))
            if gap is not None:
                self.trades.known(gap.instrument, gap.after, gap.after_ns)
            one = MarketRows(now_ns, rows[place : place + 1])
            self.trades.heard(one, row[INSTRUMENT], row[SEQUENCE], row[EXCHANGE_NS])

    def _answered(self, answer: Answer) -> None:
        """Take note of a refused subscription: its book may be asked for again at once."""
        if answer.success:
            return
        self.refused += 1
        instrument = self._indexes.get(answer.symbol or "")
        if instrument is not None and answer.method == "subscribe":
            self._pending.pop(instrument, None)

    async def trades_after(self, instrument: int, trade_id: int, at_ns: int) -> Rows:
        """Ask for a market's trades after one that is known by its id and the venue's time, oldest first.

        It waits for the first trades of the socket: before those nobody knows where live begins.
        """
        for _ in range(round(self._config.request_timeout_s / PRINTS_POLL_S)):
            if self.wire.newest(instrument) >= 0:
                break
            await asyncio.sleep(PRINTS_POLL_S)
        found = [NO_ROWS]
        for _ in range(PAGES_MAX):
            pair = self._symbols[instrument]
            body = await self._rest.public("Trades", {"pair": pair, "since": max(0, at_ns - 1)})
            gap = TradeGap(instrument, trade_id, COUNT_MAX, at_ns)
            rows = self.wire.recent(gap, body, self._clock.now_ns())
            if rows is None or len(rows) == 0:
                break
            found.append(rows)
            trade_id, at_ns = int(rows[-1, SEQUENCE]), int(rows[-1, EXCHANGE_NS])
            if trade_id >= self.wire.newest(instrument):
                break  # the socket told the rest
        return np.concatenate(found)
