"""Which order of the exchange is which of ours, as far as we were told; bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

from domain.ids import client_id_read
from market.venues.ccxt.reading import number_of

REMEMBERED_MAX = 16_384
Key = TypeVar("Key")
Value = TypeVar("Value")


class OwnOrders:
    """Tie exchange ids to client ids, and know what was told already."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, int] = OrderedDict()
        self._texts: OrderedDict[int, str] = OrderedDict()
        self._told: OrderedDict[tuple[int, str], None] = OrderedDict()

    def learn(self, order: Any) -> int | None:
        """Take an order that the exchange lists; give its client id, `None` or 0 for a stranger's."""
        text = str(order.get("id") or "")
        client_id = client_id_read(str(order.get("clientOrderId") or ""))
        if client_id is None:
            return self._clients.get(text)
        if text != "":
            self.tie(client_id, text)
        return client_id

    def tie(self, client_id: int, text: str) -> int:
        """Remember an order's id at the exchange, and give it as a number."""
        _remember(self._clients, text, client_id)
        _remember(self._texts, client_id, text)
        return number_of(text)

    def strange(self, text: str) -> None:
        """Remember an order that is not ours."""
        _remember(self._clients, text, 0)

    def owner(self, text: str) -> int | None:
        """Give the client id of an exchange's id, 0 for a stranger's."""
        return self._clients.get(text)

    def text(self, client_id: int) -> str | None:
        """Give the exchange's id of an order of ours."""
        return self._texts.get(client_id)

    def news(self, client_id: int, what: str) -> bool:
        """Tell, once, that something is new about an order."""
        if (client_id, what) in self._told:
            return False
        _remember(self._told, (client_id, what), None)
        return True


def _remember(table: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED_MAX:
        table.popitem(last=False)
