"""One venue account, whole: market data, orders and account as one async context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from domain.events import Event
from domain.instrument import Instrument
from domain.order import ApprovedOrder
from domain.protocols import Clock
from market.venues.binance.account import AccountReader
from market.venues.binance.gateway import OrderGateway
from market.venues.binance.replies import OrderReader
from market.venues.binance.rest import RestClient
from market.venues.binance.stream import MarketStream
from market.venues.config import VenueConfig
from market.venues.venue import AccountTruth


class BinanceVenue:
    """Connect a node to one venue account. `deliver` is called in the event loop for every event.

    Entering waits until both links stand, at most `start_timeout_s`, and raises VENUE_DOWN or WRONG_KEY
    otherwise. Losses after that are events, and reconnecting goes on for ever. What `deliver` raises ends
    the venue and comes out of its context. Nothing is delivered once leaving began.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        clock: Clock,
        deliver: Callable[[Event], None],
        *,
        live_word: str | None = None,
    ) -> None:
        config.check_live(live_word)
        assert instruments, "a venue without instruments has nothing to do"
        self.config, self.name, self.instruments = config, config.name, tuple(instruments)
        self._core = deliver
        self._failed: asyncio.Future[None] | None = None
        self._leaving = False
        credentials = config.credentials()
        self.rest = RestClient(config, clock, credentials)
        self.stream = MarketStream(config, self.instruments, self.rest, clock, self._deliver)
        self.gateway = OrderGateway(config, self.instruments, credentials, self.rest, clock, self._deliver)
        self.send: Callable[[int, ApprovedOrder], None] = self.gateway.send
        self.cancel: Callable[[int, int], None] = self.gateway.cancel
        self.query: Callable[[int, int], None] = self.gateway.query
        self.fetch_account: Callable[[tuple[tuple[int, int], ...]], None] = self.gateway.fetch_account
        self.fetch_book: Callable[[int], None] = self.stream.fetch_book

    @property
    def bad_frames(self) -> int:
        """Count frames that could not be read, on both links."""
        return self.stream.wire.bad_frames + self.gateway.bad_frames

    async def __aenter__(self) -> Self:
        self._failed = asyncio.get_running_loop().create_future()
        await self.rest.__aenter__()
        try:
            await self.rest.wait_up()
            self._group = asyncio.TaskGroup()
            await self._group.__aenter__()
        except BaseException:
            await self.rest.__aexit__(None, None, None)
            raise
        self._tasks = [
            self._group.create_task(work) for work in (self.stream.run(), self.gateway.run(), self._watch())
        ]
        try:
            await self._wait_up()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            # The group wants to hear of a cancellation only; other errors are the caller's own.
            await self._group.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
        except BaseExceptionGroup:
            if self._failed is not None and self._failed.done() and not self._failed.cancelled():
                await self._failed
            raise
        finally:
            await self.rest.__aexit__(None, None, None)

    async def _wait_up(self) -> None:
        try:
            async with asyncio.timeout(self.config.start_timeout_s):
                for link in (self.gateway.link, self.stream.link):
                    while not link.up.is_set():
                        if link.refused is not None:
                            raise link.refused
                        await asyncio.sleep(0.005)
        except TimeoutError:
            links = (self.gateway.link, self.stream.link)
            why = next((link.last_reason for link in links if not link.up.is_set()), "no answer")
            raise self.rest.down(why) from None

    def _deliver(self, event: Event) -> None:
        assert self._failed is not None
        if self._failed.done() or self._leaving:
            return
        try:
            self._core(event)
        except Exception as error:
            self._failed.set_exception(error)

    async def _watch(self) -> None:
        assert self._failed is not None
        await self._failed


open_venue = BinanceVenue


async def account_truth(config: VenueConfig, clock: Clock) -> AccountTruth:
    """Ask for the venue's own word on an account."""
    async with RestClient(config, clock, config.credentials()) as rest:
        await rest.wait_up()
        return await AccountReader(rest, (), OrderReader(())).truth()
