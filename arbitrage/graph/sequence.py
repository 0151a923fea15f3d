"""Find the sequence of fewest conversions that gives back more than it took (UVa 104)."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from arbitrage.graph.columns import PAIR, SOURCE, TARGET, VENUE, GraphColumns, Ints, Reals

# Every walk of each length is weighed: beyond this many assets that is no longer a matter of milliseconds.
NODES_MAX = 128


def shortest_sequence(
    columns: GraphColumns, product_min: float, classes: Collection[int] | None = None
) -> tuple[float, list[int]] | None:
    """Give the product and the edges of the shortest one above `product_min`; assets may repeat in it.

    It begins with one of `classes`, where these are given.

    Of equally short ones it is that from the first asset, and of those the best.
    """
    rates, edges, held = _direct(columns)
    begins = np.array([classes is None or place in classes for place, _ in held], bool)
    best, steps = rates, [np.full(rates.shape, -1)]
    for _ in range(2, len(rates) + 1):
        through = best[:, :, None] * rates[None, :, :]
        steps.append(through.argmax(axis=1))
        best = through.max(axis=1)
        found = np.flatnonzero(begins & (best.diagonal() > product_min))
        if found.size:
            start = int(found[0])
            return float(best[start, start]), _walked_back(steps, start, edges)
    return None


def _direct(columns: GraphColumns) -> tuple[Reals, Ints, list[tuple[int, int]]]:
    """Give the best rate from each asset at a venue to each other, swap before it included, and its edge."""
    pair = columns.markets[:, PAIR : PAIR + 2].reshape(-1)
    source, target = columns.pairs[pair, SOURCE], columns.pairs[pair, TARGET]
    venue = np.repeat(columns.markets[:, VENUE], 2)
    held = sorted({*zip(source.tolist(), venue.tolist(), strict=True)})
    assert len(held) <= NODES_MAX, f"{len(held)} assets: sequences are weighed for up to {NODES_MAX}"
    places = {node: place for place, node in enumerate(held)}
    rates, edges = np.zeros((len(held), len(held))), np.full((len(held), len(held)), -1)
    for edge, rate in enumerate(columns.rates.reshape(-1).tolist()):
        there = places[int(target[edge]), int(venue[edge])]
        for node, place in places.items():
            if node[0] == source[edge]:
                kept = rate if node[1] == venue[edge] else rate * float(columns.values[node[0], 1])
                if kept > rates[place, there]:
                    rates[place, there], edges[place, there] = kept, edge
    return rates, edges, held


def _walked_back(steps: list[Ints], start: int, edges: Ints) -> list[int]:
    """Follow the remembered middles from the end of the walk to its start."""
    nodes = [start]
    for taken in reversed(steps[1:]):
        nodes.append(int(taken[start, nodes[-1]]))
    nodes.append(start)
    nodes.reverse()
    return [int(edges[here, there]) for here, there in itertools.pairwise(nodes)]
