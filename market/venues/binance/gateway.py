"""Orders over the WebSocket API: answers and user events share one connection, so their order holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.order import OrderIntent
from domain.order_events import (
    AccountSnapshot,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderEvent,
    OrderNotFound,
)
from domain.protocols import Clock
from market.venues.account_turns import Since
from market.venues.binance.account import AccountReader
from market.venues.binance.limits import (
    CANCEL_WEIGHT,
    STATUS_WEIGHT,
    answer_counts,
    answer_wait_s,
    held_until_ns,
)
from market.venues.binance.replies import (
    ABSENT,
    WRONG_KEY_CODES,
    Answer,
    OrderReader,
    StreamEnded,
)
from market.venues.binance.rest import RestClient
from market.venues.binance.signing import OrderWire
from market.venues.config import VenueConfig
from market.venues.in_flight import Request, RequestKind
from market.venues.link import LinkBroken
from market.venues.order_line import OrderLine, remember
from market.venues.quota import Priority
from market.venues.rest import TryAgain, wrong_key
from market.venues.steps import MS_NS, BadFrame

TIME_SYNC_S = 60.0
TOO_MANY_ORDERS, BACK_OFF_STATUSES = -1015, frozenset({418, 429})


class OrderGateway(OrderLine):
    """Carry orders to a Binance-like venue; satisfies `domain.protocols.Gateway`."""

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        credentials: tuple[str, str],
        rest: RestClient,
        clock: Clock,
        deliver: Callable[[Event], None],
    ) -> None:
        super().__init__(config, rest, clock, deliver)
        self._rest, self._wire = rest, OrderWire(instruments, *credentials, config.recv_window_ms)
        self._reader = OrderReader(instruments)
        self._accounts = AccountReader(rest, instruments, self._reader)
        self._owners: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._subscribed: asyncio.Future[Answer] | None = None

    async def run(self) -> None:
        """Keep the connection up, watch the deadlines, fetch the account and keep the venue's time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._keep_time())

    def rehearse(self, intent: OrderIntent) -> None:
        """Sign an order that goes nowhere, so that the way of one that does stays in the caches."""
        self._wire.place(0, 0, intent, self._clock.now_ns() // MS_NS)

    def cancel(self, client_id: int, instrument: int) -> None:
        """Sign and write a cancel now, ahead of anything that waits."""
        now_ns = self._clock.now_ns()
        if self._room(RequestKind.CANCEL) and self._held(CANCEL_WEIGHT, Priority.CANCEL, now_ns):
            self._soon(FateUnknown(client_id, now_ns, "cancel not sent: the rate limit is used up"))
        else:
            super().cancel(client_id, instrument)

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        if not self._room(RequestKind.QUERY):
            return
        if self._held(STATUS_WEIGHT, Priority.HEDGE, self._clock.now_ns()):
            return
        request_id = self._add(RequestKind.QUERY, client_id, instrument)
        frame = self._wire.status(request_id, client_id, instrument, self._rest.timestamp_ms())
        self._write(RequestKind.QUERY, frame)

    def _held(self, weight: int, priority: Priority, now_ns: int) -> bool:
        return self._rest.limits.ask(weight, priority, now_ns) > 0

    def _barred(self, intent: OrderIntent, now_ns: int) -> str | None:
        limits, count_max = self._rest.limits, self._wire.count_max
        if intent.price_ticks > count_max or intent.size_lots > count_max:
            return "its figures are too large to be written"
        if limits.orders_left > 0:
            return None
        priority = Priority.HEDGE if intent.reduce_only else Priority.NEW
        wait_ns = limits.ask_order(priority, now_ns)
        return f"the rate limit is used up for {wait_ns // MS_NS} ms" if wait_ns > 0 else None

    def _place_frame(self, request_id: int, client_id: int, intent: OrderIntent, now_ns: int) -> bytes:
        return self._wire.place(request_id, client_id, intent, now_ns // MS_NS + self._rest.time_offset_ms)

    def _left(self, now_ns: int) -> None:
        # As `_barred` found it: what was not known to fit has been counted there.
        limits = self._rest.limits
        if limits.orders_left > 0:
            limits.ordered(now_ns)

    def _cancel_frame(self, request_id: int, client_id: int, instrument: int) -> bytes:
        return self._wire.cancel(request_id, client_id, instrument, self._rest.timestamp_ms())

    def _swept(self, now_ns: int) -> None:
        self._rest.limits.refresh(now_ns)

    async def _account(self, since: Since) -> AccountSnapshot:
        return await self._accounts.snapshot(since, self._clock.now_ns, self._owners)

    async def _opened(self) -> None:
        try:
            await self._rest.sync_time()
        except TryAgain as error:
            raise LinkBroken(f"no time from the venue: {error}") from None
        self._subscribed = asyncio.get_running_loop().create_future()
        request_id = self._add(RequestKind.SUBSCRIBE)
        self.link.send(self._wire.subscribe(request_id, self._rest.timestamp_ms()))
        async with asyncio.timeout(self._config.request_timeout_s):
            answer = await self._subscribed
        if answer.status != 200:
            code, text = (answer.error.code, answer.error.msg) if answer.error else (0, "")
            if code in WRONG_KEY_CODES:
                raise wrong_key(self._config, f"{code} {text[:100]}")
            raise LinkBroken(f"user events refused: {answer.status} {code} {text[:100]}")

    def _frame(self, payload: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            answer = self._reader.frame(payload)
            if answer.event is not ABSENT:
                event = self._reader.event(answer.event, now_ns)
                if event is not None:
                    self._tell(event)
            else:
                self._answered(answer, now_ns)
        except (BadFrame, StreamEnded) as error:
            # It may have been a fill: only a new connection and its reconciliation can tell.
            self.bad_frames += 1
            self.last_bad = f"{error}"[:200]
            broken = LinkBroken(f"unusable frame: {self.last_bad}")
            if self._subscribed is not None and not self._subscribed.done():
                self._subscribed.set_exception(broken)
            raise broken from error

    def _answered(self, answer: Answer, now_ns: int) -> None:
        request = self._in_flight.take(answer.id)
        self._heed_limits(answer, now_ns)
        if request is None:
            self.stray_answers += 1
        elif request.kind == RequestKind.SUBSCRIBE:
            self._confirm(answer)
        else:
            self._settle(request, answer, now_ns)

    def _heed_limits(self, answer: Answer, now_ns: int) -> None:
        limits = self._rest.limits
        if answer.rateLimits is not ABSENT:
            limits.told(answer_counts(answer.rateLimits), now_ns)
        if answer.status in BACK_OFF_STATUSES and answer.error is not None:
            wait_s = answer_wait_s(answer.error.data, self._rest.timestamp_ms())
            limits.hold(held_until_ns(wait_s, now_ns), orders_only=answer.error.code == TOO_MANY_ORDERS)

    def _confirm(self, answer: Answer) -> None:
        assert self._subscribed is not None
        if not self._subscribed.done():
            self._subscribed.set_result(answer)
            if answer.status == 200:
                self._up()

    def _settle(self, request: Request, answer: Answer, now_ns: int) -> None:
        client_id, instrument = request.client_id, request.instrument
        try:
            event = self._reader.answered(request.kind, client_id, instrument, answer, now_ns)
        except BadFrame:
            self._deliver(FateUnknown(client_id, now_ns, "the answer could not be read"))
            raise
        if isinstance(event, OrderAcked):
            if event.venue_order_id == 0:
                self.query(client_id, instrument)
            else:
                remember(self._owners, (instrument, event.venue_order_id), client_id)
        if isinstance(event, OrderNotFound):
            self._not_found(client_id, instrument, now_ns)
        else:
            self._tell(event)

    def _tell(self, event: OrderEvent) -> None:
        if isinstance(event, Fill):
            remember(self._owners, (event.instrument, event.venue_order_id), event.client_id)
        super()._tell(event)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TIME_SYNC_S)
            with contextlib.suppress(TryAgain, SwarmError):
                await self._rest.sync_time()
