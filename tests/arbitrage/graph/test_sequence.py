"""The shortest sequence that gains, against UVa 104 and every walk there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from arbitrage.graph.sequence import NODES_MAX
from arbitrage.ticket import Cycle
from tests.arbitrage.price_walk import instrument

Table = list[list[float]]

# UVa 104 "Arbitrage": rates from row to column, profit above 1 %, the sample's own answers from asset 1 on.
UVA_104: list[tuple[Table, str | None]] = [
    ([[1, 1.2, 0.89], [0.88, 1, 5.1], [1.1, 0.15, 1]], "121"),
    (
        [
            [1, 3.1, 0.0023, 0.35],
            [0.21, 1, 0.00353, 8.13],
            [200, 180.559, 1, 10.339],
            [2.11, 0.089, 0.06111, 1],
        ],
        "1241",
    ),
    ([[1, 2], [0.45, 1]], None),
]


def tabled(table: Table) -> PriceGraph:
    """Build a market for each rate of a table, in the order of the table."""
    places = range(1, len(table) + 1)
    pairs = list(itertools.permutations(places, 2))
    graph = PriceGraph([instrument("x", str(here), str(there)) for here, there in pairs])
    for market, (here, there) in enumerate(pairs):
        graph.set_rate(market, table[here - 1][there - 1])
    return graph


def passed(graph: PriceGraph, cycle: Cycle) -> str:
    """Write the assets that a sequence passes, the first also at its end."""
    names = [graph.instruments[hop.market].base for hop in cycle.hops]
    return "".join([*names, names[0]])


@pytest.mark.parametrize(("table", "answer"), UVA_104)
def test_uva_104(table: Table, answer: str | None) -> None:
    graph = tabled(table)
    found = graph.shortest(1.01)
    assert (None if found is None else passed(graph, found)) == answer


@given(st.integers(2, 4), st.data(), st.floats(0.9, 2))
def test_it_is_the_shortest_of_all_walks(count: int, data: st.DataObject, product_min: float) -> None:
    rate = st.one_of(st.just(0.0), st.floats(0.1, 3))
    table = [[data.draw(rate) for _ in range(count)] for _ in range(count)]
    found = tabled(table).shortest(product_min)
    lengths = (
        legs
        for legs in range(2, count + 1)
        for start in range(count)
        for middle in itertools.product(range(count), repeat=legs - 1)
        if all(one != two for one, two in itertools.pairwise((start, *middle, start)))
        and np.prod([table[one][two] for one, two in itertools.pairwise((start, *middle, start))])
        > product_min * (1 + 1e-9)
    )
    shortest = next(lengths, None)
    if shortest is not None:
        assert found is not None and len(found.hops) <= shortest
    if found is not None:
        assert found.product > product_min * (1 - 1e-9)


def test_a_swap_between_venues_costs_on_the_way() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "B", "A")], GraphConfig(swap_ppm=10_000))
    graph.set_rate(0, 1.02)
    graph.set_rate(1, 1.02)
    found = graph.shortest(1.01)
    assert found is not None and found.product == pytest.approx((1.02 * 0.99) ** 2)
    assert graph.shortest(1.04) is None


def test_more_assets_than_can_be_weighed_are_our_own_mistake() -> None:
    graph = PriceGraph([instrument("x", f"A{place}", "B") for place in range(NODES_MAX)])
    with pytest.raises(AssertionError, match="129 assets"):
        graph.shortest(1.01)
