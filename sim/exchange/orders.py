"""Every order and trade that the exchange still remembers."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice

from sim.exchange.config import ExchangeConfig
from sim.exchange.messages import AccountTrade, PlacedOrder, PublicTrade


class Orders:
    """Keep open orders by account and market, and ended ones up to a bound, the oldest forgotten first.

    A `PlacedOrder` is never changed in place: each change puts a new one, so outputs may keep theirs.
    """

    __slots__ = ("_ended_kept", "_markets", "ended", "open", "open_max", "public_trades", "texts", "trades")

    def __init__(self, config: ExchangeConfig) -> None:
        self._markets = len(config.markets)
        few = config.unlimited_kept
        self._ended_kept = [few if each.unlimited else config.ended_orders_kept for each in config.accounts]
        usual = config.open_orders_max
        self.open_max = [
            usual if each.open_orders_max is None else each.open_orders_max for each in config.accounts
        ]
        self.open: list[dict[int, PlacedOrder]] = [{} for _ in config.accounts for _ in config.markets]
        self.ended: list[OrderedDict[int, PlacedOrder]] = [OrderedDict() for _ in config.accounts]
        self.texts: list[dict[str, int]] = [{} for _ in config.accounts]
        self.trades: list[deque[AccountTrade]] = [
            deque(maxlen=few if each.unlimited else config.account_trades_kept)
            for each in config.accounts
            for _ in config.markets
        ]
        self.public_trades: list[deque[PublicTrade]] = [
            deque(maxlen=config.public_trades_kept) for _ in config.markets
        ]

    def slot(self, account: int, instrument: int) -> int:
        """Give the place of an account on a market in `open` and `trades`."""
        return account * self._markets + instrument

    def text_taken(self, account: int, client_text: str) -> bool:
        """Tell whether an open order of the account has this text."""
        order_id = self.texts[account].get(client_text)
        return order_id is not None and order_id not in self.ended[account]

    def put(self, order: PlacedOrder) -> None:
        """Keep an open order, or its newer form."""
        self.open[order.account * self._markets + order.instrument][order.order_id] = order
        self.texts[order.account][order.client_text] = order.order_id

    def end(self, order: PlacedOrder) -> None:
        """Keep an order's last form, and forget the oldest ended one beyond the bound."""
        self.open[order.account * self._markets + order.instrument].pop(order.order_id, None)
        ended, texts = self.ended[order.account], self.texts[order.account]
        texts[order.client_text] = order.order_id
        ended[order.order_id] = order
        if len(ended) > self._ended_kept[order.account]:
            _, oldest = ended.popitem(last=False)
            if texts.get(oldest.client_text) == oldest.order_id:
                del texts[oldest.client_text]

    def find(self, account: int, instrument: int, order_id: int, client_text: str) -> PlacedOrder | None:
        """Find an order by id or, where that is 0, the newest by client text."""
        wanted = order_id if order_id != 0 else self.texts[account].get(client_text, 0)
        found = self.open[self.slot(account, instrument)].get(wanted)
        if found is not None:
            return found
        found = self.ended[account].get(wanted)
        return found if found is not None and found.instrument == instrument else None

    def all_of(self, account: int, instrument: int, from_id: int | None, limit: int) -> list[PlacedOrder]:
        """List orders, open and ended, ascending by id: from an id on, or the latest."""
        known = [order for order in self.ended[account].values() if order.instrument == instrument]
        known.extend(self.open[self.slot(account, instrument)].values())
        known.sort(key=lambda order: order.order_id)
        if from_id is None:
            return known[-limit:]
        return [order for order in known if order.order_id >= from_id][:limit]

    def trades_of(self, account: int, instrument: int, from_id: int | None, limit: int) -> list[AccountTrade]:
        """List an account's trades, ascending by id: from an id on, or the latest."""
        kept = self.trades[self.slot(account, instrument)]
        newest_first = islice(reversed(kept), limit if from_id is None else None)
        found: list[AccountTrade] = []
        for trade in newest_first:
            if from_id is not None and trade.trade_id < from_id:
                break
            found.append(trade)
        found.reverse()
        return found[:limit]
