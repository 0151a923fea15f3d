"""The cheapest way to bring amounts from where they are to where they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

SHORT_COST = 10**12  # what leaving a unit where it is costs: more than any way does


class Edge(msgspec.Struct, frozen=True, array_like=True):
    """A way for up to `capacity` units, at `cost` a unit; both are whole, so that the answer is exact."""

    source: str
    target: str
    cost: int
    capacity: int


def cheapest(surplus: Mapping[str, int], held: Mapping[str, int], edges: Sequence[Edge]) -> list[int]:
    """Give the units on every edge that bring as much surplus to deficits (below zero) as can be, cheapest.

    The surplus sums to zero. No place gives more than is `held` there now, though more may come to it. What
    no edge can carry stays where it is.
    """
    import networkx  # a fifth of a second, paid only where a plan is made

    assert sum(surplus.values()) == 0, f"surplus and deficits differ: {dict(surplus)}"
    graph = networkx.DiGraph()
    for place, units in surplus.items():
        graph.add_node(("at", place), demand=-units)
        graph.add_edge(("at", place), ("from", place), weight=0, capacity=max(held.get(place, 0), 0))
        graph.add_edge(("at", place), "left", weight=SHORT_COST, capacity=max(units, 0))
        graph.add_edge("left", ("at", place), weight=0, capacity=max(-units, 0))
    for number, edge in enumerate(edges):
        if edge.source in surplus and edge.target in surplus and edge.capacity > 0:
            # Every edge has a node of its own: two ways between the same places are two ways.
            graph.add_edge(("from", edge.source), ("way", number), weight=edge.cost, capacity=edge.capacity)
            graph.add_edge(("way", number), ("at", edge.target), weight=0, capacity=edge.capacity)
    _, flow = networkx.network_simplex(graph)
    return [flow.get(("from", edge.source), {}).get(("way", number), 0) for number, edge in enumerate(edges)]
