"""The order half of a venue: requests, the private streams beside them, and the account as the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from domain.errors import SwarmError
from domain.instrument import Instrument
from domain.order_events import (
    AccountSnapshot,
    Fill,
    OrderEvent,
    OrderLinkLost,
    OrderLinkUp,
)
from domain.protocols import Clock
from market.venues.account_turns import AccountTurns, Since
from market.venues.backoff import Backoff
from market.venues.ccxt.client import Client
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.order_requests import OrderRequests
from market.venues.ccxt.reading import UNREADABLE
from market.venues.ccxt.stream import failure_of
from market.venues.config import VenueConfig

# A poll costs a few requests: it takes this share of the pace at most.
POLL_EACH_MS = 15


class CcxtGateway(OrderRequests):
    """Carry orders; satisfies `domain.protocols.Gateway`.

    The streams of orders and own trades are only the quick way: what they miss comes with the account,
    which the node asks for again and again.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        client: Client,
        clock: Clock,
        deliver: Callable[[OrderEvent], None],
    ) -> None:
        super().__init__(config, instruments, client, clock, deliver)
        self._last_trade: dict[int, int] = {}
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, client.draws)
        self.accounts = AccountTurns(self._account, deliver, self.link.up, backoff)
        self.bad_frames = 0

    def fetch_account(self, since_trade_ids: Since) -> None:
        """Ask for the account; a later ask replaces one that has not begun."""
        self.accounts.ask(since_trade_ids)

    async def _account(self, since: Since) -> AccountSnapshot:
        return await self.account.snapshot(since, self._clock.now_ns)

    async def run(self) -> None:
        """Keep the private streams up, carry requests and fetch the account."""
        self.account.name_markets()
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self.accounts.run())
            self._group.create_task(self._stay())

    async def _stay(self) -> None:
        backoff = Backoff(self._config.backoff_min_s, self._config.backoff_max_s, self._client.draws)
        while True:
            client = self._client.renewed()
            try:
                self._lost(await failure_of(self._listen(client)))
            finally:
                await client.close()
            self.link.after(backoff, self._clock.now_ns(), self._config)
            await asyncio.sleep(backoff.next_s())

    async def _listen(self, client: Client) -> None:
        await self._client.ask("the balance", self._client.exchange.fetch_balance)
        async with asyncio.TaskGroup() as tasks:
            watched = [
                tasks.create_task(watch(client.exchange))
                for ability, watch in (
                    ("watchOrders", self._watch_orders),
                    ("watchMyTrades", self._watch_trades),
                )
                if client.has(ability)
            ]
            if watched:
                await client.sockets()
            for index in self.account.symbols:
                self._last_trade[index] = await self.account.newest_trade(index)
            self._stands()
            tasks.create_task(self._poll())

    async def _poll(self) -> None:
        """Ask for what the streams may have missed, which is also how a dead exchange is noticed.

        An order may rest for long: markets that we ever traded in are asked for by turns.
        """
        pace_ms = POLL_EACH_MS * float(self._client.exchange.rateLimit or 100)
        while True:
            pause_s = self._config.ping_idle_s
            await asyncio.sleep(pause_s if self._config.simulated else max(pause_s, pace_ms / 1_000))
            active, self._active = dict(self._active), {}
            if self._traded:
                index = next(iter(self._traded))
                del self._traded[index]
                active[index] = self._traded[index] = None
            for index in active:
                for fill in await self.account.fills(index, self._last_trade[index], self._clock.now_ns()):
                    self._last_trade[index] = max(self._last_trade[index], fill.trade_id)
                    self._told_fill(fill)
            if not active:
                await self._client.ask("a sign of life", self._client.exchange.fetch_balance)

    async def _watch_orders(self, exchange: Any) -> None:
        while True:
            orders = list(await exchange.watch_orders())
            await self.link.up.wait()
            for order in orders:
                try:
                    index = self.account.by_symbol.get(order["symbol"])
                    if index is not None:
                        self._told_order(index, order)
                except UNREADABLE:
                    self.bad_frames += 1

    async def _watch_trades(self, exchange: Any) -> None:
        while True:
            trades = list(await exchange.watch_my_trades())
            await self.link.up.wait()
            for trade in trades:
                await self._told_trade(trade)

    async def _told_trade(self, trade: Any) -> None:
        try:
            index = self.account.by_symbol.get(trade["symbol"])
            if index is None:
                return
            await self._submitted(index, str(trade["order"]))
            owner = await self.account.owner(index, trade)
            self._told_fill(self.account.readers[index].fill(trade, owner, self._clock.now_ns()))
        except UNREADABLE:
            # It may have been ours: the next poll tells.
            self.bad_frames += 1
            self._active = dict.fromkeys(self.account.symbols)

    async def _submitted(self, index: int, text: str) -> None:
        """Wait for the answers to submits on their way: one may tell whose a trade is, within its time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while self._orders.owner(text) is None and self._submitting.get(index, 0) > 0:
                    self._settled.clear()
                    await self._settled.wait()

    def _told_fill(self, fill: Fill) -> None:
        """Deliver a trade once, though both a stream and a poll may tell it."""
        if self._orders.news(fill.trade_id, f"fill {fill.instrument}"):
            self._deliver(fill)

    def _stands(self) -> None:
        self.accounts.stood()
        self.link.stands(self._clock.now_ns())
        self._deliver(OrderLinkUp(self._config.name, self._clock.now_ns()))

    def _lost(self, first: BaseException) -> None:
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        self.link.last_reason = one_line(first)
        if isinstance(first, SwarmError) and not first.retryable:
            self.link.refused = first
        elif fate_of(first) == Fate.WRONG_KEY:
            self.link.refused = self._client.wrong_key(self.link.last_reason)
        if self.link.up.is_set():
            self.link.up.clear()
            self._take_back("the link was lost")
            self._deliver(OrderLinkLost(self._config.name, self._clock.now_ns(), self.link.last_reason))
