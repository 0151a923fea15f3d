"""The paths of docs/arbitrage.md, one by one: legs that fill, legs that fail, and sequences."""

from __future__ import annotations

import pytest

from arbitrage.saga.events import (
    Purpose,
    SagaState,
)
from arbitrage.saga.leg_ledger import Fate
from domain.order import OrderState
from tests.arbitrage.saga_scenes import failed_leg
from tests.arbitrage.saga_world import (
    BUY,
    MS,
    ROUTES,
    SELL,
    SQUARE,
    TRIANGLE,
    Route,
    World,
    case,
    sequential,
)

FLAT, UNWOUND, STUCK = SagaState.FLAT, SagaState.UNWOUND, SagaState.STUCK


@pytest.mark.parametrize("route", ROUTES)
def test_legs_that_all_fill_leave_it_flat_with_the_tickets_profit(route: Route) -> None:
    world = World(case(route))
    assert len(world.sent) == len(route.markets)
    for order in list(world.open_orders()):
        world.filled(order)
    (end,) = world.ends()
    ticket = world.plan.ticket
    assert (world.state, end.asset, world.alarms()) == (FLAT, route.asset, [])
    assert ticket.profit_atoms - 1 <= end.profit_atoms <= ticket.profit_atoms + ticket.in_atoms // 10_000
    assert all(atoms >= 0 for _, atoms in end.residual)


def test_fills_in_pieces_and_out_of_order_add_up() -> None:
    world = World(case())
    half = world.sent[0].size_lots // 2
    first, second = world.fill(0, half), world.fill(0, world.sent[0].size_lots - half)
    world.filled(1)
    world.tell(world.end(0, world.sent[0].size_lots))
    assert world.saga.facts.orders[0].fate == Fate.OWED
    world.tell(second)
    world.tell(first)
    assert world.state == FLAT


def test_an_answer_that_comes_twice_changes_nothing() -> None:
    world = World(case())
    trade = world.fill(0, world.sent[0].size_lots)
    world.tell(trade)
    before = world.saga.state()
    assert world.tell(trade) == []
    assert world.saga.state() == before
    end = world.end(0, world.sent[0].size_lots)
    world.tell(end)
    world.filled(1)
    assert world.state == FLAT
    assert world.tell(end) == []


def test_a_fee_in_a_third_asset_is_summed_apart_and_counted_as_a_loss() -> None:
    world = World(case())
    world.tell(world.fill(0, world.sent[0].size_lots, fee=(77, "BNB")))
    world.tell(world.end(0, world.sent[0].size_lots))
    world.filled(1)
    (end,) = world.ends()
    assert ("x", "BNB", -77) in end.realised
    residual = dict(end.residual)["BTC"]
    assert residual == 10_000 * 100_000 // 1_000, "what the fee would have been is over"
    assert end.profit_atoms <= world.plan.ticket.profit_atoms


@pytest.mark.parametrize(
    ("side", "in_quote", "in_got"), [(1, True, False), (-1, True, True), (-1, False, True)]
)
def test_a_third_assets_fee_counts_where_the_rule_would_have_charged_it(
    side: int, in_quote: bool, in_got: bool
) -> None:
    world = World(case(in_quote=in_quote))
    order = next(one.order for one in world.sent if one.side == side)
    place = world.sent[order].leg
    world.tell(world.fill(order, 1_000, fee=(5, "BNB")))
    ledger = world.saga.facts.ledgers[place]
    assert (ledger.shadow_got_atoms > 0, ledger.shadow_paid_atoms > 0) == (in_got, not in_got)


def test_a_leg_that_fails_is_driven_on_while_that_is_cheaper() -> None:
    world = failed_leg()
    send = world.last()
    assert (world.state, send.purpose, send.leg, send.side) == (SagaState.HEDGING, Purpose.HEDGE, 1, SELL)
    assert send.size_lots == world.sent[1].size_lots
    world.filled(2)
    assert world.state == FLAT
    assert world.ends()[-1].profit_atoms < world.plan.ticket.profit_atoms


def test_a_rejected_leg_is_a_leg_that_failed() -> None:
    world = World(case())
    world.filled(0)
    world.tell(world.end(1, 0, OrderState.REJECTED))
    assert world.last().purpose == Purpose.HEDGE


def test_a_lagging_first_leg_is_driven_on_too() -> None:
    world = failed_leg(at=0)
    send = world.last()
    assert (send.leg, send.side, send.purpose) == (0, BUY, Purpose.HEDGE)
    world.filled(2)
    assert world.state == FLAT


def test_partial_fills_are_hedged_by_what_lags_only() -> None:
    world = World(case())
    world.filled(0)
    world.answer(1, 4_000)
    assert (world.last().leg, world.last().size_lots) == (1, world.sent[1].size_lots - 4_000)
    world.answer(2, 1_000)
    world.passed(60 * MS)
    assert world.last().size_lots == world.sent[1].size_lots - 5_000


def test_a_leg_is_hedged_while_another_is_still_out() -> None:
    world = World(case(TRIANGLE))
    world.filled(0)
    world.answer(1, 0)
    assert 2 in world.open_orders()
    assert (world.last().leg, world.last().purpose) == (1, Purpose.HEDGE)


def test_what_lags_beyond_the_hedge_bound_makes_it_take_the_others_back() -> None:
    world = World(case())
    world.filled(0)
    bid, ask = world.quotes[1]
    world.quote(1, bid * 98 // 100, ask * 98 // 100)
    world.answer(1, 0)
    for order in range(2, 2 + world.plan.rules.hedges_max):
        assert world.last().purpose == Purpose.HEDGE
        world.answer(order, 0)
        world.passed(60 * MS)
    send = world.last()
    assert (world.state, send.purpose, send.leg, send.side) == (SagaState.UNWINDING, Purpose.UNWIND, 0, SELL)
    assert send.size_lots == 9_990, "the fee was paid in what was bought"
    world.answer(send.order, 9_990, world.quotes[0][0])
    (end,) = world.ends()
    assert (end.state, end.residual) == (UNWOUND, ())
    assert -world.plan.worst_atoms <= end.profit_atoms < 0


def test_what_stood_at_the_touch_and_is_gone_is_asked_for_again_a_step_nearer_the_bound_each_time() -> None:
    world = World(case(hedges_max=4))
    world.filled(0)
    bid, ask = world.quotes[1]
    world.quote(1, bid * 99 // 100, ask)
    world.answer(1, 0)
    for order in range(2, 6):
        world.answer(order, 0)
        world.passed(60 * MS)
    leg, tries = world.plan.legs[1], [one for one in world.sent if one.purpose == Purpose.HEDGE]
    steps = [(leg.cap_ticks - leg.hedge_ticks) * step // 4 for step in range(1, 5)]
    assert [leg.cap_ticks - one.price_ticks for one in tries] == pytest.approx(steps, abs=1)
    assert tries[-1].price_ticks == leg.hedge_ticks
    assert world.last().purpose == Purpose.UNWIND


def test_it_takes_back_where_driving_on_costs_more() -> None:
    world = World(case(hedge_ppm=100_000, hedges_max=1))
    world.filled(0)
    bid, ask = world.quotes[1]
    world.quote(1, bid * 97 // 100, ask * 97 // 100)
    world.answer(1, 0)
    assert world.last().purpose == Purpose.UNWIND


def test_hedges_are_counted_and_then_it_is_taken_back() -> None:
    world = failed_leg(case(hedges_max=2))
    world.answer(2, 0)
    world.passed(60 * MS)
    world.answer(3, 0)
    world.passed(60 * MS)
    assert [one.purpose for one in world.sent[2:]] == [Purpose.HEDGE, Purpose.HEDGE, Purpose.UNWIND]


def test_a_pause_lies_between_attempts() -> None:
    world = failed_leg()
    world.answer(2, 0)
    assert len(world.sent) == 3
    world.passed(49 * MS)
    assert len(world.sent) == 3
    world.passed(MS)
    assert len(world.sent) == 4


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_whichever_leg_fails_the_others_are_taken_back_and_nothing_is_left(at: int) -> None:
    world = failed_leg(case(SQUARE, hedges_max=0), at)
    for _ in range(40):
        for order in list(world.open_orders()):
            bid, ask = world.quotes[world.sent[order].leg]
            world.answer(order, world.sent[order].size_lots, bid if world.sent[order].side == SELL else ask)
        world.passed(100 * MS)
    end = world.ends()[-1]
    assert end.state == UNWOUND
    assert -world.plan.worst_atoms <= end.profit_atoms < 0
    for asset, atoms in end.residual:
        assert abs(atoms) < {"BTC": 2 * 10**6, "ETH": 5 * 10**7, "EUR": 6 * 10**10}[asset]


def test_what_is_below_the_minimums_is_reported_and_not_chased() -> None:
    world = World(case())
    world.filled(0)
    world.answer(1, world.sent[1].size_lots - 10)
    (end,) = world.ends()
    assert (end.state, len(world.sent)) == (FLAT, 2)
    assert dict(end.residual) == {"BTC": 10 * 100_000}


def test_what_could_only_be_driven_on_and_may_not_be_is_left() -> None:
    world = World(case(TRIANGLE, hedges_max=0))
    orders = {one.leg: one.order for one in world.sent}
    world.filled(orders[0])
    world.answer(orders[1], world.plan.legs[1].size_lots - 20)
    world.filled(orders[2])
    (end,) = world.ends()
    assert (end.state, len(world.sent)) == (FLAT, 3)
    assert [(asset, atoms > 0) for asset, atoms in end.residual] == [("BTC", True), ("ETH", False)]


def test_nothing_filled_is_flat_with_nothing_done() -> None:
    world = World(case())
    world.answer(0, 0)
    world.answer(1, 0)
    (end,) = world.ends()
    assert (end.state, end.profit_atoms, end.residual) == (FLAT, 0, ())


def test_an_unfunded_cycle_goes_leg_by_leg() -> None:
    world = World(sequential(TRIANGLE))
    assert [one.leg for one in world.sent] == [0]
    world.filled(0)
    world.filled(1)
    world.filled(2)
    assert [one.leg for one in world.sent] == [0, 1, 2]
    assert world.state == FLAT


def test_a_sequence_goes_on_with_what_the_least_filled_leg_allows() -> None:
    world = World(sequential(TRIANGLE))
    world.answer(0, world.sent[0].size_lots // 2)
    planned = world.plan.legs[1].size_lots
    assert planned * 49 // 100 < world.sent[1].size_lots <= planned // 2


def test_a_sequence_ends_where_its_first_leg_fills_nothing() -> None:
    world = World(sequential(TRIANGLE))
    world.answer(0, 0)
    assert (world.state, len(world.sent)) == (FLAT, 1)


def test_a_sequence_that_begins_in_the_middle_comes_round() -> None:
    world = World(sequential(TRIANGLE, 1))
    for order in range(3):
        world.filled(order)
    assert [one.leg for one in world.sent] == [1, 2, 0]
    assert world.state == FLAT


def test_a_leg_of_a_sequence_that_fills_in_part_is_hedged_beside_the_next() -> None:
    world = World(sequential(TRIANGLE))
    world.filled(0)
    world.answer(1, world.sent[1].size_lots * 4 // 10)
    assert [(one.leg, one.purpose) for one in world.sent[2:]] == [(2, Purpose.LEG), (1, Purpose.HEDGE)]
    assert world.sent[2].size_lots <= world.plan.legs[2].size_lots * 4 // 10
    for order in (2, 3, 4):
        world.filled(order)
    assert world.state == FLAT
    assert world.sent[4].leg == 2


def test_a_leg_that_is_fed_pays_no_more_than_what_came_in() -> None:
    world = World(sequential(TRIANGLE))
    lots = world.sent[0].size_lots
    world.tell(world.fill(0, lots, fee=(lots * 100_000 * 13 // 10_000, "BTC")))
    world.tell(world.end(0, lots))
    send, leg = world.sent[1], world.plan.legs[1]
    came = lots * 100_000 - lots * 100_000 * 13 // 10_000
    assert send.price_ticks * send.size_lots * leg.tick_lot_atoms <= came
    assert send.price_ticks * (send.size_lots + 1) * leg.tick_lot_atoms > came


def test_a_rest_below_the_minimums_stops_a_sequence() -> None:
    world = World(sequential(TRIANGLE))
    world.answer(0, 10)
    assert (world.state, len(world.sent)) == (FLAT, 1)
    assert dict(world.ends()[-1].residual)["BTC"] > 0
