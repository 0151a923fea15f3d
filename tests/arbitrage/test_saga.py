"""The leg saga's paths, one by one: the table of docs/arbitrage.md."""

from __future__ import annotations

import msgspec
import pytest

from arbitrage.leg_ledger import Fate
from arbitrage.saga import Saga
from arbitrage.saga_events import (
    Acknowledged,
    CancelLeg,
    Halted,
    LegEnded,
    LegKnown,
    Purpose,
    ReduceOnly,
    Released,
    Restarted,
    SagaState,
    SendLeg,
    StuckReason,
)
from domain.order import OrderState
from tests.arbitrage.saga_world import (
    BUY,
    MS,
    ROUTES,
    SELL,
    SQUARE,
    TRIANGLE,
    Case,
    Route,
    S,
    World,
    case,
    sequential,
)

FLAT, UNWOUND, STUCK = SagaState.FLAT, SagaState.UNWOUND, SagaState.STUCK


def failed_leg(planned: Case | None = None, at: int = 1) -> World:
    """Fill all legs but one; that one fills nothing."""
    world = World(case() if planned is None else planned)
    for order, send in enumerate(list(world.sent)):
        if send.leg != at:
            world.filled(order)
    order = next(order for order, send in enumerate(world.sent) if send.leg == at)
    world.answer(order, 0)
    return world


def far_away(world: World) -> None:
    """Move every market far down."""
    for place, leg in enumerate(world.plan.legs):
        moved = leg.touch_ticks * 9 // 10
        world.quote(place, moved - 1, moved + 1)


def come_back(world: World) -> None:
    """Move every market to where it was planned."""
    for place, leg in enumerate(world.plan.legs):
        pair = (leg.touch_ticks, leg.cap_ticks) if leg.side == BUY else (leg.cap_ticks, leg.touch_ticks)
        world.quote(place, *pair)


# Everything goes well.


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


# A leg fails or fills in part.


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
    send = world.last()
    assert (world.state, send.purpose, send.leg, send.side) == (SagaState.UNWINDING, Purpose.UNWIND, 0, SELL)
    assert send.size_lots == 9_990, "the fee was paid in what was bought"
    world.answer(2, 9_990, world.quotes[0][0])
    (end,) = world.ends()
    assert (end.state, end.residual) == (UNWOUND, ())
    assert -world.plan.worst_atoms <= end.profit_atoms < 0


def test_it_takes_back_where_driving_on_costs_more() -> None:
    world = World(case(hedge_ppm=100_000))
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


def test_nothing_filled_is_flat_with_nothing_done() -> None:
    world = World(case())
    world.answer(0, 0)
    world.answer(1, 0)
    (end,) = world.ends()
    assert (end.state, end.profit_atoms, end.residual) == (FLAT, 0, ())


# Sequences.


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


# Not knowing.


def test_an_unknown_leg_is_waited_for_and_nothing_is_sent() -> None:
    world = World(case())
    world.unknown(1)
    world.answer(0, 0)
    for _ in range(9):
        assert world.passed(S) == []
    assert len(world.sent) == 2


def test_an_unknown_leg_that_had_filled_makes_it_flat() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.passed(S)
    world.filled(1)
    assert (world.state, world.alarms()) == (FLAT, [])


def test_an_unknown_leg_that_had_not_filled_is_driven_on() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.passed(S)
    world.answer(1, 0)
    assert world.last().purpose == Purpose.HEDGE


def test_no_answer_for_too_long_is_unknown_and_asks_to_cancel() -> None:
    world = World(case(latency_ns=(MS, 50 * MS), answer_ms=400))
    assert world.passed(402 * MS) == [CancelLeg(1, 0, 1)]
    assert world.passed(98 * MS) == [CancelLeg(1, 1, 0)]
    assert all(one.fate == Fate.UNKNOWN for one in world.saga.facts.orders)


def test_an_order_that_stands_is_known_again() -> None:
    world = World(case())
    world.unknown(0)
    world.unresolved.clear()
    world.step(LegKnown(1, 0, 0, world.now_ns))
    assert world.saga.facts.orders[0].fate == Fate.SENT


def test_what_stays_unknown_is_alarmed_with_what_it_may_still_do() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.passed(10 * S)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.UNKNOWN)
    (end,) = world.ends()
    assert dict(end.residual) == {"BTC": 999 * 10**6}
    (alarm,) = [one for one in world.actions if getattr(one, "kind", "") == "saga-stuck-unknown"]
    assert "may still fill: 9990 lots of leg 1" in getattr(alarm, "text", "")


def test_what_is_right_either_way_is_taken_back_before_the_alarm() -> None:
    world = World(case(TRIANGLE))
    orders = {one.leg: one.order for one in world.sent}
    world.unknown(orders[2])
    world.filled(orders[0])
    world.answer(orders[1], world.plan.legs[1].size_lots // 2)
    assert len(world.sent) == 3
    world.passed(10 * S)
    send = world.last()
    assert (send.order, send.leg, send.purpose) == (3, 0, Purpose.UNWIND)
    assert world.plan.legs[0].size_lots * 49 // 100 < send.size_lots <= world.plan.legs[0].size_lots // 2
    world.answer(3, send.size_lots, world.quotes[0][0])
    world.passed(60 * MS)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.UNKNOWN)
    assert [asset for asset, atoms in world.ends()[-1].residual if atoms > 10**9] == ["ETH"]


def test_it_goes_on_by_itself_when_the_unknown_becomes_known() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.passed(10 * S)
    assert world.state == STUCK
    world.answer(1, 0)
    assert (world.state, world.last().purpose, world.last().leg) == (SagaState.UNWINDING, Purpose.UNWIND, 0)


def test_a_stuck_one_that_a_later_fill_makes_flat_is_flat() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.passed(10 * S)
    world.filled(1)
    assert (world.state, len(world.sent)) == (FLAT, 2)


def test_fills_that_the_venue_counted_and_did_not_tell_are_waited_for() -> None:
    world = World(case())
    world.filled(0)
    late = world.fill(1, 9_990)
    world.tell(world.end(1, 9_990))
    world.passed(9 * S)
    assert len(world.sent) == 2
    world.passed(S)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.UNKNOWN)
    world.tell(late)
    assert world.state == FLAT


# Late fills.


def test_a_late_fill_opens_it_again_and_is_taken_back() -> None:
    world = World(case())
    world.answer(0, 0)
    world.answer(1, 0)
    world.tell(world.fill(1, 9_990))
    assert "late-fill" in world.alarms()
    assert (world.state, world.last().leg, world.last().side) == (SagaState.UNWINDING, 1, BUY)
    world.answer(2, world.last().size_lots, world.quotes[1][1])
    for _ in range(10):
        world.passed(100 * MS)
        for order in list(world.open_orders()):
            world.answer(order, world.sent[order].size_lots, world.quotes[1][1])
    assert world.ends()[-1].state == UNWOUND
    assert world.ends()[-1].profit_atoms >= -world.plan.worst_atoms


def test_a_late_fill_of_dust_is_only_reported() -> None:
    world = World(case())
    world.answer(0, 0)
    world.answer(1, 0)
    world.tell(world.fill(1, 2))
    assert [one.state for one in world.ends()] == [FLAT, FLAT]
    assert dict(world.ends()[-1].residual) == {"BTC": -200_000}


def test_late_fills_open_it_a_bounded_number_of_times() -> None:
    world = World(case(reopens_max=0))
    world.answer(0, 0)
    world.answer(1, 0)
    world.tell(world.fill(0, 5_000))
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.REOPENED)
    world.acks += 1
    world.step(Acknowledged(1, world.now_ns))
    assert (world.state, world.last().purpose) == (SagaState.UNWINDING, Purpose.UNWIND)


def test_what_was_taken_back_twice_goes_on_again() -> None:
    world = failed_leg(case(hedges_max=0))
    assert world.last().purpose == Purpose.UNWIND
    world.answer(2, 0)
    world.passed(60 * MS)
    world.answer(3, 9_990, world.quotes[0][0])
    assert world.state == UNWOUND
    world.tell(world.fill(2, 9_990, world.quotes[0][0]))
    world.passed(60 * MS)
    send = world.last()
    assert (send.leg, send.side, send.purpose) == (0, BUY, Purpose.UNWIND)
    world.answer(4, send.size_lots, world.quotes[0][1])
    assert world.ends()[-1].state == UNWOUND
    assert world.ends()[-1].profit_atoms >= -world.plan.worst_atoms


def test_more_than_was_asked_for_is_alarmed_and_taken_back() -> None:
    world = World(case())
    world.filled(1)
    world.answer(0, world.sent[0].size_lots)
    assert world.state == FLAT
    world.tell(world.fill(0, 5_000))
    assert {"overfilled", "late-fill"} <= set(world.alarms())
    assert (world.last().leg, world.last().side, world.last().size_lots) == (0, SELL, 4_995)


def test_a_total_below_the_fills_is_alarmed_and_the_fills_hold() -> None:
    world = World(case())
    world.tell(world.fill(0, 10_000))
    world.tell(world.end(0, 9_000))
    assert "venue-total-below-fills" in world.alarms()
    assert world.saga.facts.orders[0].total_lots == 10_000


def test_an_answer_to_an_order_that_never_was_is_alarmed() -> None:
    world = World(case())
    for number in (-1, 2):
        world.step(LegEnded(1, 0, number, int(OrderState.EXPIRED), 0, world.now_ns))
    assert world.alarms() == ["order-not-of-saga"] * 2


# Bounds.


def test_a_market_beyond_the_bound_is_not_sold_into() -> None:
    world = World(case())
    world.filled(0)
    far_away(world)
    world.answer(1, 0)
    assert world.state == SagaState.UNWINDING
    for _ in range(31):
        world.passed(100 * MS)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.BEYOND_BOUND)
    assert len(world.sent) == 2
    assert dict(world.ends()[-1].residual) == {"BTC": 999 * 10**6}
    come_back(world)
    world.passed(S)
    assert len(world.sent) == 2, "it waits for the operator"
    world.acks += 1
    world.step(Acknowledged(1, world.now_ns))
    world.answer(2, 9_990, world.quotes[0][0])
    assert world.state == UNWOUND


def test_a_market_that_comes_back_in_time_needs_nobody() -> None:
    world = World(case())
    world.filled(0)
    far_away(world)
    world.answer(1, 0)
    world.passed(2 * S)
    come_back(world)
    assert world.last().purpose == Purpose.UNWIND


def test_the_price_goes_step_by_step_to_the_bound_and_no_further() -> None:
    world = failed_leg(case(hedges_max=0, unwinds_max=4))
    for order in range(2, 6):
        world.answer(order, 0)
        world.passed(60 * MS)
    leg = world.plan.legs[0]
    prices = [one.price_ticks for one in world.sent[2:]]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] == leg.touch_ticks - -(-(leg.touch_ticks - leg.unwind_ticks) // 4)
    assert prices[-1] == leg.unwind_ticks
    assert (len(prices), world.saga.facts.reason) == (4, StuckReason.ATTEMPTS)


@pytest.mark.parametrize("route", ROUTES)
def test_the_very_worst_is_within_the_budget_and_comes_home(route: Route) -> None:
    world = World(case(route, hedge_ppm=0, hedges_max=0, reopens_max=9, unwinds_max=9, fills_max=1))
    for send in list(world.sent):
        world.answer(send.order, 0)
    for place, leg in enumerate(world.plan.legs):
        world.quote(place, leg.unwind_ticks, leg.unwind_ticks)
    for send in list(world.sent):
        world.tell(world.fill(send.order, send.size_lots))
        for _ in range(60):
            world.passed(100 * MS)
            for order in list(world.open_orders()):
                world.filled(order)
        assert world.state == UNWOUND
    worst = world.plan.worst_atoms
    assert -worst <= world.ends()[-1].profit_atoms < -worst * 8 // 10


def test_no_quote_is_waited_for_as_long_as_patience_lasts() -> None:
    world = World(case())
    world.filled(0)
    world.quote(0, 0, 0)
    world.quote(1, 0, 0)
    world.answer(1, 0)
    world.passed(2_999 * MS)
    assert world.state == SagaState.UNWINDING
    world.passed(MS)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.NO_QUOTE)


def test_a_fee_that_changes_in_flight_is_alarmed_and_budgeted_from_then_on() -> None:
    world = World(case(hedges_max=0))
    world.tell(world.fill(0, 10_000, fee=(50_000_000, "BTC")))
    world.tell(world.end(0, 10_000))
    assert world.alarms() == ["fee-above-plan"]
    world.answer(1, 0)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.BUDGET)
    assert len(world.sent) == 2, "to sell at that fee could lose more than was budgeted"
    world.step(Released(1, world.now_ns))
    assert world.state == SagaState.RELEASED


def test_the_operator_takes_over_what_is_stuck_and_hears_of_what_comes_late() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.step(Released(1, world.now_ns))
    assert world.state == SagaState.LEGS, "only what is stuck is given away"
    world.passed(10 * S)
    world.step(Released(1, world.now_ns))
    assert world.ends()[-1].state == SagaState.RELEASED
    world.filled(1)
    assert world.ends()[-1].residual == ()
    assert (world.state, len(world.sent)) == (SagaState.RELEASED, 2)


# Halts, leases, crashes.


def test_a_halt_cancels_and_sends_nothing_until_it_is_cleared() -> None:
    world = World(case())
    world.halted = True
    cancels = world.step(Halted(True, world.now_ns))
    assert cancels == [CancelLeg(1, 0, 0), CancelLeg(1, 1, 1)]
    assert world.step(Halted(True, world.now_ns)) == []
    world.filled(0)
    world.answer(1, 0)
    assert world.passed(5 * S) == []
    world.halted = False
    (send,) = world.step(Halted(False, world.now_ns))
    assert isinstance(send, SendLeg) and send.purpose == Purpose.HEDGE


def test_what_is_even_under_a_halt_is_over() -> None:
    world = World(case())
    world.halted = True
    world.step(Halted(True, world.now_ns))
    world.filled(0)
    world.filled(1)
    assert world.state == FLAT


def test_the_unknown_is_alarmed_under_a_halt_too() -> None:
    world = World(case())
    world.filled(0)
    world.unknown(1)
    world.halted = True
    world.step(Halted(True, world.now_ns))
    world.passed(10 * S)
    assert (world.state, world.saga.facts.reason) == (STUCK, StuckReason.UNKNOWN)
    world.answer(1, 0)
    assert world.state == STUCK, "nothing is sent, so nothing goes on"
    world.halted = False
    world.step(Halted(False, world.now_ns))
    assert world.last().purpose == Purpose.UNWIND


def test_a_halt_ends_a_sequence() -> None:
    world = World(sequential(TRIANGLE))
    world.halted = True
    world.step(Halted(True, world.now_ns))
    world.filled(0)
    world.halted = False
    world.step(Halted(False, world.now_ns))
    assert world.last().purpose != Purpose.LEG


def test_without_the_lease_legs_are_only_taken_back() -> None:
    world = World(case())
    world.reduced = True
    world.step(ReduceOnly(True, world.now_ns))
    world.filled(0)
    world.answer(1, 0)
    assert (world.last().leg, world.last().purpose) == (0, Purpose.UNWIND)


def test_losing_the_lease_ends_a_sequence() -> None:
    world = World(sequential(TRIANGLE))
    world.reduced = True
    world.step(ReduceOnly(True, world.now_ns))
    world.filled(0)
    assert (len(world.sent), world.last().purpose) == (2, Purpose.UNWIND)


def test_after_a_crash_everything_that_was_out_is_unknown_until_the_venue_says() -> None:
    world = World(case())
    world.filled(0)
    revived = Saga.restored(world.saga.state())
    revived.step(Restarted(world.now_ns))
    assert [one.fate for one in revived.facts.orders] == [Fate.ENDED, Fate.UNKNOWN]
    world.step(Restarted(world.now_ns))
    world.filled(1)
    assert world.state == FLAT


def test_a_crash_ends_a_sequence_and_what_was_bought_is_brought_home() -> None:
    world = World(sequential(TRIANGLE))
    world.step(Restarted(world.now_ns))
    world.filled(0)
    assert world.state == SagaState.UNWINDING
    come_back(world)
    assert world.last().purpose == Purpose.UNWIND


def test_a_state_is_all_there_is() -> None:
    world = World(case(SQUARE))
    world.answer(2, world.sent[2].size_lots // 3)
    state = world.saga.state()
    revived = Saga.restored(state)
    assert revived.state() == state
    assert revived.facts == world.saga.facts
    assert msgspec.msgpack.decode(state)
