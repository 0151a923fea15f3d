"""Whether anything gains at all, of any length: against networkx, rustworkx and a published cycle."""

from __future__ import annotations

import math
from collections.abc import Iterator

import networkx
import numpy as np
import pytest
import rustworkx

from arbitrage.graph.certificate import LEG_MARGIN
from arbitrage.graph.price_graph import GraphConfig, PriceGraph
from tests.arbitrage.price_walk import edges_of, instrument, random_graph, walk

Edge = tuple[str, str, float]
OURS, NETWORKX, RUSTWORKX = "ours", "networkx", "rustworkx"


def weighted(graph: PriceGraph) -> list[Edge]:
    """Write the graph as its peers know it: minus the logarithm of what each leg and swap leaves."""
    config, edges, nodes = graph.config, [], {}
    for one, rates in zip(graph.instruments, graph.columns.rates.tolist(), strict=True):
        base, quote = f"{one.venue}:{one.base}", f"{one.venue}:{one.quote}"
        for (source, target), rate in zip(((base, quote), (quote, base)), rates, strict=True):
            if rate > 0:
                edges.append((source, target, LEG_MARGIN - math.log(rate)))
                nodes[source] = nodes[target] = True
    for source in nodes:
        for target in nodes:
            asset = source.split(":")[1]
            free = config.swappable is None or asset in config.swappable
            if source != target and asset == target.split(":")[1] and free:
                rest = 1.0 - config.swaps.get(asset, config.swap_ppm) / 1_000_000
                edges.append((source, target, -math.log(rest)))
    return edges


def networkx_says(edges: list[Edge]) -> bool:
    """Ask networkx whether there is a negative cycle."""
    graph = networkx.DiGraph()
    for source, target, weight in edges:
        if not graph.has_edge(source, target) or graph[source][target]["weight"] > weight:
            graph.add_edge(source, target, weight=weight)
    return bool(networkx.negative_edge_cycle(graph))


def rustworkx_says(edges: list[Edge]) -> bool:
    """Ask rustworkx whether there is a negative cycle."""
    graph, places = rustworkx.PyDiGraph(), {}
    for source, target, weight in edges:
        for name in (source, target):
            if name not in places:
                places[name] = graph.add_node(name)
        graph.add_edge(places[source], places[target], weight)
    return bool(rustworkx.negative_edge_cycle(graph, float))


def drawn(count: int) -> Iterator[PriceGraph]:
    """Give graphs after random updates, each of another kind."""
    for seed in range(count):
        draw = np.random.default_rng(seed)
        config = GraphConfig(swap_ppm=int(draw.choice([0, 50, 3000])))
        graph = PriceGraph(random_graph(draw), config)
        rows = walk(draw, len(graph.instruments), 40, ("calm", "calm", "few", "wild")[seed % 4])
        graph.update_rows(rows, np.zeros(len(rows)))
        yield graph


def agrees(count: int, peers: tuple[str, ...]) -> dict[bool, int]:
    """Hold each graph's answer against all peers', and count the answers."""
    seen = {True: 0, False: 0}
    for graph in drawn(count):
        longer, edges = graph.longer(), weighted(graph)
        if NETWORKX in peers:
            assert networkx_says(edges) == (longer is not None)
        if RUSTWORKX in peers:
            assert rustworkx_says(edges) == (longer is not None)
        if longer is None:
            assert graph.best is None
        else:
            assert longer.product > 1.0 and not graph.certified
            assert_closed(graph, edges_of(longer))
        seen[longer is not None] += 1
    return seen


def assert_closed(graph: PriceGraph, edges: tuple[int, ...]) -> None:
    """Hold that each leg gives what the next one takes, through different edges that have a price."""
    ends = [(one.base, one.quote) for one in graph.instruments]
    legs = [ends[edge >> 1] if edge % 2 == 0 else ends[edge >> 1][::-1] for edge in edges]
    assert all(one[1] == two[0] for one, two in zip(legs, (*legs[1:], legs[0]), strict=True))
    assert len(set(edges)) == len(edges) and (graph.columns.rates.reshape(-1)[list(edges)] > 0).all()


def test_networkx_agrees_on_whether_anything_gains() -> None:
    seen = agrees(80, (NETWORKX,))
    assert seen[True] > 15 and seen[False] > 15


def test_rustworkx_agrees_on_whether_anything_gains() -> None:
    seen = agrees(600, (RUSTWORKX,))
    assert seen[True] > 120 and seen[False] > 120


@pytest.mark.soak
def test_both_agree_on_many_more() -> None:
    seen = agrees(20_000, (NETWORKX, RUSTWORKX))
    assert sum(seen.values()) == 20_000


def test_the_negative_cycle_of_networkx_documentation() -> None:
    """Nodes 4-0-1-4 of `networkx.find_negative_cycle`'s example."""
    weights = {(0, 1): 2, (1, 2): 2, (2, 0): 1, (1, 4): 2, (4, 0): -5}
    graph = PriceGraph([instrument("x", str(source), str(target)) for source, target in weights])
    for market, weight in enumerate(weights.values()):
        graph.set_rate(market, math.exp(-weight))
    longer = graph.longer()
    assert longer is not None and longer == graph.best
    names = [(graph.instruments[hop.market].base, graph.instruments[hop.market].quote) for hop in longer.hops]
    assert names == [("0", "1"), ("1", "4"), ("4", "0")] and longer.product == pytest.approx(math.exp(1))


def test_what_only_free_swaps_would_make_gain_is_decided_exactly() -> None:
    graph = PriceGraph(
        [instrument("x", "A", "B"), instrument("y", "A", "B")], GraphConfig(swaps={"A": 2_000, "B": 2_000})
    )
    graph.update(0, 9_990, 1, 10_000, 1)
    assert not graph.update(1, 10_030, 1, 10_040, 1)
    assert not graph.certified and graph.longer() is None
    assert graph.update(1, 10_050, 1, 10_060, 1) and graph.longer() == graph.best
