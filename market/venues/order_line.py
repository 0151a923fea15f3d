"""What every order connection does alike: room, deadlines, order of leaving, told once, account in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

from domain.events import Event
from domain.order import ApprovedOrder, OrderIntent
from domain.order_events import (
    AccountSnapshot,
    FateUnknown,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
)
from domain.protocols import Clock
from market.venues.account_turns import AccountTurns, Since
from market.venues.backoff import Backoff
from market.venues.config import VenueConfig
from market.venues.in_flight import PLACE, InFlight, Request, RequestKind, SendQueue
from market.venues.link import VenueLink
from market.venues.rest import RestCalls

# Ours, not the venue's: its codes are below zero.
NOT_SENT = 1
SWEEP_S = 0.05
REMEMBERED_MAX = 8_192
_IN_DOUBT = (RequestKind.PLACE, RequestKind.CANCEL)

Key = TypeVar("Key")
Value = TypeVar("Value")


class OrderLine:
    """Carry orders over one socket; a dialect says what the frames are and what answers mean.

    Whatever cannot be told for sure (no answer within `request_timeout_s`, a lost connection, a limiter, a
    venue's own trouble) becomes `FateUnknown`. What was never written to the socket is refused as such.
    """

    def __init__(
        self, config: VenueConfig, rest: RestCalls, clock: Clock, deliver: Callable[[Event], None]
    ) -> None:
        self._config, self._calls, self._clock, self._deliver = config, rest, clock, deliver
        self._in_flight, self._queue = InFlight(config.in_flight_max), SendQueue()
        # New orders that the socket cannot take yet, by request; each has its place in the in-flight table.
        self._unsent: dict[int, bytes] = {}
        self._timeout_ns = int(config.request_timeout_s * 1e9)
        self._window_ns = (config.recv_window_ms + 1_000) * 1_000_000
        self._started_ns = clock.now_ns()
        self._sent_ns: OrderedDict[int, int] = OrderedDict()
        self._told: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._ask_again: dict[int, tuple[int, int]] = {}
        self.bad_frames, self.stray_answers, self.last_bad = 0, 0, ""
        self.link = VenueLink(
            "orders",
            config.api_url,
            config,
            on_open=self._opened,
            on_frame=self._frame,
            on_lost=self._lost,
            on_resume=self._flush,
        )
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, rest.draws)
        self.accounts = AccountTurns(self._account, deliver, self.link.up, backoff)

    def _barred(self, intent: OrderIntent, now_ns: int) -> str | None:
        """Say why the venue or its limits do not take a new order, `None` where they do."""
        return None

    def _left(self, now_ns: int) -> None:
        """Do what can wait until a new order has left."""

    def _place_frame(self, request_id: int, client_id: int, intent: OrderIntent, now_ns: int) -> bytes:
        """Write a new order."""
        raise NotImplementedError

    def _cancel_frame(self, request_id: int, client_id: int, instrument: int) -> bytes:
        """Write a cancel."""
        raise NotImplementedError

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        raise NotImplementedError

    async def _account(self, since: Since) -> AccountSnapshot:
        """Read the account."""
        raise NotImplementedError

    async def _opened(self) -> None:
        """Make a new connection of use, and say so by `_up`."""
        raise NotImplementedError

    def _frame(self, payload: bytes) -> None:
        """Take one frame."""
        raise NotImplementedError

    def send(self, client_id: int, approved: ApprovedOrder) -> None:
        """Write a new order now."""
        now_ns, intent, link = self._clock.now_ns(), approved.intent, self.link
        if self._in_flight.full(PLACE) or not link.up.is_set():
            why: str | None = "in-flight table is full" if link.up.is_set() else "order link is down"
        else:
            why = self._barred(intent, now_ns)
        if why is not None:
            self._soon(OrderRefusedByVenue(client_id, now_ns, NOT_SENT, f"not sent: {why}"))
            return
        request = Request(PLACE, client_id, intent.instrument, now_ns + self._timeout_ns)
        request_id = self._in_flight.add(request)
        frame = self._place_frame(request_id, client_id, intent, now_ns)
        if link.paused:
            self._unsent[request_id] = frame
        else:
            link.send(frame)
        self._left(now_ns)
        remember(self._sent_ns, client_id, now_ns)

    def purge(self) -> list[int]:
        """Take back the new orders that still wait for a full socket, and give their client ids.

        They were never written, so nothing is unknown about them. Cancels and queries stay. For a halt: what
        it finds queued must not leave.
        """
        return self._take_back(list(self._unsent), "purged")

    def _take_back(self, request_ids: Iterable[int], why: str) -> list[int]:
        taken, now_ns = [], self._clock.now_ns()
        for request_id in request_ids:
            del self._unsent[request_id]
            request = self._in_flight.take(request_id)
            if request is not None:
                taken.append(request.client_id)
                self._soon(OrderRefusedByVenue(request.client_id, now_ns, NOT_SENT, f"not sent: {why}"))
        return taken

    def cancel(self, client_id: int, instrument: int) -> None:
        """Write a cancel now, ahead of anything that waits."""
        if not self._room(RequestKind.CANCEL):
            self._soon(FateUnknown(client_id, self._clock.now_ns(), "cancel not sent"))
            return
        request_id = self._add(RequestKind.CANCEL, client_id, instrument)
        self._write(RequestKind.CANCEL, self._cancel_frame(request_id, client_id, instrument))

    def fetch_account(self, since_trade_ids: Since) -> None:
        """Ask for the account; a later ask replaces one that has not begun."""
        self.accounts.ask(since_trade_ids)

    async def run(self) -> None:
        """Keep the connection up, watch the deadlines and fetch the account."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._sweep())
            tasks.create_task(self.accounts.run())

    def _room(self, kind: RequestKind) -> bool:
        return self.link.up.is_set() and not self._in_flight.full(kind)

    def _add(self, kind: RequestKind, client_id: int = 0, instrument: int = 0) -> int:
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
        self._take_back_late(self._clock.now_ns())
        while self._unsent and not self.link.paused:
            self.link.send(self._unsent.pop(next(iter(self._unsent))))

    def _take_back_late(self, now_ns: int) -> None:
        """Take back the orders that waited for the socket for too long; the venue would not take them."""
        deadline_ns = self._in_flight.deadline_ns
        self._take_back([each for each in self._unsent if deadline_ns(each) <= now_ns], "its time was up")

    def _soon(self, event: OrderEvent) -> None:
        # Not now: the core may be in the middle of the step that made us send.
        asyncio.get_running_loop().call_soon(self._deliver, event)

    def _up(self) -> None:
        self.link.up.set()
        self.accounts.stood()
        self._deliver(OrderLinkUp(self._config.name, self._clock.now_ns()))

    def _tell(self, event: OrderEvent) -> None:
        """Deliver an event, once, though both an answer and a stream may tell it."""
        if isinstance(event, OrderAcked | OrderClosed):
            key = (event.client_id, type(event).__name__)
            if key in self._told:
                return
            remember(self._told, key, None)
        self._deliver(event)

    def _not_found(self, client_id: int, instrument: int, now_ns: int) -> None:
        """Say that the venue does not know an order, once its submit cannot be on its way any more.

        Until then it is asked again: after the submit's window the venue itself would refuse it.
        """
        due_ns = self._sent_ns.get(client_id, self._started_ns) + self._window_ns
        if now_ns >= due_ns:
            self._deliver(OrderNotFound(client_id, now_ns))
        elif len(self._ask_again) < REMEMBERED_MAX:
            self._ask_again[client_id] = (due_ns, instrument)

    def _lost(self, reason: str) -> None:
        now_ns = self._clock.now_ns()
        self._queue.clear()
        self._take_back(list(self._unsent), "the link was lost")
        self._ask_again.clear()
        for request in self._in_flight.clear():
            if request.kind in _IN_DOUBT:
                self._deliver(FateUnknown(request.client_id, now_ns, f"link lost: {reason}"))
        self._deliver(OrderLinkLost(self._config.name, now_ns, reason))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_ns = self._clock.now_ns()
            self._swept(now_ns)
            self._take_back_late(now_ns)
            for request in self._in_flight.overdue(now_ns):
                if request.kind in _IN_DOUBT:
                    self._deliver(FateUnknown(request.client_id, now_ns, "no answer in time"))
            for client_id, (due_ns, instrument) in list(self._ask_again.items()):
                if due_ns <= now_ns:
                    del self._ask_again[client_id]
                    self.query(client_id, instrument)

    def _swept(self, now_ns: int) -> None:
        """Do what is due a few times a second."""


def remember(table: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """Put something into a table that forgets the oldest."""
    table[key] = value
    if len(table) > REMEMBERED_MAX:
        table.popitem(last=False)
