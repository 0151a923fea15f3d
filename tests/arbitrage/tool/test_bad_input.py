"""From quote to ticket: what is broken gives none, and a counted reason; what is sound gives one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arbitrage.filter.anomaly_filter import AnomalyFilter
from arbitrage.filter.config import FilterConfig
from arbitrage.filter.rejection import RejectReason
from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from arbitrage.size.sizing import Depth, Sizer
from arbitrage.ticket import Ticket
from tests.arbitrage.markets import SECOND, START, markets

NAMED = ("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT", "a:ETH/USDT", "b:ETH/USDT", "c:ETH/USDT")
SOUND = (100.0, 100.0, 100.0, 10.0, 10.0, 10.0)


class Bench:
    """Join filter, graph and sizing as a node does."""

    def __init__(self) -> None:
        self.instruments = markets(*NAMED)
        self.filter = AnomalyFilter(FilterConfig(frozen_moves=20), self.instruments)
        self.graph = PriceGraph(self.instruments, GraphConfig())
        self.sizer = Sizer(self.instruments)
        self.now_ns = START
        self.quotes: dict[int, Any] = {}

    def quote(self, market: int, *quote: Any) -> Ticket | None:
        """Take a quote; give the ticket that it makes."""
        self.quotes[market] = quote
        bid_ticks, bid_lots, ask_ticks, ask_lots = quote
        if not self.filter.touched(market, bid_ticks, bid_lots, ask_ticks, ask_lots, self.now_ns):
            self.graph.drop(market)
            return None
        if not self.graph.update(market, bid_ticks, bid_lots, ask_ticks, ask_lots):
            return None
        cycle = self.graph.best
        assert cycle is not None
        if self.filter.check(cycle, self.now_ns) is not None:
            return None
        found = self.sizer.sized(cycle, self._depth, now_ns=self.now_ns)
        if not isinstance(found, Ticket) or self.filter.check(found, self.now_ns) is not None:
            return None
        return found

    def _depth(self, market: int) -> Depth:
        bid_ticks, bid_lots, ask_ticks, ask_lots = self.quotes[market]
        return Depth(np.array([[bid_ticks, bid_lots]]), np.array([[ask_ticks, ask_lots]]))

    def mid(self, market: int, mid: float) -> Ticket | None:
        """Quote around a mid."""
        return self.quote(market, round(mid * 100) - 1, 50_000, round(mid * 100) + 1, 50_000)

    def run(self, seconds: float, *mids: float, still: str = "") -> list[Ticket]:
        """Quote every market ten times a second, apart from a venue that stands still."""
        found = []
        for step in range(round(seconds * 10)):
            self.now_ns += SECOND // 10
            for market, mid in enumerate(mids):
                moving = 0.0 if self.instruments[market].venue == still else 0.01 * (step % 3)
                ticket = self.mid(market, mid + moving * (market < 3))
                found += [ticket] if ticket is not None else []
            for market in self.filter.sweep(self.now_ns).dropped:
                self.graph.drop(market)
        return found

    def counted(self, reason: RejectReason) -> int:
        """Give how often a reason was counted."""
        return self.filter.counts[reason]


@pytest.fixture
def bench() -> Bench:
    """Give markets that agree."""
    made = Bench()
    assert made.run(1.0, *SOUND) == []
    assert sum(made.filter.counts) == 0
    return made


def test_a_sound_dislocation_makes_a_ticket(bench: Bench) -> None:
    ticket = bench.mid(0, 101.0)
    assert ticket is not None
    assert ticket.profit_bps > 50
    assert sum(bench.filter.counts) == 0


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        ([0, 0, 9_000, 50_000], RejectReason.NO_QUOTE),
        ([12_000, 50_000, 0, 50_000], RejectReason.NO_QUOTE),
        ([-1, 50_000, 9_000, 50_000], RejectReason.NEGATIVE),
        ([math.nan, 50_000, 9_000, 50_000], RejectReason.NOT_A_NUMBER),
        ([8_900, math.nan, 9_000, 50_000], RejectReason.NOT_A_NUMBER),
        ([8_900, 50_000, math.inf, 50_000], RejectReason.NOT_A_NUMBER),
        ([1, 50_000, 2, 50_000], RejectReason.WIDE),
        ([100, 50_000, 101, 50_000], RejectReason.JUMP),
        ([10**15, 50_000, 10**15 + 1, 50_000], RejectReason.JUMP),
        ([10**17, 50_000, 10**17 + 1, 50_000], RejectReason.ABSURD),
        ([12_000, 50_000, 9_000, 50_000], RejectReason.CROSSED),
        ([10_400, 50_000, 10_402, 50_000], RejectReason.DEVIATION),
    ],
)
def test_a_broken_quote_makes_none(bench: Bench, quote: list[Any], reason: RejectReason) -> None:
    assert bench.quote(0, *quote) is None
    assert bench.counted(reason) > 0
    assert bench.mid(1, 100.0) is None
    assert bench.mid(0, 100.0) is None


def test_a_venue_that_freezes_makes_none(bench: Bench) -> None:
    bench.run(6.0, *SOUND, still="a")
    assert bench.counted(RejectReason.FROZEN_VENUE) > 0
    drifted = [mid * (1.008 if name[0] != "a" else 1.0) for name, mid in zip(NAMED, SOUND, strict=True)]
    found = bench.run(6.0, *drifted, still="a")
    assert [leg.instrument for ticket in found for leg in ticket.legs if leg.instrument in {0, 3}] == []


def test_an_asset_under_anothers_name_makes_none() -> None:
    other = Bench()
    assert other.run(8.0, 7.0, *SOUND[1:]) == []
    assert other.counted(RejectReason.DEVIATION) > 0
    assert other.filter.quarantined == (0,)


def test_a_fee_that_changes_in_flight_makes_none(bench: Bench) -> None:
    ticket = bench.mid(0, 101.0)
    assert ticket is not None
    assert bench.filter.check(ticket, bench.now_ns) is None
    assert not bench.filter.fee(0, 8_000, bench.now_ns)
    bench.graph.drop(0)
    bench.graph.set_fee(0, 8_000)
    assert bench.filter.check(ticket, bench.now_ns) is not None
    assert bench.mid(0, 101.2) is None
    assert bench.counted(RejectReason.FEE_CHANGED) >= 2


def test_a_dislocation_that_never_ends_makes_tickets_for_its_first_seconds_only(bench: Bench) -> None:
    found = bench.run(10.0, 101.0, *SOUND[1:])
    assert found
    assert max(ticket.detected_ns for ticket in found) <= START + 5 * SECOND
    assert bench.counted(RejectReason.PERSISTENT) > 0
