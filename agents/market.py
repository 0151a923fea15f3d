"""One market as a node keeps it: book, ring, risk figures, counted trades and the agents in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.trades import TradeLog
from domain.instrument import Instrument
from domain.market_events import Tick
from market.book import Book
from market.ring import TickRing
from risk.exposure import MarketRisk

if TYPE_CHECKING:
    from agents.account import Account
    from agents.agent import Agent


class Market:
    """Hold everything of one market."""

    __slots__ = (
        "account",
        "agents",
        "book",
        "instrument",
        "linked",
        "ring",
        "risk",
        "sequence",
        "signal_bps",
        "trades",
    )

    def __init__(self, instrument: Instrument, account: Account) -> None:
        self.instrument, self.account = instrument, account
        self.risk = MarketRisk.of(
            instrument, account.wallet(instrument.base), account.wallet(instrument.quote)
        )
        self.book, self.ring, self.trades = Book(instrument.index), TickRing(), TradeLog()
        self.agents: list[Agent] = []
        self.sequence, self.linked = 0, False
        self.signal_bps: float | None = None

    def touch(self, tick: Tick) -> None:
        """Take a new top of book."""
        risk = self.risk
        risk.bid_ticks, risk.ask_ticks, risk.touched_ns = tick.bid_ticks, tick.ask_ticks, tick.local_ts_ns
        self.sequence = tick.sequence
        self.ring.push(tick)

    def touch_from_book(self, now_ns: int) -> None:
        """Take the top from the book where that is newer than the last tick."""
        book, risk = self.book, self.risk
        risk.stale = book.stale
        if risk.stale:
            return
        risk.touched_ns = now_ns
        if book.sequence > self.sequence:
            self.sequence = book.sequence
            risk.bid_ticks, risk.ask_ticks = book.bid_ticks, book.ask_ticks

    def go_stale(self) -> None:
        """Stop believing the market; sequences of another connection are not comparable."""
        self.risk.stale, self.sequence = True, 0
