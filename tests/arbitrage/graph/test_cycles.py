"""All cycles that gain: each once, best first, and never more work than is bounded."""

from __future__ import annotations

import itertools

import pytest

from arbitrage.graph.cycles import CycleSearch
from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from domain.errors import SwarmError
from tests.arbitrage.price_walk import ASSETS, BruteForce, edges_of, instrument


def crowded(legs_max: int = 4) -> PriceGraph:
    """Build a market in which every book of several assets and venues tells something else."""
    graph = PriceGraph(
        [instrument(venue, *pair) for venue in "xyz" for pair in itertools.combinations(ASSETS[:4], 2)],
        GraphConfig(legs_max=legs_max),
    )
    for market in range(len(graph.instruments)):
        graph.update(market, 10_000 + 37 * market % 101, 1, 10_005 + 37 * market % 101, 1)
    return graph


def test_only_the_best_are_given_where_there_are_more() -> None:
    graph = crowded()
    every, few = graph.all(4, 10**6), graph.all(4, 7)
    assert len(every) > 50 and few == every[:7]


def test_each_is_given_once_and_begins_with_its_lowest_edge() -> None:
    every = [edges_of(cycle) for cycle in crowded().all(4, 10**6)]
    assert len(set(every)) == len(every)
    assert all(edges[0] == min(edges) for edges in every)


def test_fewer_legs_are_a_part_of_more() -> None:
    graph = crowded()
    three, four = graph.all(3, 10**6), graph.all(4, 10**6)
    assert three == [cycle for cycle in four if len(cycle.hops) <= 3]


def test_they_are_those_of_brute_force() -> None:
    graph = crowded(3)
    everything = BruteForce(graph.instruments, graph.config)
    products = everything.products(graph.columns.rates.reshape(1, -1))[0]
    gaining = {
        cycle: product for cycle, product in zip(everything.cycles, products, strict=True) if product > 1
    }
    found = {edges_of(cycle): cycle.product for cycle in graph.all(3, 10**6)}
    assert found == gaining


def test_more_work_than_is_bounded_is_told() -> None:
    with pytest.raises(SwarmError, match="ask for fewer legs") as told:
        CycleSearch(crowded().columns, 6, 10, steps_max=500).run()
    assert "500 steps to walk cycles of 6 legs" in str(told.value)


def test_a_market_in_balance_has_none() -> None:
    graph = PriceGraph([instrument(venue, "A", "B") for venue in "xyz"])
    for market in range(3):
        graph.update(market, 10_000, 1, 10_001, 1)
    assert graph.all(6, 5) == [] and CycleSearch(graph.columns, 6, 5).run() == []
