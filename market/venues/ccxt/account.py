"""The account as the exchange has it, through ccxt: balances, open orders and trades, until they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ccxt

from domain.errors import ExitCode, SwarmError
from domain.instrument import Instrument
from domain.order_events import AccountSnapshot, Fill, OpenOrder
from market.venues.ccxt.client import Client, Refused
from market.venues.ccxt.fate import Fate
from market.venues.ccxt.instruments import market_of
from market.venues.ccxt.own_orders import OwnOrders
from market.venues.ccxt.reading import SIDES, UNREADABLE, Reader, amount, number_of, trade_number
from market.venues.venue import AccountTruth, Balances

PAGE = 500
PAGES_MAX = 1_000
AGREEING_READS_MAX = 4


class Account:
    """Read one account: this is the truth that the streams are held against."""

    def __init__(self, client: Client, instruments: Sequence[Instrument], orders: OwnOrders) -> None:
        self._client, self._orders = client, orders
        self.readers = {instrument.index: Reader(instrument) for instrument in instruments}
        self.symbols: dict[int, str] = {}
        self.by_symbol: dict[str, int] = {}

    def name_markets(self) -> None:
        """Learn ccxt's names of the markets, once they are loaded."""
        for index, reader in self.readers.items():
            self.symbols[index] = market_of(self._client.exchange, reader.instrument.symbol)["symbol"]
        self.by_symbol = {symbol: index for index, symbol in self.symbols.items()}

    async def balances(self) -> Balances:
        """Read all balances that are not zero."""
        told = await self._client.ask("the balance", self._client.exchange.fetch_balance)
        try:
            held = {
                asset: (amount(told[asset].get("free")), amount(told[asset].get("used")))
                for asset in told.get("total", {})
            }
        except UNREADABLE as error:
            raise self._unreadable("the balance", error) from None
        return {asset: amounts for asset, amounts in sorted(held.items()) if amounts != (0, 0)}

    async def open_orders(self) -> list[Any]:
        """Read all open orders: of every market where the exchange can, else of ours."""
        exchange = self._client.exchange
        found = await self._client.ask("the open orders", lambda: self._every_open_order(exchange))
        if found is None:
            found = []
            for symbol in self.symbols.values():
                found += await self._client.ask("orders", partial(exchange.fetch_open_orders, symbol))
        try:
            for order in found:
                self._orders.learn(order)
        except UNREADABLE as error:
            raise self._unreadable("open orders", error) from None
        return found

    @staticmethod
    async def _every_open_order(exchange: Any) -> list[Any] | None:
        """Give `None` where the exchange lists the orders of one market at a time."""
        try:
            return list(await exchange.fetch_open_orders())
        except ccxt.ArgumentsRequired:
            return None

    async def truth(self) -> AccountTruth:
        """Read balances and open orders that belong to one moment, as far as the exchange lets us."""
        before = await self.balances()
        for _ in range(AGREEING_READS_MAX):
            orders, after = await self.open_orders(), await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        texts = tuple(sorted(str(order.get("clientOrderId") or order.get("id")) for order in orders))
        return AccountTruth(self._client.config.name, after, texts)

    async def snapshot(
        self, since_trade_ids: Sequence[tuple[int, int]], now_ns: Callable[[], int]
    ) -> AccountSnapshot:
        """Read everything; equal totals before and after say that nothing traded meanwhile."""
        before, since = await self.balances(), dict(since_trade_ids)
        fills: list[Fill] = []
        for _ in range(AGREEING_READS_MAX):
            orders = await self.open_orders()
            for index, known in list(since.items()):
                found = await self.fills(index, known, now_ns())
                fills += found
                if found:
                    since[index] = found[-1].trade_id
            after = await self.balances()
            if _totals(after) == _totals(before):
                break
            before = after
        fills.sort(key=lambda fill: (fill.instrument, fill.trade_id))
        opened = tuple(self._open(order) for order in orders)
        return AccountSnapshot(self._client.config.name, now_ns(), after, opened, tuple(fills))

    async def fills(self, index: int, since: int, now_ns: int) -> list[Fill]:
        """Read the account's trades after one, oldest first, each with the order it belongs to."""
        trades = await self._trades(index, since)
        found = []
        for trade in trades:
            try:
                owner = await self.owner(index, trade)
                found.append(self.readers[index].fill(trade, owner, now_ns))
            except UNREADABLE as error:
                raise self._unreadable("own trades", error) from None
        return found

    async def newest_trade(self, index: int) -> int:
        """Give the id of the account's newest trade in a market, 0 where there is none."""
        symbol = self.symbols[index]
        page = await self._page(symbol, {}, symbol)
        return trade_number(page[-1]) if page else 0

    async def owner(self, index: int, trade: Any) -> int:
        """Give the client id of the order that a trade belongs to, 0 for a stranger's."""
        text = str(trade["order"])
        known = self._orders.owner(text)
        if known is None:
            symbol, exchange = self.symbols[index], self._client.exchange
            try:
                order = await self._client.ask("an order", lambda: exchange.fetch_order(text, symbol))
                known = self._orders.learn({**order, "id": text})
            except Refused as error:
                known = None if error.fate == Fate.NOT_FOUND else 0
            if known is None:
                # One that the exchange does not show us, or under no name of ours.
                self._orders.strange(text)
        return known or 0

    async def _trades(self, index: int, since: int) -> list[Any]:
        symbol, exchange = self.symbols[index], self._client.exchange
        if exchange.id.startswith("binance"):
            return await self._by_id(symbol, since)
        return await self._back_to(symbol, since)

    async def _back_to(self, symbol: str, since: int) -> list[Any]:
        """Page back by time until a trade that is known, or until there are no more."""
        # Kraken lists all markets together and counts from the newest.
        kraken = self._client.exchange.id.startswith("kraken")
        found: dict[int, Any] = {}
        parameters: dict[str, Any] = {}
        seen = 0
        for _ in range(PAGES_MAX):
            page = await self._page(symbol, parameters, None if kraken else symbol)
            ours = {trade_number(one): one for one in page if one.get("symbol", symbol) == symbol}
            new = page if kraken else ours.keys() - found.keys()
            found |= ours
            if since in found or not new:
                break
            seen += len(page)
            parameters = {"ofs": seen} if kraken else {"until": page[0]["timestamp"]}
        if since > 0 and since not in found:
            raise self._unreadable("own trades", f"trade {since} is known but was not listed")
        return [found[number] for number in sorted(found) if number > since]

    async def _by_id(self, symbol: str, since: int) -> list[Any]:
        """Page forward by id."""
        found: list[Any] = []
        first = max(since, 0)
        for _ in range(PAGES_MAX):
            page = await self._page(symbol, {"fromId": first}, symbol)
            if since > 0 and not found and (not page or trade_number(page[0]) != since):
                raise self._unreadable("own trades", f"trade {since} is known but was not listed")
            found += page
            if len(page) < PAGE:
                return found[1:] if since > 0 else found
            first = trade_number(page[-1]) + 1
        raise self._unreadable("own trades", f"more than {PAGES_MAX} pages")

    async def _page(self, symbol: str, parameters: dict[str, Any], asked: str | None) -> list[Any]:
        exchange = self._client.exchange
        page = await self._client.ask(
            f"own trades of {symbol}", lambda: exchange.fetch_my_trades(asked, None, PAGE, parameters)
        )
        try:
            return sorted(page, key=trade_number)
        except UNREADABLE as error:
            raise self._unreadable("own trades", error) from None

    def _open(self, order: Any) -> OpenOrder:
        try:
            index = self.by_symbol.get(order["symbol"])
            if index is not None:
                return self.readers[index].open_order(order)
            text = str(order.get("clientOrderId") or "")
            side = int(SIDES.get(order.get("side"), 1))
            return OpenOrder(0, text, number_of(str(order["id"])), -1, side, 0, 0, 0, 0)
        except UNREADABLE as error:
            raise self._unreadable("open orders", error) from None

    def _unreadable(self, what: str, why: object) -> SwarmError:
        return SwarmError(
            f"the answer to {what} cannot be used: {str(why)[:160]}",
            where=self._client.config.name,
            mend="it is asked for again; see the venue's status page if this goes on",
            code=ExitCode.VENUE_DOWN,
            retryable=True,
        )


def _totals(balances: Balances) -> dict[str, int]:
    return {asset: free + locked for asset, (free, locked) in balances.items()}
