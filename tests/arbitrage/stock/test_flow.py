"""The cheapest flow conserves, meets what can be met, and costs what an LP and brute force say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from arbitrage.stock.flow import SHORT_COST, Edge, cheapest

PLACES = "abcd"


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int], list[Edge]]:
    """Draw surpluses that sum to zero, holdings, and ways."""
    count = draw(st.integers(2, 4))
    places = PLACES[:count]
    units = [draw(st.integers(-20, 20)) for _ in places[1:]]
    surplus = dict(zip(places, [-sum(units), *units], strict=True))
    held = {place: draw(st.integers(0, 40)) for place in places}
    pairs = [pair for pair in itertools.product(places, places) if pair[0] != pair[1]]
    edges = draw(
        st.lists(
            st.tuples(st.sampled_from(pairs), st.integers(-3, 50), st.integers(0, 30)).map(
                lambda drawn: Edge(drawn[0][0], drawn[0][1], drawn[1], drawn[2])
            ),
            max_size=7,
        )
    )
    return surplus, held, edges


def by_lp(surplus: dict[str, int], held: dict[str, int], edges: list[Edge]) -> float:
    """Give the least cost, what is left counted as dearly as there."""
    places = list(surplus)
    count, shorts = len(edges), len(places)
    cost = [edge.cost for edge in edges] + [SHORT_COST / 1e6] * shorts + [0.0] * shorts
    conserve = np.zeros((shorts + 1, count + 2 * shorts))
    outflow = np.zeros((shorts, count + 2 * shorts))
    for number, edge in enumerate(edges):
        conserve[places.index(edge.source), number] += 1
        conserve[places.index(edge.target), number] -= 1
        outflow[places.index(edge.source), number] += 1
    for place in range(shorts):
        conserve[place, count + place] = 1  # surplus that stays
        conserve[place, count + shorts + place] = -1  # deficit that is not met
        conserve[shorts, count + place], conserve[shorts, count + shorts + place] = 1, -1
    bounds = [(0, edge.capacity) for edge in edges]
    bounds += [(0, max(units, 0)) for units in surplus.values()]
    bounds += [(0, max(-units, 0)) for units in surplus.values()]
    solved = linprog(
        cost, outflow, [held[place] for place in places], conserve, [*surplus.values(), 0], bounds, "highs"
    )
    assert solved.success
    return float(solved.fun)


def cost_of(surplus: dict[str, int], edges: list[Edge], flows: list[int], short_cost: float) -> float:
    """Give the cost of flows, checking that they conserve and stay within what is."""
    left = dict(surplus)
    for edge, units in zip(edges, flows, strict=True):
        assert 0 <= units <= edge.capacity
        left[edge.source] -= units
        left[edge.target] += units
    for place, units in left.items():
        assert min(surplus[place], 0) <= units <= max(surplus[place], 0), (place, surplus, flows)
    short = sum(units for units in left.values() if units > 0)
    return sum(edge.cost * units for edge, units in zip(edges, flows, strict=True)) + short_cost * short


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_optimum_is_that_of_the_lp(problem: tuple[dict[str, int], dict[str, int], list[Edge]]) -> None:
    surplus, held, edges = problem
    flows = cheapest(surplus, held, edges)
    assert all(isinstance(units, int) for units in flows)
    for place in surplus:
        given_out = sum(units for edge, units in zip(edges, flows, strict=True) if edge.source == place)
        assert given_out <= held[place]
    assert cost_of(surplus, edges, flows, SHORT_COST / 1e6) == pytest.approx(
        by_lp(surplus, held, edges), abs=1e-3
    )


def test_the_optimum_is_that_of_brute_force() -> None:
    surplus, held = {"a": 3, "b": -2, "c": -1}, {"a": 9, "b": 1, "c": 0}
    edges = [Edge("a", "b", 5, 2), Edge("a", "b", 1, 1), Edge("a", "c", 9, 3), Edge("b", "c", 2, 3)]
    every = itertools.product(*(range(edge.capacity + 1) for edge in edges))
    best = min(
        cost_of(surplus, edges, list(flows), SHORT_COST)
        for flows in every
        if conserves(surplus, edges, flows) and flows[3] <= held["b"]
    )
    assert best == 1 + 2 * 5 + 2
    assert cost_of(surplus, edges, cheapest(surplus, held, edges), SHORT_COST) == best


def conserves(surplus: dict[str, int], edges: list[Edge], flows: tuple[int, ...]) -> bool:
    """Tell whether flows only bring surplus to deficits."""
    left = dict(surplus)
    for edge, units in zip(edges, flows, strict=True):
        left[edge.source] -= units
        left[edge.target] += units
    return all(min(surplus[place], 0) <= units <= max(surplus[place], 0) for place, units in left.items())


def test_amounts_beyond_a_float_stay_whole() -> None:
    huge = 10**18 + 1
    assert cheapest({"a": huge, "b": -huge}, {"a": 2 * huge}, [Edge("a", "b", 3, 1 << 62)]) == [huge]


def test_what_no_way_can_carry_stays() -> None:
    assert cheapest({"a": 5, "b": -5}, {"a": 9}, [Edge("a", "b", 3, 2)]) == [2]
    assert cheapest({"a": 5, "b": -5}, {"a": 1}, [Edge("a", "b", 3, 9)]) == [1]
    assert cheapest({"a": 5, "b": -5}, {"a": 9}, []) == []


def test_ways_to_places_that_are_not_asked_about_carry_nothing() -> None:
    assert cheapest({"a": 5, "b": -5}, {"a": 9}, [Edge("z", "b", 1, 9), Edge("a", "z", 1, 9)]) == [0, 0]


def test_surplus_and_deficits_must_be_equal() -> None:
    with pytest.raises(AssertionError, match="differ"):
        cheapest({"a": 5}, {"a": 9}, [])
