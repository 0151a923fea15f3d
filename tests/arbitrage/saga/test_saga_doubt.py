"""The leg saga's paths where something is not known, or known late."""

from __future__ import annotations

from arbitrage.saga.events import (
    Acknowledged,
    CancelLeg,
    LegEnded,
    LegKnown,
    Purpose,
    SagaState,
    StuckReason,
)
from arbitrage.saga.leg_ledger import Fate
from domain.order import OrderState
from tests.arbitrage.saga_scenes import failed_leg
from tests.arbitrage.saga_world import (
    BUY,
    MS,
    SELL,
    TRIANGLE,
    S,
    World,
    case,
)

FLAT, UNWOUND, STUCK = SagaState.FLAT, SagaState.UNWOUND, SagaState.STUCK


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
