"""The account as the venue has it: balances, open orders and trades, read until they agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id_read
from domain.instrument import Instrument
from domain.order_events import AccountSnapshot, Fill, OpenOrder
from domain.units import atoms
from market.venues.binance.replies import ListedOrder, ListedTrade, OrderReader
from market.venues.binance.rest import RestClient
from market.venues.steps import PLAIN, BadFrame, Count
from market.venues.venue import AccountTruth, Balances

PAGE = 1_000
PAGES_MAX = 10_000
AGREEING_READS_MAX = 4

Read = TypeVar("Read")
Listed = TypeVar("Listed")


class _Balance(msgspec.Struct):
    asset: str
    free: str
    locked: str


class _Account(msgspec.Struct):
    balances: list[_Balance]


class _Identified(msgspec.Struct):
    orderId: Count
    clientOrderId: str


_ACCOUNT = msgspec.json.Decoder(_Account)
_ORDERS, _TRADES = msgspec.json.Decoder(list[ListedOrder]), msgspec.json.Decoder(list[ListedTrade])
_IDENTIFIED = msgspec.json.Decoder(list[_Identified])


class AccountReader:
    """Read one account over REST."""

    def __init__(self, rest: RestClient, instruments: Sequence[Instrument], reader: OrderReader) -> None:
        self._rest, self._reader = rest, reader
        self._symbols = {instrument.index: instrument.symbol for instrument in instruments}

    async def balances(self) -> Balances:
        """Read all balances that are not zero."""
        body = await self._rest.get("/api/v3/account", {"omitZeroBalances": "true"}, sign=True)
        account = self._read(_ACCOUNT, body, "account")
        try:
            told = {one.asset: (_amount(one.free), _amount(one.locked)) for one in account.balances}
        except BadFrame as error:
            raise self._unreadable("account", str(error)) from None
        return {asset: amounts for asset, amounts in sorted(told.items()) if amounts != (0, 0)}

    async def open_orders(self) -> list[ListedOrder]:
        """Read all open orders of the account."""
        body = await self._rest.get("/api/v3/openOrders", sign=True)
        return self._read(_ORDERS, body, "openOrders")

    async def truth(self) -> AccountTruth:
        """Read balances and open orders that belong to one moment, as far as the venue lets us."""
        before = await self.balances()
        for _ in range(AGREEING_READS_MAX):
            orders, after = await self.open_orders(), await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        texts = tuple(sorted(order.clientOrderId for order in orders))
        return AccountTruth(self._rest.config.name, after, texts)

    async def snapshot(
        self,
        since_trade_ids: Sequence[tuple[int, int]],
        now_ns: Callable[[], int],
        owners: dict[tuple[int, int], int],
    ) -> AccountSnapshot:
        """Read everything. Totals are read before and after: equal ones say that nothing traded meanwhile.

        On an account that trades without a pause the last of `AGREEING_READS_MAX` readings stands.
        """
        before = await self.balances()
        fills: list[Fill] = []
        since = dict(since_trade_ids)
        for _ in range(AGREEING_READS_MAX):
            orders = await self.open_orders()
            for found in await self._all_fills(since, now_ns(), owners):
                fills += found
                if found:
                    since[found[-1].instrument] = found[-1].trade_id
            after = await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        fills.sort(key=lambda fill: (fill.instrument, fill.trade_id))
        return AccountSnapshot(
            self._rest.config.name,
            now_ns(),
            after,
            tuple(self._open(order) for order in orders),
            tuple(fills),
        )

    async def _all_fills(
        self, since: dict[int, int], now_ns: int, owners: dict[tuple[int, int], int]
    ) -> list[list[Fill]]:
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [
                    tasks.create_task(self._fills(instrument, trade_id, now_ns, owners))
                    for instrument, trade_id in since.items()
                ]
        except* SwarmError as errors:
            failed = errors
        else:
            return [task.result() for task in asked]
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first

    def _open(self, order: ListedOrder) -> OpenOrder:
        try:
            return self._reader.listed_order(order)
        except (ValueError, KeyError) as error:
            raise self._unreadable("openOrders", repr(error)) from None

    async def _fills(
        self, instrument: int, since: int, now_ns: int, owners: dict[tuple[int, int], int]
    ) -> list[Fill]:
        trades = await self._trades(instrument, since)
        unowned = sorted({trade.orderId for trade in trades if trade.clientOrderId is None})
        missing = [order_id for order_id in unowned if (instrument, order_id) not in owners]
        names = await self._names(instrument, missing) if missing else {}
        fills = []
        for trade in trades:
            name = trade.clientOrderId or names.get(trade.orderId)
            known = client_id_read(name) if name is not None else owners.get((instrument, trade.orderId))
            try:
                fills.append(self._reader.listed_trade(trade, instrument, known or 0, now_ns))
            except ValueError as error:
                raise self._unreadable("myTrades", repr(error)) from None
        return fills

    async def _trades(self, instrument: int, since: int) -> list[ListedTrade]:
        """Page from the last known trade, which must come back: without it an empty answer is no answer."""
        found: list[ListedTrade] = []
        first = max(since, 0)
        for _ in range(PAGES_MAX):
            page = await self._page(_TRADES, "myTrades", instrument, {"fromId": first, "limit": PAGE})
            page.sort(key=lambda trade: trade.id)
            if since > 0 and not found and (not page or page[0].id != since):
                raise self._unreadable("myTrades", f"trade {since} is known but was not listed")
            if page and page[0].id < first:
                raise self._unreadable("myTrades", f"trades before {first} were not asked for")
            found += page
            if len(page) < PAGE:
                return found[1:] if since > 0 else found
            first = page[-1].id + 1
        raise self._unreadable("myTrades", f"more than {PAGES_MAX} pages")

    async def _names(self, instrument: int, missing: Sequence[int]) -> dict[int, str]:
        """Look up the client ids of orders; `myTrades` does not tell them."""
        names: dict[int, str] = {}
        first, last = missing[0], missing[-1]
        for _ in range(PAGES_MAX):
            parameters: dict[str, str | int] = {"orderId": first, "limit": PAGE}
            page = await self._page(_IDENTIFIED, "allOrders", instrument, parameters)
            names.update((order.orderId, order.clientOrderId) for order in page)
            newest = max((order.orderId for order in page), default=last)
            if len(page) < PAGE or newest >= last:
                return names
            first = newest + 1
        raise self._unreadable("allOrders", f"more than {PAGES_MAX} pages")

    async def _page(
        self,
        decoder: msgspec.json.Decoder[list[Listed]],
        what: str,
        instrument: int,
        parameters: dict[str, str | int],
    ) -> list[Listed]:
        symbol = self._symbols[instrument]
        body = await self._rest.get(f"/api/v3/{what}", {**parameters, "symbol": symbol}, sign=True)
        return self._read(decoder, body, what)

    def _read(self, decoder: msgspec.json.Decoder[Read], body: bytes, what: str) -> Read:
        try:
            return decoder.decode(body)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(what, str(error)) from None

    def _unreadable(self, what: str, why: str) -> SwarmError:
        return SwarmError(
            f"the answer to {what} cannot be used: {why[:160]}",
            where=self._rest.config.name,
            mend="it is asked for again; see the venue's status page if this goes on",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )


def _totals(balances: Balances) -> dict[str, int]:
    return {asset: free + locked for asset, (free, locked) in balances.items()}


def _amount(text: str) -> int:
    if PLAIN.fullmatch(text) is None:
        raise BadFrame(f"not an amount: {text[:40]!r}")
    return atoms(text, "down")
