"""The account as the venue has it: balances, open orders and trades, read until they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.ids import client_id_read, client_id_text
from domain.order import OrderState, TimeInForce
from domain.order_events import AccountSnapshot, Fill, OpenOrder, OrderStatus
from domain.units import atoms
from market.venues.kraken.listed import (
    BALANCES,
    CLOSED,
    OPEN,
    ORDERS,
    TRADES,
    ListedBalance,
    ListedOrder,
    ListedTrade,
)
from market.venues.kraken.names import Names, order_number
from market.venues.kraken.numbers import amount_text, unix_ns
from market.venues.kraken.replies import SIDES, OrderReader, fee_atoms
from market.venues.kraken.rest import RestClient
from market.venues.venue import AccountTruth, Balances

PAGE, PAGES_MAX = 50, 10_000
IDS_MAX = 50
AGREEING_READS_MAX = 4
# Trades of one moment may be listed in any order: ask from a little before the one that is known.
BEFORE_S = 2
# A market that had no trade when the whole list was read is asked for from a minute before, by our clock.
UNTRADED_NS = 60_000_000_000

Read = TypeVar("Read")
Found = tuple[str, ListedOrder]


_TIFS = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_STATES = {"closed": OrderState.FILLED, "canceled": OrderState.CANCELLED, "expired": OrderState.EXPIRED}


class AccountReader:
    """Read one account over REST. `names` are known once REST answers."""

    def __init__(self, rest: RestClient, reader: OrderReader) -> None:
        self._rest, self._reader = rest, reader
        self.names = Names({}, {})
        self._traded_ns: dict[tuple[int, int], int] = {}

    async def balances(self) -> Balances:
        """Read all balances that are not zero."""
        told = self._read(BALANCES, await self._rest.private("BalanceEx"), "BalanceEx")
        try:
            held = {self.names.asset(asset): _held(one) for asset, one in told.items()}
        except ValueError as error:
            raise self._unreadable("BalanceEx", error) from None
        return {asset: amounts for asset, amounts in sorted(held.items()) if amounts != (0, 0)}

    async def open_orders(self) -> list[OpenOrder]:
        """Read all open orders of the account."""
        told = self._read(OPEN, await self._rest.private("OpenOrders"), "OpenOrders")
        try:
            return [self._open(order_id, order) for order_id, order in told.open.items()]
        except (ValueError, KeyError) as error:
            raise self._unreadable("OpenOrders", error) from None

    async def truth(self) -> AccountTruth:
        """Read balances and open orders that belong to one moment, as far as the venue lets us."""
        before = await self.balances()
        for _ in range(AGREEING_READS_MAX):
            orders, after = await self.open_orders(), await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        return AccountTruth(
            self._rest.config.name, after, tuple(sorted(order.client_text for order in orders))
        )

    async def snapshot(
        self, since_trade_ids: Sequence[tuple[int, int]], now_ns: Callable[[], int]
    ) -> AccountSnapshot:
        """Read everything. Totals are read before and after: equal ones say that nothing traded meanwhile.

        On an account that trades without a pause the last of `AGREEING_READS_MAX` readings stands.
        """
        before = await self.balances()
        fills: list[Fill] = []
        since = dict(since_trade_ids)
        for _ in range(AGREEING_READS_MAX):
            orders = await self.open_orders()
            for fill in await self._fills(since, now_ns()):
                fills.append(fill)
                since[fill.instrument] = max(fill.trade_id, since[fill.instrument])
            after = await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        fills.sort(key=lambda fill: (fill.instrument, fill.trade_id))
        self._traded_ns = {key: when for key, when in self._traded_ns.items() if since.get(key[0]) == key[1]}
        return AccountSnapshot(self._rest.config.name, now_ns(), after, tuple(orders), tuple(fills))

    async def statuses(
        self, questions: Sequence[tuple[int, int]], now_ns: Callable[[], int]
    ) -> dict[int, OrderStatus]:
        """Ask for orders by client id and market, at once; those that the venue does not know are missing.

        The open are listed before the closed: one that closes between the two is among the closed.
        """
        indexes, ids = dict(questions), self._reader.order_ids
        found = await self._known({ids[one]: one for one in indexes if one in ids})
        if missing := [one for one in indexes if one not in found]:
            form = {"cl_ord_id": client_id_text(missing[0])} if len(missing) == 1 else {}
            found.update(_newest(await self._listed_open(form), missing))
        if len(missing := [one for one in missing if one not in found]) > 1:
            # The latest page has most of them in one call; each that it has not is asked for by its name.
            found.update(_newest(await self._listed_closed({}), missing))
        for one in [one for one in missing if one not in found]:
            found.update(_newest(await self._listed_closed({"cl_ord_id": client_id_text(one)}), [one]))
        return {one: self._status(one, indexes[one], *order, now_ns()) for one, order in found.items()}

    async def _known(self, owners: dict[str, int]) -> dict[int, Found]:
        """Ask for orders by the venue's ids, each with our own."""
        order_ids, found = list(owners), {}
        for first in range(0, len(order_ids), IDS_MAX):
            asked = order_ids[first : first + IDS_MAX]
            body = await self._rest.private("QueryOrders", {"txid": ",".join(asked)})
            told = self._read(ORDERS, body, "QueryOrders")
            found.update({owners[one]: (one, told[one]) for one in asked if one in told})
        return found

    async def _listed_open(self, form: dict[str, str]) -> dict[str, ListedOrder]:
        return self._read(OPEN, await self._rest.private("OpenOrders", form), "OpenOrders").open

    async def _listed_closed(self, form: dict[str, str]) -> dict[str, ListedOrder]:
        return self._read(CLOSED, await self._rest.private("ClosedOrders", form), "ClosedOrders").closed

    def _status(
        self, client_id: int, index: int, order_id: str, order: ListedOrder, now_ns: int
    ) -> OrderStatus:
        try:
            filled = self._reader.by_index[index].size[order.vol_exec]
        except ValueError as error:
            raise self._unreadable("an order", error) from None
        self._reader.own(order_id, client_id, index)
        state = _STATES.get(order.status, OrderState.PARTIALLY_FILLED if filled > 0 else OrderState.OPEN)
        return OrderStatus(client_id, now_ns, order_number(order_id), int(state), filled)

    def _open(self, order_id: str, order: ListedOrder) -> OpenOrder:
        client_id = client_id_read(order.cl_ord_id) if order.cl_ord_id is not None else None
        text, number = order.cl_ord_id or order_id, order_number(order_id)
        side = int(SIDES[order.descr.type])
        tif = (
            TimeInForce.POST
            if "post" in order.oflags.split(",")
            else _TIFS.get(order.timeinforce, TimeInForce.GTC)
        )
        readers = self._reader.by_symbol.get(self.names.symbol(order.descr.pair))
        if readers is None:
            return OpenOrder(client_id or 0, text, number, -1, side, int(tif), 0, 0, 0)
        index = readers.instrument.index
        self._reader.own(order_id, client_id or 0, index)
        price, size, filled = (
            readers.price[order.descr.price],
            readers.size[order.vol],
            readers.size[order.vol_exec],
        )
        return OpenOrder(client_id or 0, text, number, index, side, int(tif), price, size, filled)

    async def _fills(self, since: dict[int, int], now_ns: int) -> list[Fill]:
        trades = await self._trades(since, now_ns)
        unknown = sorted({trade.ordertxid for trade in trades if trade.ordertxid not in self._reader.owners})
        await self._learn(unknown, {trade.ordertxid: index for trade, index in self._ours(trades)})
        nameless = [trade.ordertxid for trade in trades if trade.ordertxid not in self._reader.owners]
        if nameless:
            raise self._unreadable("QueryOrders", f"order {nameless[0]} traded but was not listed")
        try:
            return [self._fill(trade, index, now_ns) for trade, index in self._ours(trades)]
        except (ValueError, KeyError) as error:
            raise self._unreadable("TradesHistory", error) from None

    def _ours(self, trades: Sequence[ListedTrade]) -> list[tuple[ListedTrade, int]]:
        found = ((trade, self._reader.by_symbol.get(self.names.symbol(trade.pair))) for trade in trades)
        return [(trade, readers.instrument.index) for trade, readers in found if readers is not None]

    async def _trades(self, since: dict[int, int], now_ns: int) -> list[ListedTrade]:
        """Page back to the last known trades, which must come: without them an empty answer is no answer."""
        wanted = {index: trade_id for index, trade_id in since.items() if trade_id > 0}
        unmet, found = dict(wanted), {}
        start = self._start(since)
        for page in range(PAGES_MAX):
            parameters: dict[str, str | int] = {
                "type": "all", "consolidate_taker": "false", "ofs": page * PAGE, **start,
            }  # fmt: skip
            body = await self._rest.private("TradesHistory", parameters)
            listed = self._read(TRADES, body, "TradesHistory").trades
            for trade, index in self._ours(list(listed.values())):
                if trade.trade_id == unmet.get(index):
                    del unmet[index]
                if trade.trade_id > since.get(index, trade.trade_id):
                    found[index, trade.trade_id] = trade
            if len(listed) < PAGE or (not unmet and len(wanted) == len(since)):
                break
        else:
            raise self._unreadable("TradesHistory", f"more than {PAGES_MAX} pages")
        if unmet:
            raise self._unreadable(
                "TradesHistory", f"trade {min(unmet.values())} is known but was not listed"
            )
        traded = {index for index, _ in found}
        for index in since.keys() - wanted.keys() - traded:
            self._traded_ns[index, 0] = now_ns - UNTRADED_NS
        return list(found.values())

    def _start(self, since: dict[int, int]) -> dict[str, str | int]:
        """Give from when to ask: only where every last trade is one whose time is known."""
        known = [self._traded_ns.get(key) for key in since.items()]
        if not known or any(when is None for when in known):
            return {}
        return {"start": max(0, min(when for when in known if when is not None) // 1_000_000_000 - BEFORE_S)}

    async def _learn(self, order_ids: Sequence[str], indexes: dict[str, int]) -> None:
        """Look up the client ids of orders; the list of trades does not tell them."""
        for first in range(0, len(order_ids), IDS_MAX):
            asked = [one for one in order_ids[first : first + IDS_MAX] if one in indexes]
            if not asked:
                continue
            body = await self._rest.private("QueryOrders", {"txid": ",".join(asked)})
            for order_id, order in self._read(ORDERS, body, "QueryOrders").items():
                if order_id in indexes:
                    client_id = client_id_read(order.cl_ord_id) if order.cl_ord_id is not None else None
                    self._reader.own(order_id, client_id or 0, indexes[order_id])

    def _fill(self, trade: ListedTrade, index: int, now_ns: int) -> Fill:
        readers, owner = self._reader.by_index[index], self._reader.owners.get(trade.ordertxid)
        quote, exchange_ns = readers.instrument.quote, unix_ns(trade.time)
        self._traded_ns[index, trade.trade_id] = exchange_ns
        asset, fee = (quote, trade.fee) if trade.fee_asset is None else (trade.fee_asset, trade.fee_qty)
        return Fill(
            client_id=owner.client_id if owner is not None else 0,
            local_ts_ns=now_ns,
            instrument=index,
            trade_id=trade.trade_id,
            venue_order_id=order_number(trade.ordertxid),
            side=int(SIDES[trade.type]),
            price_ticks=readers.price[trade.price],
            size_lots=readers.size[trade.vol],
            fee_atoms=fee_atoms(amount_text(fee)),
            fee_asset=self.names.asset(asset),
            maker=trade.maker,
            exchange_ts_ns=exchange_ns,
        )

    def _read(self, decoder: msgspec.json.Decoder[Read], body: bytes, what: str) -> Read:
        try:
            return decoder.decode(body)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(what, error) from None

    def _unreadable(self, what: str, why: object) -> SwarmError:
        return SwarmError(
            f"the answer to {what} cannot be used: {str(why)[:160]}",
            where=self._rest.config.name,
            mend="it is asked for again; see the venue's status page if this goes on",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )


def _newest(listed: dict[str, ListedOrder], wanted: Sequence[int]) -> dict[int, Found]:
    """Find orders by client id; of several with one id the newest is meant."""
    found: dict[int, Found] = {}
    for order_id, order in listed.items():
        client_id = client_id_read(order.cl_ord_id) if order.cl_ord_id is not None else None
        if client_id is None or client_id not in wanted:
            continue
        if client_id not in found or order.opened_ns > found[client_id][1].opened_ns:
            found[client_id] = order_id, order
    return found


def _held(one: ListedBalance) -> tuple[int, int]:
    total, held = atoms(amount_text(one.balance), "down"), atoms(amount_text(one.hold_trade), "up")
    return total - held, held


def _totals(balances: Balances) -> dict[str, int]:
    return {asset: free + locked for asset, (free, locked) in balances.items()}
