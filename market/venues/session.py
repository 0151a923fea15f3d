"""The life of one venue account, whatever its dialect: come up, deliver, end with what failed, leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from domain.dtypes import Rows
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent
from domain.protocols import Feed, Gateway
from market.venues.config import VenueConfig
from market.venues.trade_order import Gap


class Rest(Protocol):
    """The calls over REST, as far as a session needs them."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def wait_up(self) -> None:
        """Wait for the venue to answer, at most `start_timeout_s`."""
        ...

    def down(self, why: str) -> SwarmError:
        """Say that the venue does not answer."""
        ...


class Standing(Protocol):
    """A link as far as a session needs it: whether it stands, and why not."""

    up: asyncio.Event

    @property
    def refused(self) -> SwarmError | None:
        """Give why the venue will not have us, where it says so."""
        ...

    @property
    def last_reason(self) -> str:
        """Give why it does not stand."""
        ...


class Feeding(Feed, Protocol):
    """The market-data half of a venue."""

    @property
    def link(self) -> Standing:
        """Give the link that carries it."""
        ...

    async def run(self) -> None:
        """Keep the feed up until cancelled."""
        ...

    async def trades_after(self, instrument: int, trade_id: int, at_ns: int) -> Rows:
        """Ask for a market's trades after one that is known by its id and the venue's time."""
        ...

    def tell_gaps(self, tell: Callable[[Gap], None]) -> None:
        """Say whom to tell of trades that could not be had."""
        ...


class Ordering(Gateway, Protocol):
    """The order half of a venue."""

    @property
    def link(self) -> Standing:
        """Give the link that carries it."""
        ...

    async def run(self) -> None:
        """Keep the order link up until cancelled."""
        ...


def _nothing(*given: object) -> None:
    """Rehearse nothing: not every dialect has a way of its own to keep warm."""


class VenueSession:
    """Connect a node to one venue account. `deliver` is called in the event loop for every event.

    Entering waits until both links stand, at most `start_timeout_s`, and raises VENUE_DOWN or WRONG_KEY
    otherwise. Losses after that are events, and reconnecting goes on for ever. What `deliver` raises ends
    the venue and comes out of its context. Nothing is delivered once leaving began.
    """

    rest: Rest
    stream: Feeding
    gateway: Ordering

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        deliver: Callable[[Event], None],
        live_word: str | None,
    ) -> None:
        config.check_live(live_word)
        assert instruments, "a venue without instruments has nothing to do"
        self.config, self.name, self.instruments = config, config.name, tuple(instruments)
        self._core = deliver
        self._failed: asyncio.Future[None] | None = None
        self._leaving = False
        self.on_gap: Callable[[Gap], None] = _nothing

    def _join(self) -> None:
        """Offer the calls of the parts that the dialect made."""
        self.send: Callable[[int, ApprovedOrder], None] = self.gateway.send
        self.cancel: Callable[[int, int], None] = self.gateway.cancel
        self.query: Callable[[int, int], None] = self.gateway.query
        self.fetch_account: Callable[[tuple[tuple[int, int], ...]], None] = self.gateway.fetch_account
        self.fetch_book: Callable[[int], None] = self.stream.fetch_book
        self.trades_after: Callable[[int, int, int], Awaitable[Rows]] = self.stream.trades_after
        self.prefer: Callable[[Iterable[int]], None] = getattr(self.stream, "prefer", _nothing)
        self.rehearse: Callable[[OrderIntent], None] = getattr(self.gateway, "rehearse", _nothing)
        self.reread: Callable[[], None] = getattr(self.stream, "reread", _nothing)
        self.purge: Callable[[], list[int]] = getattr(self.gateway, "purge", list)
        self.stream.tell_gaps(self._gap)

    async def _prepare(self) -> None:
        """Learn what is needed before the links are made; REST answers already."""

    async def __aenter__(self) -> Self:
        self._failed = asyncio.get_running_loop().create_future()
        await self.rest.__aenter__()
        try:
            await self.rest.wait_up()
            await self._prepare()
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
        links = (self.gateway.link, self.stream.link)
        try:
            async with asyncio.timeout(self.config.start_timeout_s):
                for link in links:
                    while not link.up.is_set():
                        if link.refused is not None:
                            raise link.refused
                        await asyncio.sleep(0.005)
        except TimeoutError:
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

    def _gap(self, gap: Gap) -> None:
        if not self._leaving:
            self.on_gap(gap)

    async def _watch(self) -> None:
        assert self._failed is not None
        await self._failed
