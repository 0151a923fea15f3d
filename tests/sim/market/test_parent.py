"""Large orders come in parts, move their own market, and the crowd brings it back."""

from __future__ import annotations

import pytest

from domain.draws import stream
from domain.order import Side
from sim.exchange.messages import PlaceOrder
from sim.market.config import FlowConfig
from sim.market.flow import PARENT
from sim.market.lean import Lean
from sim.market.parent import Parent
from sim.market.view import ExchangeView
from tests.sim.market.test_flow import Run

FLOW = FlowConfig()
QUIET = FlowConfig(noise_rate=1e-6, momentum_rate=1e-6, parent_rate=1e-9)


def parents(seed: int, count: int) -> list[tuple[int, list[float]]]:
    """Draw so many large orders whole: side and the values of the parts."""
    parent, found = Parent(FLOW, stream(seed, "test")), []
    for _ in range(count):
        side, first = parent.step()
        parts = [first]
        while parent._left_usdt > 0:
            again, part = parent.step()
            assert again == side
            parts.append(part)
        found.append((int(side), parts))
    return found


def test_a_large_order_is_worked_in_parts_on_one_side_and_is_heavy_tailed() -> None:
    found = parents(1, 1_000)
    wholes = sorted(sum(parts) for _, parts in found)
    assert FLOW.parent_usdt <= wholes[0] and wholes[-1] == pytest.approx(FLOW.parent_usdt_max)
    assert wholes[900] > 3 * wholes[500]
    assert all(part <= 1.5 * FLOW.child_usdt for _, parts in found for part in parts)
    assert 400 < sum(1 for side, _ in found if side == Side.BUY) < 600
    assert found == parents(1, 1_000) != parents(2, 1_000)


def test_parts_follow_each_other_soon_and_large_orders_seldom() -> None:
    parent = Parent(FlowConfig(parent_usdt=200_000), stream(1, "wait"))
    between = [parent.wait_s() for _ in range(500)]
    parent.step()
    within = [parent.wait_s() for _ in range(500)]
    assert sum(between) / 500 == pytest.approx(1 / FLOW.parent_rate, rel=0.2)
    assert sum(within) / 500 == pytest.approx(1 / FLOW.child_rate, rel=0.2)


def test_who_sold_asks_for_more_and_forgets_it_by_half_lives() -> None:
    lean = Lean(FLOW)
    assert lean.step(10**18, -10, 1.0) == pytest.approx(1 + 10 * FLOW.lean_bps * 1e-4)
    later = 10**18 + round(FLOW.lean_half_life_s * 1e9)
    assert lean.step(later, 0, 1.0) == pytest.approx(1 + 5 * FLOW.lean_bps * 1e-4)
    assert lean.step(later, 1_000, 1.0) == pytest.approx(1 - FLOW.lean_bps_max * 1e-4)


def test_a_large_order_moves_its_market_until_the_crowd_has_brought_it_back() -> None:
    run = Run(3, QUIET).go(3)
    view, market = ExchangeView(run.exchange), run.exchange.instruments[0]
    parent = run.flow._parents[0]
    parent._left_usdt, parent._side = 150_000.0, Side.BUY

    def above_bps() -> float:
        bid, _ = run.exchange.best(0)
        fair = run.prices.pair("test-x", market.base, market.quote) / market.tick.value(1)
        return (bid / fair - 1) * 1e4

    before, highest = above_bps(), -100.0
    while parent._left_usdt > 0:
        for command in run.flow._act(run.now_ns, 0, PARENT, view):
            assert isinstance(command, PlaceOrder) and command.side == Side.BUY
            run.exchange.step(command)
        run.go(0.2)
        highest = max(highest, above_bps())
    assert before < 0 and highest > 5
    run.go(30)
    assert above_bps() < 0


def test_what_an_account_bought_is_told_once() -> None:
    run = Run(5).go(20)
    view = ExchangeView(run.exchange)
    names = [one.name for one in run.exchange.config.accounts]
    maker, market = names.index("flow-maker"), 0
    trades = run.exchange.orders.trades[run.exchange.orders.slot(maker, market)]
    assert trades and view.bought_lots(maker, market) == sum(one.side * one.size_lots for one in trades)
    assert view.bought_lots(maker, market) == 0
