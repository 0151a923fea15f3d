"""Orders over the WebSocket API: answers and user events share one connection, so their order holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent
from domain.order_events import (
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
)
from domain.protocols import Clock
from market.venues.backoff import Backoff
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
from market.venues.in_flight import InFlight, Request, RequestKind, SendQueue
from market.venues.link import LinkBroken, VenueLink
from market.venues.quota import Priority
from market.venues.rest import TryAgain, wrong_key
from market.venues.steps import MS_NS, BadFrame

# Ours, not the venue's: its codes are negative.
NOT_SENT = 1
SWEEP_S = 0.05
TIME_SYNC_S = 60.0
REMEMBERED_MAX = 8_192
TOO_MANY_ORDERS, BACK_OFF_STATUSES = -1015, frozenset({418, 429})

Key = TypeVar("Key")
Value = TypeVar("Value")


class OrderGateway:
    """Carry orders to a Binance-like venue; satisfies `domain.protocols.Gateway`.

    Whatever cannot be told for sure (no answer within `request_timeout_s`, a lost connection, a limiter, a
    venue's own trouble) becomes `FateUnknown`. What was never written to the socket is refused as such:
    without a link, in-flight room or rate limit for it, and new orders that still waited for a full socket
    when the link was lost, their time was up, or they were purged.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        credentials: tuple[str, str],
        rest: RestClient,
        clock: Clock,
        deliver: Callable[[Event], None],
    ) -> None:
        self._config, self._rest, self._clock, self._deliver = config, rest, clock, deliver
        self._wire = OrderWire(instruments, *credentials, config.recv_window_ms)
        self._reader = OrderReader(instruments)
        self._account = AccountReader(rest, instruments, self._reader)
        self._in_flight, self._queue = InFlight(config.in_flight_max), SendQueue()
        # New orders that the socket cannot take yet, by request; each has its place in the in-flight table.
        self._unsent: dict[int, tuple[int, bytes]] = {}
        self._timeout_ns = int(config.request_timeout_s * 1e9)
        self._window_ns = (config.recv_window_ms + 1_000) * MS_NS
        self._started_ns = clock.now_ns()
        self._sent_ns: OrderedDict[int, int] = OrderedDict()
        self._told: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._owners: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._ask_again: dict[int, tuple[int, int]] = {}
        self._subscribed: asyncio.Future[Answer] | None = None
        self._account_wanted: asyncio.Queue[tuple[tuple[int, int], ...]] = asyncio.Queue(maxsize=1)
        self.bad_frames, self.stray_answers, self.accounts_failed, self.last_bad = 0, 0, 0, ""
        self.accounts_dropped = self._ups = 0
        self.link = VenueLink(
            "orders",
            config.api_url,
            config,
            on_open=self._opened,
            on_frame=self._frame,
            on_lost=self._lost,
            on_resume=self._flush,
        )

    def send(self, client_id: int, approved: ApprovedOrder) -> None:
        """Sign and write a new order now."""
        now_ns, limits = self._clock.now_ns(), self._rest.limits
        fits = limits.orders_left > 0
        if not fits or not self._room(RequestKind.PLACE):
            why = self._why_not(approved, now_ns)
            if why != "":
                self._soon(OrderRefusedByVenue(client_id, now_ns, NOT_SENT, f"not sent: {why}"))
                return
        intent = approved.intent
        request = Request(RequestKind.PLACE, client_id, intent.instrument, now_ns + self._timeout_ns)
        request_id = self._in_flight.add(request)
        timestamp_ms = now_ns // MS_NS + self._rest.time_offset_ms
        frame = self._wire.place(request_id, client_id, intent, timestamp_ms)
        if self.link.paused:
            self._unsent[request_id] = (request.deadline_ns, frame)
        else:
            self.link.send(frame)
        if fits:
            limits.ordered(now_ns)
        _remember(self._sent_ns, client_id, now_ns)

    def rehearse(self, intent: OrderIntent) -> None:
        """Sign an order that goes nowhere, so that the way of one that does stays in the caches."""
        self._wire.place(0, 0, intent, self._clock.now_ns() // MS_NS)

    def _why_not(self, approved: ApprovedOrder, now_ns: int) -> str:
        if not self._room(RequestKind.PLACE):
            return "in-flight table is full" if self.link.up.is_set() else "order link is down"
        priority = Priority.HEDGE if approved.intent.reduce_only else Priority.NEW
        wait_ns = self._rest.limits.ask_order(priority, now_ns)
        return f"the rate limit is used up for {wait_ns // MS_NS} ms" if wait_ns > 0 else ""

    def purge(self) -> list[int]:
        """Take back the new orders that still wait for a full socket, and give their client ids.

        They were never written, so nothing is unknown about them: each is told as `OrderRefusedByVenue` with
        our own code `NOT_SENT`. Cancels and queries stay. For a halt: what it finds queued must not leave.
        """
        return self._take_back(list(self._unsent), "purged")

    def _take_back(self, request_ids: list[int], why: str) -> list[int]:
        taken, now_ns = [], self._clock.now_ns()
        for request_id in request_ids:
            del self._unsent[request_id]
            request = self._in_flight.take(request_id)
            if request is not None:
                taken.append(request.client_id)
                self._soon(OrderRefusedByVenue(request.client_id, now_ns, NOT_SENT, f"not sent: {why}"))
        return taken

    def cancel(self, client_id: int, instrument: int) -> None:
        """Sign and write a cancel now, ahead of anything that waits."""
        now_ns = self._clock.now_ns()
        if not self._room(RequestKind.CANCEL):
            self._soon(FateUnknown(client_id, now_ns, "cancel not sent"))
            return
        if self._rest.limits.ask(CANCEL_WEIGHT, Priority.CANCEL, now_ns) > 0:
            self._soon(FateUnknown(client_id, now_ns, "cancel not sent: the rate limit is used up"))
            return
        request_id = self._add(RequestKind.CANCEL, client_id, instrument)
        frame = self._wire.cancel(request_id, client_id, instrument, self._rest.timestamp_ms())
        self._write(RequestKind.CANCEL, frame)

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        if not self._room(RequestKind.QUERY):
            return
        if self._rest.limits.ask(STATUS_WEIGHT, Priority.HEDGE, self._clock.now_ns()) > 0:
            return
        request_id = self._add(RequestKind.QUERY, client_id, instrument)
        frame = self._wire.status(request_id, client_id, instrument, self._rest.timestamp_ms())
        self._write(RequestKind.QUERY, frame)

    def fetch_account(self, since_trade_ids: tuple[tuple[int, int], ...]) -> None:
        """Ask for the account; a later ask replaces one that has not begun."""
        if self._account_wanted.full():
            self._account_wanted.get_nowait()
        self._account_wanted.put_nowait(since_trade_ids)

    async def run(self) -> None:
        """Keep the connection up, watch the deadlines and fetch the account."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._sweep())
            tasks.create_task(self._fetch_accounts())
            tasks.create_task(self._keep_time())

    def _room(self, kind: RequestKind) -> bool:
        return self.link.up.is_set() and not self._in_flight.full(kind)

    def _add(self, kind: RequestKind, client_id: int, instrument: int) -> int:
        deadline_ns = self._clock.now_ns() + self._timeout_ns
        return self._in_flight.add(Request(kind, client_id, instrument, deadline_ns))

    def _write(self, kind: RequestKind, frame: bytes) -> None:
        if self.link.paused:
            self._queue.put(kind, frame)
        else:
            self.link.send(frame)

    def _flush(self) -> None:
        while not self.link.paused and (frame := self._queue.pop()) is not None:
            self.link.send(frame)
        while self._unsent and not self.link.paused:
            self.link.send(self._unsent.pop(next(iter(self._unsent)))[1])

    def _soon(self, event: OrderEvent) -> None:
        # Not now: the core may be in the middle of the step that made us send.
        asyncio.get_running_loop().call_soon(self._deliver, event)

    async def _opened(self) -> None:
        try:
            await self._rest.sync_time()
        except TryAgain as error:
            raise LinkBroken(f"no time from the venue: {error}") from None
        self._subscribed = asyncio.get_running_loop().create_future()
        request_id = self._add(RequestKind.SUBSCRIBE, 0, 0)
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
            self._confirm(answer, now_ns)
        else:
            self._settle(request, answer, now_ns)

    def _heed_limits(self, answer: Answer, now_ns: int) -> None:
        limits = self._rest.limits
        if answer.rateLimits is not ABSENT:
            limits.told(answer_counts(answer.rateLimits), now_ns)
        if answer.status in BACK_OFF_STATUSES and answer.error is not None:
            wait_s = answer_wait_s(answer.error.data, self._rest.timestamp_ms())
            limits.hold(held_until_ns(wait_s, now_ns), orders_only=answer.error.code == TOO_MANY_ORDERS)

    def _confirm(self, answer: Answer, now_ns: int) -> None:
        assert self._subscribed is not None
        if not self._subscribed.done():
            self._subscribed.set_result(answer)
            if answer.status == 200:
                self.link.up.set()
                self._ups += 1
                self._deliver(OrderLinkUp(self._config.name, now_ns))

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
                _remember(self._owners, (instrument, event.venue_order_id), client_id)
        if isinstance(event, OrderNotFound):
            sent_ns = self._sent_ns.get(client_id, self._started_ns)
            if now_ns < sent_ns + self._window_ns:
                # The submit may still be on its way; after its window the venue itself would refuse it.
                self._ask_again[client_id] = (sent_ns + self._window_ns, instrument)
                return
        self._tell(event)

    def _tell(self, event: OrderEvent) -> None:
        """Deliver an event, once, though both the answer and the user stream may tell it."""
        if isinstance(event, OrderAcked | OrderClosed):
            key = (event.client_id, type(event).__name__)
            if key in self._told:
                return
            _remember(self._told, key, None)
        elif isinstance(event, Fill):
            _remember(self._owners, (event.instrument, event.venue_order_id), event.client_id)
        self._deliver(event)

    def _lost(self, reason: str) -> None:
        now_ns = self._clock.now_ns()
        self._queue.clear()
        self._take_back(list(self._unsent), "the link was lost")
        self._ask_again.clear()
        for request in self._in_flight.clear():
            if request.kind in (RequestKind.PLACE, RequestKind.CANCEL):
                self._deliver(FateUnknown(request.client_id, now_ns, f"link lost: {reason}"))
        self._deliver(OrderLinkLost(self._config.name, now_ns, reason))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_ns = self._clock.now_ns()
            self._rest.limits.refresh(now_ns)
            self._take_back(self._stale(now_ns), "its time was up")
            for request in self._in_flight.overdue(now_ns):
                if request.kind in (RequestKind.PLACE, RequestKind.CANCEL):
                    self._deliver(FateUnknown(request.client_id, now_ns, "no answer in time"))
            for client_id, (due_ns, instrument) in list(self._ask_again.items()):
                if due_ns <= now_ns:
                    del self._ask_again[client_id]
                    self.query(client_id, instrument)

    def _stale(self, now_ns: int) -> list[int]:
        """Find the orders that waited for the socket for too long; the venue would not take them any more."""
        return [number for number, (deadline_ns, _) in self._unsent.items() if deadline_ns <= now_ns]

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TIME_SYNC_S)
            with contextlib.suppress(TryAgain, SwarmError):
                await self._rest.sync_time()

    async def _fetch_accounts(self) -> None:
        backoff = Backoff(self._config.backoff_min_s, self._config.backoff_max_s, self._rest.draws)
        while True:
            since = await self._account_wanted.get()
            while True:
                began = self._ups
                try:
                    snapshot = await self._account.snapshot(since, self._clock.now_ns, self._owners)
                    break
                except SwarmError:
                    self.accounts_failed += 1
                await asyncio.sleep(backoff.next_s())
                if not self._account_wanted.empty():
                    since = self._account_wanted.get_nowait()
            backoff.reset()
            if self.link.up.is_set() and began == self._ups:
                self._deliver(snapshot)
            else:
                # Fills may have gone by between its reading and the new link: the core asks again then.
                self.accounts_dropped += 1


def _remember(table: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    table[key] = value
    if len(table) > REMEMBERED_MAX:
        table.popitem(last=False)
