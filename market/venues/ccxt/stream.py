"""Market data through ccxt.pro: every book whole, every trade once, and a new connection is a new book."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from domain.dtypes import NO_ROWS, SEQUENCE, Rows
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import FeedLost, FeedUp
from domain.protocols import Clock
from market.rows import rows_of
from market.venues.backoff import Backoff
from market.venues.ccxt.client import Client
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.instruments import market_of
from market.venues.ccxt.reading import Reader
from market.venues.config import VenueConfig
from market.venues.steps import MS_NS, BadFrame
from market.venues.trade_order import HELD_S, Gap

TRADES_SEEN_MAX = 4_096
TRADES_ASKED = 1_000
PAGES_MAX = 100
BAD_IN_A_ROW_MAX = 16
US_NS = 1_000
LEVELS = 1_000
# Where an exchange's own default is shallow; elsewhere it decides.
DEPTHS = {"kraken": 100}


class Standing:
    """Whether a link of ccxt stands, and why not."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.refused: SwarmError | None = None
        self.last_reason = "not connected yet"
        self._since_ns: int | None = None

    def stands(self, now_ns: int) -> None:
        """Take it as up."""
        self.refused, self._since_ns = None, now_ns
        self.up.set()

    def after(self, backoff: Backoff, now_ns: int, config: VenueConfig) -> None:
        """Forget earlier failures after a connection that did well: who connects all the time is banned."""
        if self._since_ns is not None and now_ns - self._since_ns >= config.backoff_max_s * 1e9:
            backoff.reset()
        self._since_ns = None


async def failure_of(work: Coroutine[Any, Any, None]) -> BaseException:
    """Give what work failed with; it ends with us.

    It keeps its failure to itself: a group of which one fails in the moment of its own cancellation tells of
    the failure only, and would go on here for ever.
    """
    failed: list[BaseException] = []

    async def carry_out() -> None:
        try:
            await work
        except Exception as error:
            failed.append(error)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(carry_out())
    return failed[0] if failed else FeedBroken("it ended")


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


class FeedBroken(Exception):
    """Too much in a row could not be read: what comes next cannot be believed either."""


class CcxtStream:
    """Deliver books and trades of the venue's instruments; satisfies `domain.protocols.Feed`.

    ccxt merges what follows a reconnect into the old book, so every loss begins with a new client.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        client: Client,
        clock: Clock,
        deliver: Callable[[Event], None],
    ) -> None:
        self._config, self._client, self._clock, self._deliver = config, client, clock, deliver
        self._readers = {instrument.index: Reader(instrument) for instrument in instruments}
        self._levels = LEVELS if config.snapshot_levels is None else config.snapshot_levels
        self._symbols: dict[int, str] = {}
        self._sequences = dict.fromkeys(self._readers, 0)
        self._booked_ns = dict.fromkeys(self._readers, 0)
        self._seen: dict[int, OrderedDict[int, None]] = {index: OrderedDict() for index in self._readers}
        self._last_ms: dict[int, int | None] = dict.fromkeys(self._readers)
        self._last_id = dict.fromkeys(self._readers, 0)
        self._wanted: asyncio.Queue[int] = asyncio.Queue(maxsize=len(self._readers))
        self._pending: set[int] = set()
        self._bad_in_a_row = 0
        self.bad_frames, self.snapshots_failed, self.trades_not_filled = 0, 0, 0
        self._on_gap: Callable[[Gap], None] | None = None
        self.link = Standing()

    def tell_gaps(self, tell: Callable[[Gap], None]) -> None:
        """Say whom to tell of trades that could not be had."""
        self._on_gap = tell

    def fetch_book(self, instrument: int) -> None:
        """Ask for a snapshot; asking again while one is on its way changes nothing."""
        if instrument not in self._pending:
            self._pending.add(instrument)
            self._wanted.put_nowait(instrument)

    async def run(self) -> None:
        """Keep the feed up until cancelled."""
        markets = self._client.exchange
        self._symbols = {
            index: market_of(markets, reader.instrument.symbol)["symbol"]
            for index, reader in self._readers.items()
        }
        backoff = Backoff(self._config.backoff_min_s, self._config.backoff_max_s, self._client.draws)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fetch_books())
            while True:
                client = self._client.renewed()
                try:
                    self._lost(await failure_of(self._connection(client)))
                finally:
                    await client.close()
                self.link.after(backoff, self._clock.now_ns(), self._config)
                await asyncio.sleep(backoff.next_s())

    async def _connection(self, client: Client) -> None:
        """Watch every market; up once all sockets stand, because a quiet market tells nothing for long."""
        self._bad_in_a_row = 0
        async with asyncio.TaskGroup() as tasks:
            for index, symbol in self._symbols.items():
                tasks.create_task(self._watch_book(client.exchange, index, symbol))
                if client.has("watchTrades"):
                    tasks.create_task(self._watch_trades(client.exchange, index, symbol))
            await client.sockets()
            self.link.stands(self._clock.now_ns())
            self._deliver(FeedUp(self._config.name, self._clock.now_ns()))

    def _lost(self, first: BaseException) -> None:
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        self.link.last_reason = one_line(first)
        if fate_of(first) == Fate.WRONG_KEY:
            self.link.refused = self._client.wrong_key(self.link.last_reason)
        if self.link.up.is_set():
            self.link.up.clear()
            self._deliver(FeedLost(self._config.name, self._clock.now_ns(), self.link.last_reason))

    async def _watch_book(self, exchange: Any, index: int, symbol: str) -> None:
        while True:
            self._book(index, await exchange.watch_order_book(symbol, DEPTHS.get(exchange.id)))

    def _book(self, index: int, book: Any) -> None:
        if not self.link.up.is_set():
            return
        now_ns = self._clock.now_ns()
        # Its time is its number, so that one of a later process is never taken for an older one.
        sequence = max(self._sequences[index] + 1, now_ns // US_NS)
        try:
            event = self._readers[index].book(book, self._levels, sequence, now_ns)
        except BadFrame as error:
            self._bad(error)
            return
        self._bad_in_a_row = 0
        self._sequences[index], self._booked_ns[index] = sequence, now_ns
        self._deliver(event)

    async def _watch_trades(self, exchange: Any, index: int, symbol: str) -> None:
        """Tell what the stream tells, and before its first trades all that were missed until then."""
        behind = self._last_id[index] > 0 and self._client.has("fetchTrades")
        if behind:
            async with asyncio.TaskGroup() as tasks:
                first = tasks.create_task(_awaited(exchange.watch_trades(symbol)))
                await self.link.up.wait()
                await self._missed(index, symbol)
            trades = list(first.result())
            await self._missed_before(index, symbol)
        else:
            trades = list(await exchange.watch_trades(symbol))
            await self.link.up.wait()
        while True:
            self._trades(index, trades)
            trades = list(await exchange.watch_trades(symbol))

    async def trades_after(self, instrument: int, trade_id: int, at_ns: int) -> Rows:
        """Ask for a market's trades after one that is known: one page, by id or by time."""
        found = [NO_ROWS]
        if self._client.has("fetchTrades"):
            listed = await self._listed(self._symbols[instrument], trade_id, at_ns // MS_NS)
            for told in listed:
                try:
                    trade = self._readers[instrument].trade(told, self._clock.now_ns())
                except BadFrame:
                    self.bad_frames += 1
                    continue
                if trade.trade_id > trade_id:
                    found.append(rows_of(trade))
        rows: Rows = np.concatenate(found)
        return rows[np.argsort(rows[:, SEQUENCE], kind="stable")]

    async def _listed(self, symbol: str, last: int, since: int | None) -> Sequence[Any]:
        exchange, named = self._client.exchange, {}
        if exchange.id.startswith("binance"):
            # What it gives by time are sums of trades, under numbers of their own.
            since, named = None, {"fetchTradesMethod": "publicGetHistoricalTrades", "fromId": last + 1}
        listed: Sequence[Any] = await self._client.ask(
            "trades", lambda: exchange.fetch_trades(symbol, since, TRADES_ASKED, named)
        )
        return listed

    async def _missed_before(self, index: int, symbol: str) -> None:
        """Tell what came before the first live trades, which wait for it: for so long and no longer."""
        after = self._last_id[index]
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD_S):
                for _ in range(PAGES_MAX):
                    before, why = self._last_id[index], "they did not come in time"
                    why = await self._missed(index, symbol)
                    if why != "" or self._last_id[index] == before:
                        break
        if why != "" and self._on_gap is not None:
            self._on_gap(Gap(self._config.name, self._readers[index].instrument.symbol, after, None, why))

    async def _missed(self, index: int, symbol: str) -> str:
        """Tell the trades after the last one, and why not where they could not be had."""
        try:
            trades = await self._listed(symbol, self._last_id[index], self._last_ms[index])
        except SwarmError as trouble:
            # The stream goes on; how often a hole was left is counted.
            self.trades_not_filled += 1
            return str(trouble)
        self._trades(index, trades)
        return ""

    def _trades(self, index: int, trades: Sequence[Any]) -> None:
        seen = self._seen[index]
        for told in trades:
            try:
                trade = self._readers[index].trade(told, self._clock.now_ns())
            except BadFrame as error:
                self._bad(error)
                continue
            if trade.trade_id in seen:
                continue
            seen[trade.trade_id] = None
            if len(seen) > TRADES_SEEN_MAX:
                seen.popitem(last=False)
            self._last_ms[index] = max(self._last_ms[index] or 0, int(told["timestamp"]))
            self._last_id[index] = max(self._last_id[index], trade.trade_id)
            self._deliver(trade)

    def _bad(self, error: BadFrame) -> None:
        self.bad_frames += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_IN_A_ROW_MAX:
            raise FeedBroken(f"{self._bad_in_a_row} unusable messages in a row: {error}")

    async def _fetch_books(self) -> None:
        while True:
            index = await self._wanted.get()
            try:
                await self._fetch_book(index)
            except (SwarmError, FeedBroken):
                # The book stays stale and asks again at its own pace.
                self.snapshots_failed += 1
            finally:
                self._pending.discard(index)

    async def _fetch_book(self, index: int) -> None:
        """Ask over REST; a book that the stream told meanwhile is newer, and stands."""
        asked_ns, symbol = self._clock.now_ns(), self._symbols[index]
        exchange = self._client.exchange
        book = await self._client.ask("the order book", lambda: exchange.fetch_order_book(symbol))
        if self.link.up.is_set() and self._booked_ns[index] < asked_ns:
            self._pending.discard(index)
            self._book(index, book)
