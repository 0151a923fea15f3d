"""From what an exchange says to what a node steps on, as the venue adapter does with bytes between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from domain.ids import client_id_read, client_id_text
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, Trade
from domain.order import ApprovedOrder, OrderState, Side
from domain.order_events import (
    AccountSnapshot,
    Fill,
    OpenOrder,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from sim.exchange.dialect_errors import refusal
from sim.exchange.exchange import Exchange
from sim.exchange.messages import (
    AccountTrade,
    Execution,
    ExecutionKind,
    OrderStatusKind,
    PlacedOrder,
    PlaceOrder,
    PublicTrade,
)

STATES = {
    OrderStatusKind.NEW: OrderState.OPEN,
    OrderStatusKind.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    OrderStatusKind.FILLED: OrderState.FILLED,
    OrderStatusKind.CANCELED: OrderState.CANCELLED,
    OrderStatusKind.EXPIRED: OrderState.EXPIRED,
    OrderStatusKind.EXPIRED_IN_MATCH: OrderState.EXPIRED,
}
SNAPSHOT_LEVELS = 1000
TRADES_MAX = 10_000


class Translation:
    """Translate for one account: the exchange's market numbers to the node's, and back."""

    __slots__ = ("account", "exchange", "to_node", "to_venue", "venue")

    def __init__(self, exchange: Exchange, account: int, instruments: Iterable[Instrument]) -> None:
        self.exchange, self.account, self.venue = exchange, account, exchange.config.name
        places = {each.symbol: each.index for each in exchange.instruments}
        mine = [each for each in instruments if each.venue == self.venue]
        self.to_venue = {each.index: places[each.symbol] for each in mine}
        self.to_node = {venue: node for node, venue in self.to_venue.items()}

    def placed(self, now_ns: int, client_id: int, approved: ApprovedOrder) -> PlaceOrder:
        """Write an order as the exchange takes it."""
        intent = approved.intent
        return PlaceOrder(
            now_ns,
            self.account,
            self.to_venue[intent.instrument],
            intent.side,
            intent.tif,
            intent.price_ticks,
            intent.size_lots,
            client_id_text(client_id),
        )

    def order_event(self, execution: Execution, local_ns: int) -> OrderEvent | None:
        """Read a report about one of our orders; `None` where the order is not ours or nobody asked."""
        order = execution.order
        client_id = client_id_read(order.client_text)
        if client_id is None or order.instrument not in self.to_node:
            return None
        if execution.kind == ExecutionKind.NEW:
            return OrderAcked(client_id, local_ns, order.order_id)
        if execution.kind == ExecutionKind.TRADE:
            return self._fill(execution, client_id, local_ns)
        state = OrderState.CANCELLED if execution.kind == ExecutionKind.CANCELED else OrderState.EXPIRED
        return OrderClosed(client_id, local_ns, state, order.filled_lots)

    def _fill(self, execution: Execution, client_id: int, local_ns: int) -> Fill:
        order = execution.order
        return Fill(
            client_id,
            local_ns,
            self.to_node[order.instrument],
            execution.trade_id,
            order.order_id,
            order.side,
            execution.last_price_ticks,
            execution.last_lots,
            execution.fee_atoms,
            execution.fee_asset,
            execution.maker,
            execution.now_ns,
        )

    def trade(self, trade: PublicTrade, local_ns: int) -> Trade:
        """Read a public trade."""
        return Trade(
            self.to_node[trade.instrument],
            trade.now_ns,
            local_ns,
            trade.trade_id,
            trade.price_ticks,
            trade.size_lots,
            Side.SELL if trade.buyer_is_maker else Side.BUY,
        )

    def status(self, client_id: int, instrument: int, local_ns: int) -> OrderStatus | OrderNotFound:
        """Answer a query for an order's fate."""
        text = client_id_text(client_id)
        order = self.exchange.order(self.account, self.to_venue[instrument], client_text=text)
        if order is None:
            return OrderNotFound(client_id, local_ns)
        state = STATES[OrderStatusKind(order.status)]
        return OrderStatus(client_id, local_ns, order.order_id, state, order.filled_lots)

    def book(self, instrument: int, now_ns: int, local_ns: int) -> BookSnapshot:
        """Answer a request for a book."""
        sequence, bids, asks = self.exchange.depth(self.to_venue[instrument], SNAPSHOT_LEVELS)
        return BookSnapshot(instrument, now_ns, local_ns, sequence, bids, asks)

    def account_snapshot(self, since: Sequence[tuple[int, int]], local_ns: int) -> AccountSnapshot:
        """Answer a request for the account."""
        fills = [fill for node, trade_id in since for fill in self._fills_after(node, trade_id, local_ns)]
        return AccountSnapshot(
            self.venue,
            local_ns,
            self.exchange.balances(self.account),
            tuple(self._open_order(order) for order in self.open_orders()),
            tuple(fills),
        )

    def open_orders(self) -> list[PlacedOrder]:
        """List the account's open orders on the node's markets."""
        return [one for one in self.exchange.open_orders(self.account) if one.instrument in self.to_node]

    def _open_order(self, order: PlacedOrder) -> OpenOrder:
        return OpenOrder(
            client_id_read(order.client_text) or 0,
            order.client_text,
            order.order_id,
            self.to_node[order.instrument],
            order.side,
            order.tif,
            order.price_ticks,
            order.size_lots,
            order.filled_lots,
        )

    def _fills_after(self, node: int, trade_id: int, local_ns: int) -> list[Fill]:
        market = self.to_venue[node]
        trades = self.exchange.trades(self.account, market, trade_id + 1, TRADES_MAX)
        return [_own_fill(trade, node, local_ns) for trade in trades]


def refused(client_id: int, kind: int, local_ns: int) -> OrderRefusedByVenue:
    """Read a refusal of a new order, in the dialect's own code and words."""
    said = refusal(kind)
    return OrderRefusedByVenue(client_id, local_ns, said.code, said.text)


def listed(exchange: Exchange, account: int, symbols: Sequence[str], first_index: int) -> list[Instrument]:
    """Give a venue's markets numbered as a node numbers them, in the order of its config, at its own fees."""
    known, accounts = {each.symbol: each for each in exchange.instruments}, exchange.accounts
    return [
        msgspec.structs.replace(
            known[symbol],
            index=first_index + place,
            maker_fee_ppm=accounts.maker_ppm[account],
            taker_fee_ppm=accounts.taker_ppm[account],
        )
        for place, symbol in enumerate(symbols)
    ]


def _own_fill(trade: AccountTrade, node: int, local_ns: int) -> Fill:
    return Fill(
        client_id_read(trade.client_text) or 0,
        local_ns,
        node,
        trade.trade_id,
        trade.order_id,
        trade.side,
        trade.price_ticks,
        trade.size_lots,
        trade.fee_atoms,
        trade.fee_asset,
        trade.maker,
        trade.now_ns,
    )
