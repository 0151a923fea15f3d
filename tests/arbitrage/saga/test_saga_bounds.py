"""The leg saga's paths where a bound, a halt, the lease or a crash stops it."""

from __future__ import annotations

import msgspec
import pytest

from arbitrage.saga.events import (
    Acknowledged,
    CancelLeg,
    Halted,
    Purpose,
    ReduceOnly,
    Released,
    Restarted,
    SagaState,
    SendLeg,
    StuckReason,
)
from arbitrage.saga.leg_ledger import Fate
from arbitrage.saga.saga import Saga
from tests.arbitrage.saga_scenes import come_back, failed_leg, far_away
from tests.arbitrage.saga_world import (
    MS,
    ROUTES,
    SQUARE,
    TRIANGLE,
    Route,
    S,
    World,
    case,
    sequential,
)

FLAT, UNWOUND, STUCK = SagaState.FLAT, SagaState.UNWOUND, SagaState.STUCK


def test_a_market_beyond_the_bound_is_not_sold_into() -> None:
    world = World(case(hedges_max=0))
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
    world = World(case(hedges_max=0))
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
