"""Orders through ccxt: one request each, and what comes of it said as events, whatever it raised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from domain.errors import SwarmError
from domain.ids import client_id_text
from domain.instrument import Instrument
from domain.order import ApprovedOrder, OrderIntent, OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderLinkLost,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from domain.protocols import Clock
from market.venues.backoff import Backoff
from market.venues.ccxt.account import Account
from market.venues.ccxt.client import Client
from market.venues.ccxt.fate import Fate, fate_of, one_line
from market.venues.ccxt.own_orders import OwnOrders
from market.venues.ccxt.stream import Standing
from market.venues.config import VenueConfig
from market.venues.quota import Priority
from market.venues.steps import BadFrame

REFUSED_CODE = -1
ASK_AGAIN_S = 0.25
_TIFS: dict[int, dict[str, Any]] = {
    TimeInForce.GTC: {"timeInForce": "GTC"},
    TimeInForce.IOC: {"timeInForce": "IOC"},
    TimeInForce.FOK: {"timeInForce": "FOK"},
    TimeInForce.POST: {"postOnly": True},
    TimeInForce.MARKET: {},
}


class CcxtGateway:
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
        self._config, self._client, self._clock, self._deliver = config, client, clock, deliver
        self._instruments = {instrument.index: instrument for instrument in instruments}
        self._orders = OwnOrders()
        self.account = Account(client, instruments, self._orders)
        self._group: asyncio.TaskGroup | None = None
        self._working = 0
        self._submitting: dict[int, int] = {}
        self._settled = asyncio.Event()
        self._last_trade: dict[int, int] = {}
        self._active: dict[int, None] = {}
        self._sent_ns: dict[int, int] = {}
        self._account_wanted: asyncio.Queue[tuple[tuple[int, int], ...]] = asyncio.Queue(maxsize=1)
        self._ups, self.accounts_failed, self.bad_frames = 0, 0, 0
        self._started_ns = clock.now_ns()
        self.link = Standing()

    def send(self, client_id: int, approved: ApprovedOrder) -> None:
        """Send an approved order; one that there is no room for is refused here, and never sent."""
        priority = Priority.HEDGE if approved.intent.reduce_only else Priority.NEW
        if not self.link.up.is_set():
            self._refuse(client_id, "not sent: the link is down")
        elif self._working >= self._config.in_flight_max or not self._client.room(priority):
            self._refuse(client_id, "not sent: the rate limit is used up")
        else:
            _bounded(self._sent_ns, client_id, self._clock.now_ns())
            self._active[approved.intent.instrument] = None
            self._work(self._submit(client_id, approved.intent))

    def cancel(self, client_id: int, instrument: int) -> None:
        """Cancel an order by its client id."""
        if not self.link.up.is_set() or not self._client.room(Priority.CANCEL):
            self._soon(FateUnknown(client_id, self._clock.now_ns(), "cancel not sent"))
        else:
            self._work(self._cancel(client_id, instrument))

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        if self.link.up.is_set() and self._working < 2 * self._config.in_flight_max:
            self._work(self._query(client_id, instrument))

    def fetch_account(self, since_trade_ids: tuple[tuple[int, int], ...]) -> None:
        """Ask for the account; a later ask replaces one that has not begun."""
        if self._account_wanted.full():
            self._account_wanted.get_nowait()
        self._account_wanted.put_nowait(since_trade_ids)

    async def run(self) -> None:
        """Keep the private streams up, carry requests and fetch the account."""
        self.account.name_markets()
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._fetch_accounts())
            self._group.create_task(self._stay())

    # Requests

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None, "orders are carried while the gateway runs"
        self._working += 1
        self._group.create_task(self._counted(work))

    async def _counted(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._working -= 1

    async def _submit(self, client_id: int, intent: OrderIntent) -> None:
        index = intent.instrument
        self._submitting[index] = self._submitting.get(index, 0) + 1
        try:
            order = await self._client.once(
                lambda: self._create(client_id, intent),
                self._timeout_s,
                Priority.HEDGE if intent.reduce_only else Priority.NEW,
            )
            text = str(order["id"])
        except Exception as error:
            self._failed(client_id, index, error)
            return
        finally:
            self._submitting[index] -= 1
            self._settled.set()
        self._tell(OrderAcked(client_id, self._clock.now_ns(), self._orders.tie(client_id, text)))
        self._told_order(index, {**order, "id": text, "clientOrderId": client_id_text(client_id)})

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
        if fate in (Fate.REFUSED, Fate.NOT_FOUND, Fate.WRONG_KEY):
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
                Priority.CANCEL,
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
            state, filled = OrderState.OPEN, 0
        if state in (OrderState.CANCELLED, OrderState.EXPIRED):
            self._tell(OrderClosed(client_id, self._clock.now_ns(), int(state), filled))
        elif not self._client.has("watchOrders"):
            await self._query(client_id, index)

    async def _query(self, client_id: int, index: int) -> None:
        sent_ns = self._sent_ns.get(client_id, self._started_ns)
        window_ns = round((self._timeout_s + self._config.recv_window_ms / 1000) * 1e9)
        while True:
            try:
                order = await self._find(client_id, index)
            except SwarmError as error:
                self._tell(FateUnknown(client_id, self._clock.now_ns(), f"query: {error.what[:100]}"))
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
        except BadFrame as error:
            self._tell(FateUnknown(client_id, now_ns, f"query: {error}"[:100]))
            return
        number = self._orders.tie(client_id, str(order["id"]))
        self._tell(OrderStatus(client_id, now_ns, number, int(state), filled))

    async def _find(self, client_id: int, index: int) -> Any:
        """Find an order of ours by the exchange's id, or by our name for it among those it lists."""
        symbol, client, text = self.account.symbols[index], self._client, self._orders.text(client_id)
        exchange, name = client.exchange, client_id_text(client_id)
        if text is not None and client.has("fetchOrder"):
            return await client.ask("an order", lambda: exchange.fetch_order(text, symbol))
        lists = [exchange.fetch_open_orders]
        lists += [exchange.fetch_closed_orders] if client.has("fetchClosedOrders") else []
        lists += [exchange.fetch_canceled_orders] if client.has("fetchCanceledOrders") else []
        for fetch in lists:
            for order in await client.ask("orders", partial(fetch, symbol)):
                if order.get("clientOrderId") == name:
                    return order
        return None

    # The private streams

    async def _stay(self) -> None:
        backoff = Backoff(self._config.backoff_min_s, self._config.backoff_max_s, self._client.draws)
        while True:
            client = self._client.renewed()
            try:
                await self._client.ask("the balance", self._client.exchange.fetch_balance)
                await self._listen(client, backoff)
            except* Exception as errors:
                self._lost(errors)
            finally:
                await client.close()
            await asyncio.sleep(backoff.next_s())

    async def _listen(self, client: Client, backoff: Backoff) -> None:
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
            self._stands(backoff)
            tasks.create_task(self._poll())

    async def _poll(self) -> None:
        """Ask for what the streams may have missed, which is also how a dead exchange is noticed."""
        while True:
            await asyncio.sleep(self._config.ping_idle_s)
            active, self._active = list(self._active), {}
            for index in active:
                for fill in await self.account.fills(index, self._last_trade[index], self._clock.now_ns()):
                    self._last_trade[index] = max(self._last_trade[index], fill.trade_id)
                    self._told_fill(fill)
            if not active:
                await self._client.ask("a sign of life", self._client.exchange.fetch_balance)

    async def _watch_orders(self, exchange: Any) -> None:
        while True:
            for order in await exchange.watch_orders():
                index = self.account.by_symbol.get(order["symbol"])
                if index is not None:
                    self._told_order(index, order)

    def _told_order(self, index: int, order: Any) -> None:
        client_id = self._orders.learn(order)
        if client_id is None or order.get("status") is None:
            return
        try:
            state, filled = self.account.readers[index].order(order)
        except BadFrame:
            self.bad_frames += 1
            return
        now_ns, number = self._clock.now_ns(), self._orders.tie(client_id, str(order["id"]))
        if state in (OrderState.CANCELLED, OrderState.EXPIRED):
            self._tell(OrderClosed(client_id, now_ns, int(state), filled))
        elif state == OrderState.REJECTED:
            self._tell(OrderRefusedByVenue(client_id, now_ns, REFUSED_CODE, "rejected"))
        else:
            self._tell(OrderAcked(client_id, now_ns, number))

    async def _watch_trades(self, exchange: Any) -> None:
        while True:
            for trade in await exchange.watch_my_trades():
                index = self.account.by_symbol.get(trade["symbol"])
                if index is not None:
                    await self._told_trade(index, trade)

    async def _told_trade(self, index: int, trade: Any) -> None:
        text = str(trade["order"])
        while self._orders.owner(text) is None and self._submitting.get(index, 0) > 0:
            # The answer to a submit on its way tells whose it is; it comes within its time-out.
            self._settled.clear()
            await self._settled.wait()
        owner = await self.account.owner(index, trade)
        try:
            self._told_fill(self.account.readers[index].fill(trade, owner, self._clock.now_ns()))
        except BadFrame:
            # It may have been ours: the next poll tells.
            self.bad_frames += 1
            self._active[index] = None

    def _told_fill(self, fill: Fill) -> None:
        """Deliver a trade once, though both a stream and a poll may tell it."""
        if self._orders.news(fill.trade_id, f"fill {fill.instrument}"):
            self._deliver(fill)

    def _stands(self, backoff: Backoff) -> None:
        backoff.reset()
        self.link.refused = None
        self._ups += 1
        self.link.up.set()
        self._deliver(OrderLinkUp(self._config.name, self._clock.now_ns()))

    def _lost(self, errors: BaseExceptionGroup[Exception]) -> None:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        self.link.last_reason = one_line(first)
        if isinstance(first, SwarmError) and not first.retryable:
            self.link.refused = first
        elif fate_of(first) == Fate.WRONG_KEY:
            self.link.refused = self._client.wrong_key(self.link.last_reason)
        if self.link.up.is_set():
            self.link.up.clear()
            self._deliver(OrderLinkLost(self._config.name, self._clock.now_ns(), self.link.last_reason))

    async def _fetch_accounts(self) -> None:
        backoff = Backoff(self._config.backoff_min_s, self._config.backoff_max_s, self._client.draws)
        while True:
            since = await self._account_wanted.get()
            while True:
                began = self._ups
                try:
                    snapshot = await self.account.snapshot(since, self._clock.now_ns)
                    break
                except SwarmError:
                    self.accounts_failed += 1
                await asyncio.sleep(backoff.next_s())
                if not self._account_wanted.empty():
                    since = self._account_wanted.get_nowait()
            backoff.reset()
            if self.link.up.is_set() and began == self._ups:
                self._deliver(snapshot)

    # Telling

    @property
    def _timeout_s(self) -> float:
        return self._config.request_timeout_s

    def _refuse(self, client_id: int, text: str) -> None:
        self._soon(OrderRefusedByVenue(client_id, self._clock.now_ns(), 0, text))

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
