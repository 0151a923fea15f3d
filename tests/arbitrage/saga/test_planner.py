"""From a ticket to a plan, or to the reason why not."""

from __future__ import annotations

import msgspec
import pytest

from arbitrage.fee import FeeRule
from arbitrage.saga.events import NoSaga, NoSagaReason
from arbitrage.saga.plan import SagaConfig, SagaPlan
from arbitrage.saga.planner import LegView, Planner, hardness, pays_atoms
from arbitrage.ticket import Ticket
from tests.arbitrage.saga_world import (
    MS,
    PLENTY,
    ROUTES,
    SOLD_FIRST,
    SPATIAL,
    SQUARE,
    TRIANGLE,
    Route,
    case,
    sequential,
    ticket_of,
)


def planned(route: Route, ticket: Ticket | None = None, **changed: int) -> SagaPlan | NoSaga:
    """Plan a route with one leg's view changed."""
    at = changed.pop("at", 0)
    views = [LegView(bid, ask, 10**9, MS, 900_000, PLENTY) for bid, ask in route.touches]
    views[at] = msgspec.structs.replace(views[at], **changed)
    own = ticket_of(route, [FeeRule(0)] * len(route.markets))
    return Planner(route.markets).planned(ticket or own, views, PLENTY)


def reason(found: SagaPlan | NoSaga) -> tuple[NoSagaReason, int, int]:
    """Give why nothing was planned."""
    assert isinstance(found, NoSaga)
    return NoSagaReason(found.reason), found.figure, found.limit


@pytest.mark.parametrize("route", ROUTES)
def test_funded_legs_go_together_the_farthest_first(route: Route) -> None:
    count = len(route.markets)
    plan = case(route, latency_ns=tuple((place + 1) * MS for place in range(count))).plan()
    assert plan.waves == (tuple(reversed(range(count))),)


def test_prices_are_bounded_on_the_side_that_costs() -> None:
    plan = case(TRIANGLE, hedge_ppm=2_000, unwind_ppm=10_000).plan()
    bought, _, sold = plan.legs
    assert (bought.cap_ticks, bought.hedge_ticks, bought.unwind_ticks) == (3_000_000, 3_006_000, 2_969_901)
    assert (sold.cap_ticks, sold.hedge_ticks, sold.unwind_ticks) == (201_000, 200_598, 203_020)
    assert (bought.touch_ticks, sold.touch_ticks) == (2_999_900, 201_010)


def test_an_order_is_given_as_long_as_its_venue_is_far() -> None:
    plan = case(SPATIAL, latency_ns=(MS, 90 * MS), answer_ms=400).plan()
    assert [leg.answer_ns for leg in plan.legs] == [402 * MS, 580 * MS]


def test_a_funded_leg_is_what_an_unfunded_cycle_begins_with() -> None:
    for at in range(3):
        plan = sequential(TRIANGLE, at).plan()
        assert plan.waves == tuple(((at + step) % 3,) for step in range(3))
        assert [leg.fed for leg in plan.legs] == [place != at for place in range(3)]


def test_the_hardest_of_the_funded_legs_is_first() -> None:
    free = (PLENTY, PLENTY, 0)
    assert case(TRIANGLE, free=free, latency_ns=(MS, 5 * MS, MS)).plan().waves[0] == (1,)
    assert case(TRIANGLE, free=free, latency_ns=(5 * MS, MS, MS)).plan().waves[0] == (0,)
    assert case(TRIANGLE, free=free).plan().waves[0] == (1,), "it takes more of the depth"


def test_a_leg_is_harder_by_depth_by_fills_and_by_distance() -> None:
    leg = case(SPATIAL).plan().legs[0]
    easy = LegView(1, 2, 10**9, MS, 1_000_000, 0)
    deep, sure, near = (
        hardness(leg, msgspec.structs.replace(easy, **more), 10 * MS)
        for more in ({"depth_lots": leg.size_lots * 2}, {"fill_ppm": 400_000}, {"latency_ns": 10 * MS})
    )
    base = hardness(leg, easy, 10 * MS)
    assert base == leg.size_lots * 10**6 // 10**9 + 100_000
    assert (deep, sure, near) == (600_000, base + 600_000, base + 900_000)
    assert hardness(leg, msgspec.structs.replace(easy, depth_lots=0), 0) > 10**6


def test_inventory_is_not_carried_between_venues() -> None:
    found = sequential(SPATIAL).planned()
    assert reason(found) == (NoSagaReason.UNFUNDED, 9_990 * 100_000, 0)
    assert reason(sequential(SQUARE, 1).planned())[0] == NoSagaReason.UNFUNDED
    assert isinstance(sequential(SOLD_FIRST, 0).planned(), NoSaga)


def test_one_balance_does_not_pay_two_legs() -> None:
    both = Route(
        (SPATIAL.markets[0], msgspec.structs.replace(SPATIAL.markets[1], venue="x")),
        SPATIAL.sides,
        SPATIAL.touches,
        "USDT",
        SPATIAL.in_atoms,
    )
    there = Route(
        (*both.markets, *both.markets),
        (*both.sides, *both.sides),
        (*both.touches, *both.touches),
        "USDT",
        10**13,
    )
    own = ticket_of(there, [FeeRule(0)] * 4)
    views = [LegView(bid, ask, 10**9, MS, 0, own.in_atoms) for bid, ask in there.touches]
    found = Planner(both.markets).planned(own, views, PLENTY)
    assert isinstance(found, SagaPlan)
    assert len(found.waves) > 1


def test_a_fee_in_quote_is_paid_on_top() -> None:
    plan = case(SPATIAL, in_quote=True).plan()
    bought, sold = plan.legs
    notional = bought.cap_ticks * bought.size_lots * bought.tick_lot_atoms
    assert pays_atoms(bought) == notional * 1_001 // 1_000
    assert pays_atoms(sold) == sold.size_lots * sold.lot_atoms


def test_what_can_be_lost_must_be_within_the_budget() -> None:
    plan = case().plan()
    assert isinstance(case().planned(plan.worst_atoms), SagaPlan)
    found = case().planned(plan.worst_atoms - 1)
    assert reason(found) == (NoSagaReason.BUDGET, plan.worst_atoms, plan.worst_atoms - 1)


def test_swapping_inventory_is_part_of_what_can_be_lost() -> None:
    route = SPATIAL
    ticket = msgspec.structs.replace(ticket_of(route, [FeeRule(0)] * 2), swap_atoms=10**10)
    views = [LegView(bid, ask, 10**9, MS, 0, PLENTY) for bid, ask in route.touches]
    with_swap = Planner(route.markets).planned(ticket, views, 0)
    without = Planner(route.markets).planned(msgspec.structs.replace(ticket, swap_atoms=0), views, 0)
    assert reason(with_swap)[1] == reason(without)[1] + 10**10


def test_a_market_without_a_quote_cannot_be_planned() -> None:
    assert reason(planned(SPATIAL, at=1, bid_ticks=0)) == (NoSagaReason.NO_QUOTE, 1, 0)
    assert reason(planned(SPATIAL, at=0, ask_ticks=0)) == (NoSagaReason.NO_QUOTE, 0, 0)


def test_a_ticket_that_is_no_cycle_is_refused() -> None:
    good = ticket_of(TRIANGLE, [FeeRule(0)] * 3)
    first, second, third = good.legs
    for legs, place in (
        ((first, third, second), 1),
        ((first, second), 2),
        ((msgspec.structs.replace(first, side=-1), second, third), 0),
        ((first, msgspec.structs.replace(second, size_lots=0), third), 1),
        ((first, second, msgspec.structs.replace(third, price_ticks=-1)), 2),
        ((first, msgspec.structs.replace(second, get_atoms=0), third), 1),
    ):
        ticket = msgspec.structs.replace(good, legs=legs)
        views = [LegView(1, 2, 10**9, MS, 0, PLENTY) for _ in legs]
        found = Planner(TRIANGLE.markets).planned(ticket, views, PLENTY)
        assert reason(found) == (NoSagaReason.BAD_TICKET, place, 0)


def test_a_fee_that_changed_is_planned_with() -> None:
    route = SPATIAL
    planner = Planner(route.markets, SagaConfig())
    views = [LegView(bid, ask, 10**9, MS, 0, PLENTY) for bid, ask in route.touches]
    ticket = ticket_of(route, [FeeRule(0)] * 2)
    before = planner.planned(ticket, views, PLENTY)
    planner.set_fee(1, FeeRule(2_500, True))
    after = planner.planned(ticket, views, PLENTY)
    assert isinstance(before, SagaPlan) and isinstance(after, SagaPlan)
    assert (after.legs[1].fee_ppm, after.legs[1].fee_in_quote) == (2_500, True)
    assert after.worst_atoms > before.worst_atoms
