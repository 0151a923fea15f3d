"""The exchange's state as bytes, and back."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.order import TimeInForce
from sim.exchange.messages import WAITING, AccountTrade, PlacedOrder, PublicTrade

if TYPE_CHECKING:
    from sim.exchange.exchange import Exchange

VERSION = 1


class ExchangeState(msgspec.Struct, array_like=True):
    """Everything that is not in the config. Balances are text: an unlimited one has no bound."""

    version: int
    core_hash: str
    next_order_id: int
    markets: list[tuple[int, int, int]]
    free: list[list[str]]
    locked: list[list[str]]
    fees: list[str]
    open: list[PlacedOrder]
    ended: list[list[PlacedOrder]]
    trades: list[list[AccountTrade]]
    public_trades: list[list[PublicTrade]]
    changed_markets: list[tuple[int, int, int]] = []


def dump_state(exchange: Exchange) -> bytes:
    """Write the whole state; equal states give equal bytes."""
    accounts, orders = exchange.accounts, exchange.orders
    return msgspec.msgpack.encode(
        ExchangeState(
            VERSION,
            exchange.config.core_hash(),
            exchange.next_order_id,
            [(each.trade_id, each.update_id, each.last_ticks) for each in exchange.markets],
            [[str(amount) for amount in row] for row in accounts.free],
            [[str(amount) for amount in row] for row in accounts.locked],
            [str(amount) for amount in accounts.fees],
            [order for slot in orders.open for order in slot.values()],
            [list(ended.values()) for ended in orders.ended],
            [list(kept) for kept in orders.trades],
            [list(kept) for kept in orders.public_trades],
            [
                (place, each.status, each.tick_multiple)
                for place, each in enumerate(exchange.markets)
                if (each.status, each.tick_multiple) != (0, 1)
            ],
        )
    )


def state_hash(exchange: Exchange) -> str:
    """Hash the whole state."""
    return hashlib.blake2b(dump_state(exchange), digest_size=16).hexdigest()


def load_state(exchange: Exchange, written: bytes) -> None:
    """Fill a fresh exchange from a state; one of another config or version is refused."""
    try:
        state = msgspec.msgpack.decode(written, type=ExchangeState)
    except msgspec.MsgspecError as error:
        raise _unusable(exchange, f"the exchange snapshot cannot be read: {error}") from None
    if state.version != VERSION or state.core_hash != exchange.config.core_hash():
        raise _unusable(exchange, "the exchange snapshot is of another config or version")
    exchange.next_order_id = state.next_order_id
    for market, (trade_id, update_id, last_ticks) in zip(exchange.markets, state.markets, strict=True):
        market.trade_id, market.update_id, market.last_ticks = trade_id, update_id, last_ticks
    for place, status, tick_multiple in state.changed_markets:
        exchange.markets[place].status, exchange.markets[place].tick_multiple = status, tick_multiple
    exchange.accounts.free = [[int(amount) for amount in row] for row in state.free]
    exchange.accounts.locked = [[int(amount) for amount in row] for row in state.locked]
    exchange.accounts.fees = [int(amount) for amount in state.fees]
    _load_orders(exchange, state)


def _load_orders(exchange: Exchange, state: ExchangeState) -> None:
    orders = exchange.orders
    for kept, trades in zip(orders.trades, state.trades, strict=True):
        kept.extend(trades)
    for shown, public in zip(orders.public_trades, state.public_trades, strict=True):
        shown.extend(public)
    for ended, was in zip(orders.ended, state.ended, strict=True):
        ended.update((order.order_id, order) for order in was)
    for order in sorted(state.open, key=lambda each: each.order_id):
        orders.put(order)
        if order.working_ns == WAITING:
            exchange.markets[order.instrument].waiting[order.order_id] = order
    # Within a level, time priority is the order of entering, so the books come back exactly.
    for order in sorted(state.open, key=lambda each: each.entered or each.order_id):
        if order.working_ns != WAITING:
            exchange.markets[order.instrument].engine.place(
                order.order_id,
                order.account,
                order.side,
                int(TimeInForce.POST),
                order.price_ticks,
                order.size_lots - order.filled_lots,
            )
    for account, ended in enumerate(orders.ended):
        for order in sorted(ended.values(), key=lambda each: each.order_id):
            if orders.texts[account].get(order.client_text, 0) < order.order_id:
                orders.texts[account][order.client_text] = order.order_id


def _unusable(exchange: Exchange, what: str) -> SwarmError:
    return SwarmError(
        what,
        where=exchange.config.name,
        mend="start it with the config it was made with, or move its journal folder away",
        code=ExitCode.JOURNAL_BROKEN,
    )
