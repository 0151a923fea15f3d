"""The worst case, against every subset of legs filled and taken back trade by trade."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.saga.plan import LegPlan, SagaPlan
from arbitrage.saga.worst_case import SCALE, ahead, alone, home, leg_costs, values, worst_atoms
from domain.order import Side
from domain.units import PPM
from tests.arbitrage.saga_world import ROUTES, Route, case, charge


def traded(plan: SagaPlan, trades: list[tuple[LegPlan, int, int, int]]) -> Fraction:
    """Give the loss of (leg, side, price, lots), what is left between the legs at the ticket's cost."""
    worth, sums = {plan.ticket.asset: Fraction(1)}, dict[str, int]()
    for leg, planned in zip(plan.ticket.legs[:-1], plan.legs, strict=False):
        worth[planned.get_asset] = worth[planned.pay_asset] * leg.pay_atoms / leg.get_atoms
    for one, side, price, lots in trades:
        fee, asset = charge(one, side, price, lots)
        quote = price * lots * one.tick_lot_atoms
        for name, atoms in (
            (one.base, side * lots * one.lot_atoms),
            (one.quote, -side * quote),
            (asset, -fee),
        ):
            sums[name] = sums.get(name, 0) + atoms
    return -sum((worth[name] * atoms for name, atoms in sums.items()), Fraction(0))


@pytest.mark.parametrize("in_quote", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_no_subset_that_fills_and_is_taken_back_loses_more(route: Route, in_quote: bool) -> None:
    plan = case(route, in_quote=in_quote).plan()
    worst = Fraction(0)
    for fates in itertools.product(range(5), repeat=len(plan.legs)):
        trades = []
        for leg, fate in zip(plan.legs, fates, strict=True):
            for lots, there, back in (
                (leg.size_lots, fate in (1, 3), fate == 3),
                (leg.size_lots // 2, fate in (2, 4), fate == 4),
            ):
                trades += [(leg, leg.side, leg.hedge_ticks, lots)] if there and lots > 0 else []
                trades += [(leg, -leg.side, leg.unwind_ticks, lots)] if back and lots > 0 else []
        worst = max(worst, traded(plan, trades))
    assert worst <= plan.worst_atoms
    assert plan.worst_atoms < worst * 11 / 10 + 10**10, "a bound that is true and near"


@pytest.mark.parametrize("in_quote", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_the_bound_spelt_out_is_the_sum_of_its_parts(route: Route, in_quote: bool) -> None:
    plan, total, rounding, worst_ppm = case(route, in_quote=in_quote).plan(), 0, 0, 0
    worth = values(plan.ticket)
    for place, leg in enumerate(plan.legs):
        between = worth[place : place + 2]
        forward, back = leg_costs(leg, between, leg.fee_ppm)
        there_and_back = max(0, forward + back)
        total += there_and_back * leg.size_lots
        base = between[leg.side > 0] * leg.lot_atoms
        worst_ppm = max(worst_ppm, -(-(there_and_back + max(0, -forward)) * PPM // base))
        rounding += max(between) * 7 * 100
    for _ in plan.legs:
        total += -(-total * worst_ppm // PPM)
    assert worst_atoms(plan.ticket, plan.legs, 7, 100) == -(-(total + rounding) // SCALE)


@settings(max_examples=60, deadline=None)
@given(
    index=st.integers(0, len(ROUTES) - 1),
    sizes=st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), min_size=4, max_size=4),
    better=st.lists(st.integers(0, 200), min_size=8, max_size=8),
)
def test_no_sizes_and_no_better_prices_lose_more(
    index: int, sizes: list[tuple[int, int]], better: list[int]
) -> None:
    plan, trades = case(ROUTES[index]).plan(), []
    for place, (leg, (on, back)) in enumerate(zip(plan.legs, sizes, strict=False)):
        lots = leg.size_lots * on // 1_000
        there = leg.hedge_ticks - leg.side * leg.hedge_ticks * better[place] // 10_000
        again = leg.unwind_ticks + leg.side * leg.unwind_ticks * better[place + 4] // 10_000
        trades += [(leg, leg.side, there, lots), (leg, -leg.side, again, lots * back // 1_000)]
    assert traded(plan, trades) <= plan.worst_atoms


@pytest.mark.parametrize("more", [{"hedge_ppm": 0}, {"unwind_ppm": 0}, {"fee_ppm": 0}, {"fills_max": 1}])
def test_a_tighter_bound_is_a_smaller_worst_case(more: dict[str, Any]) -> None:
    for route in ROUTES:
        assert case(route, **more).plan().worst_atoms < case(route).plan().worst_atoms


def test_an_asset_between_the_legs_is_worth_what_the_ticket_pays_for_it() -> None:
    plan = case(ROUTES[1]).plan()
    worth = values(plan.ticket)
    first = plan.ticket.legs[0]
    assert worth[0] == worth[-1] == SCALE
    assert Fraction(worth[1], SCALE) == pytest.approx(first.pay_atoms / first.get_atoms)


def test_a_rebate_makes_a_leg_cheaper_and_taking_back_is_never_a_gain() -> None:
    plan = case(ROUTES[0], fee_ppm=1_000).plan()
    leg, worth = plan.legs[0], values(plan.ticket)[:2]
    forward, back = leg_costs(leg, worth, leg.fee_ppm)
    cheaper, gained = leg_costs(leg, worth, -200_000)
    assert cheaper < forward and gained == 0 < back
    assert leg.side == Side.BUY


def test_the_way_home_counts_both_ways() -> None:
    assert home(3, (7, 5)) == 15
    assert home(-3, (7, 5)) == 21
    assert home(-3, (-7, 5)) == 0
    assert ahead(0, (2, 0), (7, 5)) == 24
    assert ahead(0, (2, 0), (-7, 5)) == 0
    assert ahead(4, (0, 4), (7, 5)) == 20
    assert alone((2, 0), (7, 5)) == 14
    assert alone((0, 2), (7, 5)) == 10
    assert alone((2, 0), (-7, 5)) == 0
