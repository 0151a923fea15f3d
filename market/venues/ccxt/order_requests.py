"""Requests for orders through ccxt: one each, and what comes of it said as events, whatever it raised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from domain.errors import SwarmError
from domain.ids import client_id_text
from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent, OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from domain.protocols import Clock
from market.venues.ccxt.account import Account
from market.venues.ccxt.calls import Call, NotSent
from market.venues.ccxt.client import Client
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.finder import Finder, Unlisted
from market.venues.ccxt.own_orders import OwnOrders
from market.venues.ccxt.reading import UNREADABLE
from market.venues.ccxt.stream import Standing
from market.venues.config import VenueConfig
from market.venues.quota import Priority
from market.venues.steps import BadFrame

# Ours, not the venue's: refusals of the exchange are all told as -1.
NOT_SENT, REFUSED_CODE = 1, -1
ASK_AGAIN_S = 0.25
_TIFS: dict[int, dict[str, Any]] = {
    TimeInForce.GTC: {"timeInForce": "GTC"},
    TimeInForce.IOC: {"timeInForce": "IOC"},
    TimeInForce.FOK: {"timeInForce": "FOK"},
    TimeInForce.POST: {"postOnly": True},
    TimeInForce.MARKET: {},
}


class OrderRequests:
    """Place, cancel and ask for orders while the gateway that this is a part of runs."""

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        client: Client,
        clock: Clock,
        deliver: Callable[[OrderEvent], None],
    ) -> None:
        self._config, self._client, self._clock, self._deliver = config, client, clock, deliver
        self._instruments = {instrument.index: instrument for instrument in instruments}
        self._orders = OwnOrders()
        self.account = Account(client, instruments, self._orders)
        self._finder = Finder(client, self.account, self._orders)
        self._group: asyncio.TaskGroup | None = None
        self._working = 0
        self._placing: dict[int, tuple[asyncio.Task[None], Call]] = {}
        self._submitting: dict[int, int] = {}
        self._settled = asyncio.Event()
        # Markets where something may have happened since the last poll, and those that we ever traded in.
        self._active: dict[int, None] = {}
        self._traded: dict[int, None] = {}
        self._sent_ns: dict[int, int] = {}
        self._started_ns = clock.now_ns()
        self.link = Standing()

    def send(self, client_id: int, approved: ApprovedOrder) -> None:
        """Send an approved order; one that there is no room for is refused here, and never sent."""
        if not self.link.up.is_set():
            self._soon(self._not_sent(client_id, "order link is down"))
        elif self._working >= self._config.in_flight_max:
            self._soon(self._not_sent(client_id, "too many requests are under way"))
        else:
            _bounded(self._sent_ns, client_id, self._clock.now_ns())
            intent = approved.intent
            self._active[intent.instrument] = self._traded[intent.instrument] = None
            call = Call(Priority.HEDGE if intent.reduce_only else Priority.NEW, waits=False)
            task = self._work(self._submit(client_id, intent, call))
            self._placing[client_id] = task, call

    def purge(self) -> list[int]:
        """Take back the new orders that still stand in line, and give their client ids.

        Nothing of them left, so nothing is unknown about them: each is told as `OrderRefusedByVenue` with
        our own code `NOT_SENT`. Cancels and queries stay. For a halt: what it finds queued must not leave.
        """
        return self._take_back("purged")

    def _take_back(self, why: str) -> list[int]:
        taken = [client_id for client_id, (_, call) in self._placing.items() if call.unsent]
        for client_id in taken:
            task, _ = self._placing.pop(client_id)
            task.cancel()
            self._soon(self._not_sent(client_id, why))
        return taken

    def cancel(self, client_id: int, instrument: int) -> None:
        """Cancel an order by its client id."""
        if not self.link.up.is_set() or self._working >= 2 * self._config.in_flight_max:
            self._soon(FateUnknown(client_id, self._clock.now_ns(), "cancel not sent"))
        else:
            self._work(self._cancel(client_id, instrument))

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        if self.link.up.is_set() and self._working < 2 * self._config.in_flight_max:
            self._work(self._query(client_id, instrument))

    def _work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None, "orders are carried while the gateway runs"
        self._working += 1
        task = self._group.create_task(work)
        # Not within the work: a task that is cancelled before it began runs nothing of it.
        task.add_done_callback(self._worked)
        return task

    def _worked(self, _: asyncio.Task[None]) -> None:
        self._working -= 1

    async def _submit(self, client_id: int, intent: OrderIntent, call: Call) -> None:
        index = intent.instrument
        self._submitting[index] = self._submitting.get(index, 0) + 1
        try:
            order = await self._client.once(lambda: self._create(client_id, intent), self._timeout_s, call)
            text = str(order["id"])
        except Exception as error:
            self._failed(client_id, index, error)
            return
        finally:
            self._placing.pop(client_id, None)
            self._submitting[index] -= 1
            self._settled.set()
        self._tell(OrderAcked(client_id, self._clock.now_ns(), self._orders.tie(client_id, text)))
        self._told_answer(index, {**order, "id": text, "clientOrderId": client_id_text(client_id)})

    def _told_answer(self, index: int, order: Any) -> None:
        """Tell what an answer says besides the id; many say no more."""
        with suppress(*UNREADABLE):
            self._told_order(index, order)

    def _create(self, client_id: int, intent: OrderIntent) -> Any:
        instrument = self._instruments[intent.instrument]
        market = intent.tif == TimeInForce.MARKET
        return self._client.exchange.create_order(
            self.account.symbols[intent.instrument],
            "market" if market else "limit",
            "buy" if intent.side == Side.BUY else "sell",
            instrument.lot.text(intent.size_lots),
            None if market else instrument.tick.text(intent.price_ticks),
            {**_TIFS[intent.tif], "clientOrderId": client_id_text(client_id)},
        )

    def _failed(self, client_id: int, index: int, error: Exception) -> None:
        now_ns, fate, text = self._clock.now_ns(), fate_of(error), one_line(error)
        if isinstance(error, NotSent):
            self._tell(self._not_sent(client_id, str(error)))
        elif fate in (Fate.REFUSED, Fate.NOT_FOUND, Fate.WRONG_KEY):
            self._tell(OrderRefusedByVenue(client_id, now_ns, REFUSED_CODE, text))
        elif fate == Fate.DUPLICATE:
            # "Already there" is success: the id is ours alone, so the first submit did arrive.
            self._tell(OrderAcked(client_id, now_ns, 0))
            self.query(client_id, index)
        else:
            self._tell(FateUnknown(client_id, now_ns, text))

    async def _cancel(self, client_id: int, index: int) -> None:
        symbol, exchange = self.account.symbols[index], self._client.exchange
        text, named = self._orders.text(client_id), {"clientOrderId": client_id_text(client_id)}
        try:
            order = await self._client.once(
                lambda: (
                    exchange.cancel_order(text, symbol)
                    if text
                    else exchange.cancel_order(None, symbol, named)
                ),
                self._timeout_s,
                Call(Priority.CANCEL, waits=False),
            )
        except Exception as error:
            now_ns, fate = self._clock.now_ns(), fate_of(error)
            if fate in (Fate.REFUSED, Fate.NOT_FOUND):
                self._tell(CancelRefused(client_id, now_ns, REFUSED_CODE))
            else:
                self._tell(FateUnknown(client_id, now_ns, one_line(error)))
            return
        try:
            state, filled = self.account.readers[index].order(order)
        except BadFrame:
            state, filled = OrderState.OPEN, 0  # many exchanges answer with an id and no more
        if state in (OrderState.CANCELLED, OrderState.EXPIRED):
            self._tell(OrderClosed(client_id, self._clock.now_ns(), int(state), filled))
        elif not self._client.has("watchOrders"):
            await self._query(client_id, index)

    async def _query(self, client_id: int, index: int) -> None:
        sent_ns = self._sent_ns.get(client_id, self._started_ns)
        window_ns = round((self._timeout_s + self._config.recv_window_ms / 1000) * 1e9)
        while True:
            try:
                order = await self._finder.find(client_id, index, sent_ns)
            except (SwarmError, Unlisted, *UNREADABLE) as error:
                self._tell(FateUnknown(client_id, self._clock.now_ns(), f"query: {one_line(error)}"))
                return
            if order is not None or self._clock.now_ns() >= sent_ns + window_ns:
                break
            # The submit may still be on its way; after its window the exchange itself would refuse it.
            await asyncio.sleep(ASK_AGAIN_S)
        now_ns = self._clock.now_ns()
        if order is None:
            self._tell(OrderNotFound(client_id, now_ns))
            return
        try:
            state, filled = self.account.readers[index].order(order)
            number = self._orders.tie(client_id, str(order["id"]))
        except UNREADABLE as error:
            self._tell(FateUnknown(client_id, now_ns, f"query: {one_line(error)}"))
            return
        self._tell(OrderStatus(client_id, now_ns, number, int(state), filled))

    def _told_order(self, index: int, order: Any) -> None:
        client_id = self._orders.learn(order)
        if client_id is None or client_id == 0 or order.get("status") is None:
            return
        state, filled = self.account.readers[index].order(order)
        now_ns, number = self._clock.now_ns(), self._orders.tie(client_id, str(order["id"]))
        if state in (OrderState.CANCELLED, OrderState.EXPIRED):
            self._tell(OrderClosed(client_id, now_ns, int(state), filled))
        elif state == OrderState.REJECTED:
            self._tell(OrderRefusedByVenue(client_id, now_ns, REFUSED_CODE, "rejected"))
        else:
            self._tell(OrderAcked(client_id, now_ns, number))

    @property
    def _timeout_s(self) -> float:
        return self._config.request_timeout_s

    def _not_sent(self, client_id: int, why: str) -> OrderRefusedByVenue:
        return OrderRefusedByVenue(client_id, self._clock.now_ns(), NOT_SENT, f"not sent: {why}")

    def _soon(self, event: OrderEvent) -> None:
        # Not now: the core may be in the middle of the step that made us send.
        asyncio.get_running_loop().call_soon(self._deliver, event)

    def _tell(self, event: OrderEvent) -> None:
        """Deliver an event, once, though both an answer and a stream may tell it."""
        if isinstance(event, OrderAcked | OrderClosed) and not self._orders.news(
            event.client_id, type(event).__name__
        ):
            return
        self._deliver(event)


def _bounded(table: dict[int, int], key: int, value: int) -> None:
    table[key] = value
    if len(table) > 16_384:
        del table[next(iter(table))]
