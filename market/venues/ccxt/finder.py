"""What the exchange knows of an order: by its id there, by our name for it, or among those it lists."""

from __future__ import annotations

from functools import partial
from typing import Any

from domain.ids import client_id_text
from market.venues.ccxt.account import Account
from market.venues.ccxt.client import Client, Refused
from market.venues.ccxt.fate import Fate
from market.venues.ccxt.own_orders import OwnOrders
from market.venues.quota import Priority

# No exchange's pages are shorter: a list that is reaches back as far as there is anything.
SHORT_PAGE = 50


class Unlisted(Exception):
    """The exchange does not list the order, but its lists do not show everything either."""


class Finder:
    """Look for orders of ours."""

    def __init__(self, client: Client, account: Account, orders: OwnOrders) -> None:
        self._client, self._account, self._orders = client, account, orders

    async def find(self, client_id: int, index: int, sent_ns: int) -> Any:
        """Give an order as the exchange tells it, `None` for one that it has not; else raise `Unlisted`."""
        symbol, exchange = self._account.symbols[index], self._client.exchange
        text, name = self._orders.text(client_id), client_id_text(client_id)
        if text is not None and self._client.has("fetchOrder"):
            order = await self._one(partial(exchange.fetch_order, text, symbol))
            if order is not None:
                return order
        if exchange.id.startswith("binance"):
            return await self._one(partial(exchange.fetch_order, None, symbol, {"clientOrderId": name}))
        return await self._listed(symbol, name, sent_ns)

    async def _one(self, fetch: Any) -> Any:
        try:
            return await self._client.ask("an order", fetch, Priority.HEDGE)
        except Refused as error:
            if error.fate == Fate.NOT_FOUND:
                return None
            raise

    async def _listed(self, symbol: str, name: str, sent_ns: int) -> Any:
        """Look through open orders first: one that ends meanwhile is among the ended ones then."""
        exchange = self._client.exchange
        lists = {
            "fetchOpenOrders": exchange.fetch_open_orders,
            "fetchClosedOrders": exchange.fetch_closed_orders,
            "fetchCanceledOrders": exchange.fetch_canceled_orders,
            "fetchOrders": exchange.fetch_orders,
        }
        able = [ability for ability in lists if self._client.has(ability)]
        whole = True
        for ability in able:
            listed = await self._client.ask("orders", partial(lists[ability], symbol), Priority.HEDGE)
            for order in listed:
                if order.get("clientOrderId") == name:
                    return order
            whole = whole and (ability == "fetchOpenOrders" or _reaches(listed, sent_ns))
        if not whole or not {"fetchClosedOrders", "fetchOrders"} & set(able):
            raise Unlisted("it is in no list, but the lists do not go back far enough")
        return None


def _reaches(listed: list[Any], sent_ns: int) -> bool:
    if len(listed) < SHORT_PAGE:
        return True
    times = [order.get("timestamp") for order in listed]
    return any(isinstance(at_ms, int) and at_ms * 1_000_000 < sent_ns for at_ms in times)
