"""Cycles, against published answers and against every walk there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.cycle import ASSETS_MAX, Rates, best_cycle, product, shortest_cycle

# UVa 104 "Arbitrage": rates from row to column, profit above 1 %, the sample's own answers.
UVA_104 = [
    ([[1, 1.2, 0.89], [0.88, 1, 5.1], [1.1, 0.15, 1]], (0, 1, 0)),
    (
        [
            [1, 3.1, 0.0023, 0.35],
            [0.21, 1, 0.00353, 8.13],
            [200, 180.559, 1, 10.339],
            [2.11, 0.089, 0.06111, 1],
        ],
        (0, 1, 3, 0),
    ),
    ([[1, 2], [0.45, 1]], None),
]

BTC, ETH, USDT, USDC, TUSD = range(5)
# OctoBot's triangular arbitrage tests: last prices, used both ways.
OCTOBOT_FEW = {(BTC, USDT): 30000.0, (ETH, BTC): 0.3, (ETH, USDT): 2000.0}
OCTOBOT_MANY = {
    **OCTOBOT_FEW,
    (ETH, USDC): 1900.0,
    (BTC, USDC): 35000.0,
    (USDC, USDT): 1.1,
    (USDC, TUSD): 0.95,
    (ETH, TUSD): 1950.0,
    (BTC, TUSD): 32500.0,
}


def market(prices: dict[tuple[int, int], float], count: int = 5) -> Rates:
    """Build the matrix of rates from prices."""
    rates = np.zeros((count, count))
    for (base, quote), price in prices.items():
        rates[base, quote], rates[quote, base] = price, 1 / price
    return rates


def rotated(*cycle: int) -> tuple[int, ...]:
    """Write a cycle from its lowest node on."""
    low = cycle.index(min(cycle))
    return (*cycle[low:], *cycle[:low], cycle[low])


@pytest.mark.parametrize(("rates", "cycle"), UVA_104)
def test_uva_104(rates: list[list[float]], cycle: tuple[int, ...] | None) -> None:
    assert shortest_cycle(np.array(rates), 1.01) == cycle


@pytest.mark.parametrize(
    ("prices", "legs_max", "answer", "cycle"),
    [
        (OCTOBOT_FEW, 3, 4.5, (ETH, BTC, USDT)),
        (OCTOBOT_MANY, 3, 5.526315789473684, (ETH, BTC, USDC)),
        (OCTOBOT_MANY, 10, 5.775, (ETH, BTC, USDC, USDT)),
    ],
)
def test_octobot(
    prices: dict[tuple[int, int], float], legs_max: int, answer: float, cycle: tuple[int, ...]
) -> None:
    found = best_cycle(market(prices), legs_max)
    assert found is not None
    assert found[0] == pytest.approx(answer, rel=1e-12) and found[1] == rotated(*cycle)


@st.composite
def matrices(draw: st.DrawFn) -> Rates:
    count = draw(st.integers(2, 4))
    rate = st.one_of(st.just(0.0), st.floats(0.1, 3))
    return np.array([[draw(rate) for _ in range(count)] for _ in range(count)])


@given(matrices(), st.floats(0.9, 2))
def test_the_shortest_cycle_is_the_shortest_of_all_walks(rates: Rates, product_min: float) -> None:
    found = shortest_cycle(rates, product_min)
    nodes = range(len(rates))
    walks = (
        (start, *middle, start)
        for legs in range(2, len(rates) + 1)
        for start in nodes
        for middle in itertools.product(nodes, repeat=legs - 1)
    )
    shortest = next((walk for walk in walks if product(rates, walk) > product_min * (1 + 1e-9)), None)
    if shortest is not None:
        assert found is not None and len(found) <= len(shortest)
    if found is not None:
        assert found[0] == found[-1] and product(rates, found) > product_min * (1 - 1e-9)


@given(matrices(), st.integers(2, 4))
def test_the_best_cycle_is_the_best_of_all_simple_cycles(rates: Rates, legs_max: int) -> None:
    everyone = [
        (*nodes, nodes[0])
        for legs in range(2, legs_max + 1)
        for nodes in itertools.permutations(range(len(rates)), legs)
    ]
    products = [value for cycle in everyone if (value := product(rates, cycle)) > 0]
    found = best_cycle(rates, legs_max)
    if not products:
        assert found is None
    else:
        assert found is not None and found[0] == pytest.approx(max(products), rel=1e-9)
        assert product(rates, found[1]) == pytest.approx(found[0], rel=1e-9)


@pytest.mark.parametrize(
    "rates",
    [np.ones((2, 3)), np.ones(3), np.array([[1.0, np.nan], [1.0, 1.0]]), np.array([[1.0, -1.0], [1.0, 1.0]])],
    ids=["not square", "no matrix", "NaN", "negative"],
)
def test_a_matrix_that_no_market_has_is_refused(rates: Rates) -> None:
    with pytest.raises(ValueError):
        shortest_cycle(rates, 1.0)
    with pytest.raises(ValueError):
        best_cycle(rates, 3)


def test_too_many_assets_are_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="17 assets"):
        best_cycle(np.ones((ASSETS_MAX + 1, ASSETS_MAX + 1)), 3)
