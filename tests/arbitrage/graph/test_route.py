"""The best conversion of one asset into another, against every route there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from arbitrage.graph import route
from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from arbitrage.ticket import Hop
from domain.errors import SwarmError
from tests.arbitrage.price_walk import ASSETS, instrument, random_graph, walk

BUY, SELL = 1, -1


def best_of_all(graph: PriceGraph, have: str, want: str, legs_max: int, venues: tuple[str, ...]) -> float:
    """Multiply out every chain of edges that passes no asset twice."""
    edges = []
    for market, one in enumerate(graph.instruments):
        for side, (source, target) in enumerate(((one.base, one.quote), (one.quote, one.base))):
            rate = float(graph.columns.rates[market, side])
            if rate > 0 and one.venue in venues:
                edges.append((one.venue, source, target, rate))
    best = 0.0
    for legs in range(1, legs_max + 1):
        for chain in itertools.permutations(edges, legs):
            if chain[0][1] != have or chain[-1][2] != want:
                continue
            joined = all(one[2] == two[1] for one, two in itertools.pairwise(chain))
            if joined and len({have, *(leg[2] for leg in chain)}) == legs + 1:
                product = chain[0][3]
                for before, leg in itertools.pairwise(chain):
                    same = before[0] == leg[0]
                    free = graph.config.swappable is None or leg[1] in graph.config.swappable
                    rest = 1.0 - graph.config.swap_ppm / 1_000_000 if free else 0.0
                    product *= leg[3] * (1.0 if same else rest)
                best = max(best, product)
    return best


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    swappable = None if seed % 3 else ("A", "C")
    graph = PriceGraph(random_graph(draw)[:6], GraphConfig(swap_ppm=300, swappable=swappable))
    graph.update_rows(walk(draw, len(graph.instruments), 60, ("calm", "wild")[seed % 2]), np.zeros(60))
    venues = graph.venues if seed % 4 else graph.venues[:1]
    for have, want in itertools.permutations(ASSETS[:3], 2):
        found, best = graph.route(have, want, 3, venues), best_of_all(graph, have, want, 3, venues)
        assert (found.product if found else 0.0) == pytest.approx(best, rel=1e-12)
        if found is not None:
            assert found.product >= found.direct * (1 - 1e-12)
            assert found.direct == pytest.approx(best_of_all(graph, have, want, 1, venues), rel=1e-12)


def test_a_way_round_that_is_cheaper_than_the_direct_market() -> None:
    graph = PriceGraph(
        [
            instrument("x", "BTC", "EUR", 2_500),
            instrument("y", "BTC", "USDT", 100),
            instrument("z", "EUR", "USDT"),
        ]
    )
    graph.update(0, 6_000_000, 1, 6_001_000, 1)
    graph.update(1, 6_480_000, 1, 6_480_500, 1)
    graph.update(2, 107, 1, 108, 1)
    found = graph.route("BTC", "EUR")
    assert found is not None and found.hops == (Hop(1, SELL), Hop(2, BUY))
    assert found.product == pytest.approx(64_800 * 0.9999 * 0.99995 / 1.08)
    assert found.direct == pytest.approx(60_000 * 0.9975) and (found.have, found.want) == ("BTC", "EUR")
    only = graph.route("BTC", "EUR", venues=["x"])
    assert only is not None and only.hops == (Hop(0, SELL),) and only.product == only.direct


def test_there_may_be_no_way() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "C", "D")])
    graph.update(0, 100, 1, 101, 1)
    assert graph.route("A", "C") is None and graph.route("A", "Z") is None and graph.route("Z", "A") is None
    assert graph.route("A", "A") is None and graph.route("A", "B", venues=[]) is None


def test_more_work_than_is_bounded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "STEPS_MAX", 1)
    graph = PriceGraph([instrument("x", "A", "B"), instrument("x", "B", "C"), instrument("x", "C", "D")])
    for market in range(3):
        graph.update(market, 100, 1, 101, 1)
    with pytest.raises(SwarmError, match="ask for fewer legs"):
        graph.route("A", "D")
