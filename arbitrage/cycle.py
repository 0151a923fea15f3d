"""Cycles of exchange rates that give back more than they took."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Rates = NDArray[np.float64]
Cycle = tuple[int, ...]

# Every simple cycle is walked: beyond this many assets that is no longer a matter of milliseconds.
ASSETS_MAX = 16


def shortest_cycle(rates: Rates, product_min: float) -> Cycle | None:
    """Find a cycle of the fewest legs whose product is above `product_min`; 0 is no market.

    Nodes may repeat inside it, as they may in a sequence of exchanges. The first node is also the last.

    >>> shortest_cycle(np.array([[1, 1.2, 0.89], [0.88, 1, 5.1], [1.1, 0.15, 1]]), 1.01)
    (0, 1, 0)
    """
    vetted(rates)
    count = len(rates)
    best, steps = rates.copy(), [np.full((count, count), -1)]
    for legs in range(2, count + 1):
        through = best[:, :, None] * rates[None, :, :]
        steps.append(through.argmax(axis=1))
        best = through.max(axis=1)
        found = np.flatnonzero(best.diagonal() > product_min)
        if found.size:
            return _walked_back(steps, int(found[0]), legs)
    return None


def _walked_back(steps: list[NDArray[np.int64]], start: int, legs: int) -> Cycle:
    """Follow the remembered middles from the end of the walk to its start."""
    nodes = [start]
    for taken in reversed(steps[1:legs]):
        nodes.append(int(taken[start, nodes[-1]]))
    return (start, *reversed(nodes[1:]), start)


def best_cycle(rates: Rates, legs_max: int) -> tuple[float, Cycle] | None:
    """Find the simple cycle of at most `legs_max` legs with the largest product; `None` where there is none.

    It is given from its lowest node on, which is also its last.
    """
    vetted(rates)
    assert len(rates) <= ASSETS_MAX, f"{len(rates)} assets: simple cycles are walked for up to {ASSETS_MAX}"
    best: tuple[float, Cycle] | None = None
    for start in range(len(rates)):
        paths: list[tuple[float, Cycle]] = [(1.0, (start,))]
        while paths:
            product, path = paths.pop()
            closed = product * float(rates[path[-1], start])
            if len(path) > 1 and closed > 0 and (best is None or closed > best[0]):
                best = (closed, (*path, start))
            if len(path) < legs_max:
                paths += _longer(rates, product, path)
    return best


def _longer(rates: Rates, product: float, path: Cycle) -> list[tuple[float, Cycle]]:
    """Lengthen a path by every node that lies above its start and is not on it yet."""
    row = rates[path[-1]]
    return [
        (product * float(row[node]), (*path, node))
        for node in range(path[0] + 1, len(row))
        if row[node] > 0 and node not in path
    ]


def product(rates: Rates, cycle: Cycle) -> float:
    """Multiply the rates along a cycle."""
    return float(np.prod([rates[here, there] for here, there in itertools.pairwise(cycle)]))


def vetted(rates: Rates) -> None:
    """Refuse a matrix that no market can have."""
    if rates.ndim != 2 or rates.shape[0] != rates.shape[1]:
        raise ValueError(f"rates must be a square matrix, not {rates.shape}")
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise ValueError("a rate must be finite and not below zero")
