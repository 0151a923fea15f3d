"""Before the first leg every leg is held against what the gate would say: none must stand alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.market_events import MarketRows, Tick
from domain.order_events import OrderLinkLost
from market.rows import rows_of
from tests.agents.arbitrage.rig import BTC_A, BTC_B, B, Rig, sent
from tests.agents.builders import MS


def crowded(r: Rig) -> None:
    r.node.gate.in_flight_max = 1


def unexplained(r: Rig) -> None:
    r.node.markets[BTC_B].risk.blocked = True


def full(r: Rig) -> None:
    r.group.hands[BTC_A].risk.position_value_atoms_max = 1


def poor(r: Rig) -> None:
    r.node.gate.gross_atoms_max = 1


def cut(r: Rig) -> None:
    r.step(OrderLinkLost(B, r.now_ns, "test"), answered=False)


def talkative(r: Rig) -> None:
    risk = r.group.hands[BTC_B].risk
    risk.message_due_ns = r.now_ns + 10 * risk.message_burst_ns


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (crowded, "in_flight"),
        (unexplained, "unexplained"),
        (full, "position"),
        (poor, "budget"),
        (cut, "standby"),
        (talkative, "message_rate"),
    ],
)
def test_a_leg_that_could_not_be_sent_keeps_all_back(spoil: Callable[[Rig], None], reason: str) -> None:
    r = Rig()
    r.start()
    spoil(r)
    out = r.gap(answered=False)
    assert ("UNREADY", reason) in r.group.ring.counts
    assert not {BTC_A, BTC_B} <= {market for market, _, _ in sent(out)}


def test_rows_open_an_opportunity_as_ticks_do() -> None:
    r = Rig()
    r.start()
    r.now_ns += MS
    at = r.now_ns
    rows = rows_of(Tick(BTC_B, at, at, 10_030, 2_000, 10_032, 2_000, at))
    assert len(sent(r.step(MarketRows(at, rows)))) == 2
