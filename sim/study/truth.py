"""What an account did, as its exchanges tell it: balances, and what every order gave, took and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.order import Side
from sim.exchange.exchange import Exchange
from sim.exchange.messages import AccountTrade


@dataclass(slots=True)
class OrderTruth:
    """One order: what it moved of every asset after fees, and the fees, in atoms."""

    flows: dict[str, int] = field(default_factory=dict)
    fees: dict[str, int] = field(default_factory=dict)
    filled_lots: int = 0


def balances(exchanges: Iterable[Exchange], account: str) -> dict[str, int]:
    """Sum an account's holdings over its exchanges, in atoms."""
    held: dict[str, int] = {}
    for exchange in exchanges:
        for asset, (free, locked) in exchange.balances(exchange.config.account_index(account)).items():
            held[asset] = held.get(asset, 0) + free + locked
    return held


def change(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Give what was gained of every asset."""
    return {asset: held - before.get(asset, 0) for asset, held in after.items()}


def orders_of(exchanges: Iterable[Exchange], account: str) -> dict[str, OrderTruth]:
    """Read every order that traded, by its client text; texts are unique over all exchanges."""
    found: dict[str, OrderTruth] = {}
    for exchange in exchanges:
        index = exchange.config.account_index(account)
        for market in exchange.instruments:
            trades = exchange.trades(index, market.index, 0, exchange.config.account_trades_kept)
            assert len(trades) < exchange.config.account_trades_kept, f"{market.key}: trades were forgotten"
            for trade in trades:
                known = found.setdefault(trade.client_text, OrderTruth())
                _add(known, exchange, trade)
    return found


def _add(known: OrderTruth, exchange: Exchange, trade: AccountTrade) -> None:
    market = exchange.instruments[trade.instrument]
    base, quote = (
        trade.size_lots * market.lot_atoms,
        market.notional_atoms(trade.price_ticks, trade.size_lots),
    )
    sign = 1 if trade.side == Side.BUY else -1
    for asset, atoms in ((market.base, sign * base), (market.quote, -sign * quote)):
        known.flows[asset] = known.flows.get(asset, 0) + atoms
    known.flows[trade.fee_asset] = known.flows.get(trade.fee_asset, 0) - trade.fee_atoms
    known.fees[trade.fee_asset] = known.fees.get(trade.fee_asset, 0) + trade.fee_atoms
    known.filled_lots += trade.size_lots
