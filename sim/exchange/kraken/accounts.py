"""What accounts are told about themselves: their executions and their balances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sim.exchange.dialect_market import Json
from sim.exchange.kraken.desk import Desk
from sim.exchange.kraken.ids import kraken_id
from sim.exchange.kraken.numbers import amount
from sim.exchange.kraken.register import CLOSED, EXPIRED, Life, Register
from sim.exchange.kraken.reports import execution, traded
from sim.exchange.kraken.stamps import rfc3339
from sim.exchange.messages import Command, Execution, ExecutionKind, Output, SetMarket
from sim.exchange.server_venue import Venue

_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True):
    """One record for one account, encoded when it happened."""

    account: int
    channel: str
    kind: str
    record: bytes


class Confidant(Protocol):
    """Somebody who listens to one account."""

    def told(self, event: Told) -> None:
        """Take an event."""
        ...


class Accounts:
    """Follow the orders of accounts that somebody can log in to, and tell their owners."""

    def __init__(self, venue: Venue, register: Register, desk: Desk) -> None:
        self._venue, self._register, self._desk = venue, register, desk
        self._listeners: dict[int, dict[Confidant, None]] = {}

    def subscribe(self, account: int, listener: Confidant) -> None:
        """Tell this listener about the account from now on."""
        self._listeners.setdefault(account, {})[listener] = None

    def unsubscribe(self, account: int, listener: Confidant) -> None:
        """Tell it no more."""
        self._listeners.get(account, {}).pop(listener, None)

    def tell(self, event: Told) -> None:
        """Pass an event on."""
        for listener in list(self._listeners.get(event.account, {})):
            listener.told(event)

    def heard(self, command: Command, outputs: Sequence[Output]) -> list[Told]:
        """Give what the accounts are to be told of a command."""
        reason = CLOSED if isinstance(command, SetMarket) else self._desk.reason
        told: list[Told] = []
        for report in outputs:
            if isinstance(report, Execution) and report.order.account in self._register.accounts:
                self._report(report, reason, told)
        return told + self._money(outputs)

    def _report(self, report: Execution, reason: str, told: list[Told]) -> None:
        life = self._register.learn(report, reason)
        amending = self._desk.amending == life.root
        if report.kind == ExecutionKind.NEW:
            kinds: Sequence[str] = ("amended",) if amending else ("pending_new", "new")
        elif report.kind == ExecutionKind.TRADE:
            self._tell(report, "trade", self._trade(life), told)
            kinds = () if life.open else ("filled",)
        else:
            kinds = () if amending else ("expired" if life.reason == EXPIRED else "canceled",)
        market = self._venue.exchange.instruments[report.order.instrument]
        for kind in kinds:
            self._tell(report, kind, execution(market, life, kind, report.now_ns), told)

    def _trade(self, life: Life) -> Json:
        instruments = self._venue.exchange.instruments
        trade = life.trades[-1]
        return traded(instruments[trade.instrument], len(instruments), life, trade)

    def _tell(self, report: Execution, kind: str, record: Json, told: list[Told]) -> None:
        told.append(Told(report.order.account, "executions", kind, _encode(record)))

    def _money(self, outputs: Sequence[Output]) -> list[Told]:
        """Tell every change of a balance; what is held for open orders is part of it."""
        changes: list[tuple[Execution, str, int, int]] = []
        for one in outputs:
            if isinstance(one, Execution) and one.order.account in self._register.accounts:
                changes += _changes(self._venue, one) if one.kind == ExecutionKind.TRADE else ()
        after: dict[tuple[int, str], int] = {}
        told: list[Told] = []
        for report, asset, change, fee in reversed(changes):
            key = (report.order.account, asset)
            if key not in after:
                after[key] = sum(self._venue.exchange.balances(key[0])[asset])
            record = self._entry(report, asset, change, fee, after[key])
            told.append(Told(key[0], "balances", "update", _encode(record)))
            after[key] -= change - fee
        told.reverse()
        return told

    def _entry(self, one: Execution, asset: str, change: int, fee: int, balance: int) -> Json:
        markets = len(self._venue.exchange.instruments)
        number = (one.trade_id * markets + one.order.instrument) * 2 + one.maker
        return {
            "ledger_id": kraken_id("L", number * 2 + (asset == one.fee_asset)),
            "ref_id": kraken_id("T", number),
            "timestamp": rfc3339(one.now_ns, 6),
            "type": "trade",
            "subtype": "",
            "category": "trade",
            "asset": asset,
            "asset_class": "currency",
            "wallet_type": "spot",
            "wallet_id": "main",
            "amount": amount(change),
            "fee": amount(fee),
            "balance": amount(balance),
        }


def _changes(venue: Venue, one: Execution) -> list[tuple[Execution, str, int, int]]:
    """Give (report, asset, change, fee) of both assets."""
    market = venue.exchange.instruments[one.order.instrument]
    size = one.last_lots * market.lot_atoms * one.order.side
    paid = -market.notional_atoms(one.last_price_ticks, one.last_lots) * one.order.side
    return [
        (one, asset, change, one.fee_atoms if asset == one.fee_asset else 0)
        for asset, change in ((market.base, size), (market.quote, paid))
    ]
