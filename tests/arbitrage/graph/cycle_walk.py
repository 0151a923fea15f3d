"""The slow obvious way to name every simple cycle that gains: what the kernel says is held against it."""

from __future__ import annotations

import heapq
from collections.abc import Collection

from arbitrage.graph.columns import PAIR, PRODUCT_MIN, SOURCE, TARGET, VENUE, GraphColumns
from arbitrage.graph.detect_kernels import LOOSE

Found = tuple[float, tuple[int, ...]]
Node = tuple[int, int]
# What it gained, its edges, and the nodes passed.
Walk = tuple[float, tuple[int, ...], tuple[Node, ...]]

STEPS_MAX = 2_000_000
MOST = 1e30  # beyond this no bound is told: its powers are no floats


class CycleWalk:
    """Walk every cycle once, from the lowest of its edges that gain at the values that stand.

    A cycle passes no asset twice at one venue. Whatever cannot gain any more is left, so that a market in
    balance costs nothing; one in disorder has more cycles than can be walked, which is told, not hidden.
    """

    def __init__(
        self,
        columns: GraphColumns,
        legs_max: int,
        limit: int,
        steps_max: int = STEPS_MAX,
        *,
        through: Collection[int] | None = None,
        product_min: float = 1.0,
    ) -> None:
        """Ask for so many cycles; only those through some classes, or that gain more, where that is said."""
        self._legs_max, self._limit, self._steps, self._steps_max = legs_max, limit, steps_max, steps_max
        self._floor = max(float(columns.reals[PRODUCT_MIN]), product_min)
        pairs = columns.markets[:, PAIR : PAIR + 2].reshape(-1)
        self._rates = columns.rates.reshape(-1).tolist()
        self._source = columns.pairs[pairs, SOURCE].tolist()
        self._target = columns.pairs[pairs, TARGET].tolist()
        self._venue = [venue for venue in columns.markets[:, VENUE].tolist() for _ in range(2)]
        values, self._rests = columns.values[:, 0].tolist(), columns.values[:, 1].tolist()
        self._out: list[list[int]] = [[] for _ in values]
        self._gains = [0.0] * len(self._rates)
        for edge, rate in enumerate(self._rates):
            if rate > 0:
                self._gains[edge] = rate * values[self._target[edge]] / values[self._source[edge]]
                self._out[self._source[edge]].append(edge)
        self._found: list[tuple[float, int, tuple[int, ...]]] = []
        self._through = None if through is None else frozenset(through)
        self._away = self._legs_to(self._through or ())

    def walk(self) -> tuple[list[Found], bool]:
        """Give the best cycles, best first, and whether all ways were walked."""
        most = 1.0
        for edge in sorted((edge for edge, gain in enumerate(self._gains) if gain > 1.0), reverse=True):
            self._from(edge, most)
            most = max(most, self._gains[edge])
        found = sorted(
            ((gain, tuple(-edge for edge in edges)) for gain, _, edges in self._found),
            key=lambda one: (-one[0], len(one[1]), one[1]),
        )
        return found, self._steps >= 0

    def _legs_to(self, classes: Collection[int]) -> list[int]:
        """Count the legs from every class to the nearest of some."""
        away = [0 if place in classes else self._legs_max + 1 for place in range(len(self._out))]
        for _ in range(self._legs_max if classes else 0):
            for source, edges in enumerate(self._out):
                for edge in edges:
                    away[source] = min(away[source], away[self._target[edge]] + 1)
        return away

    def _passes(self, edges: tuple[int, ...]) -> bool:
        return self._through is None or any(self._source[edge] in self._through for edge in edges)

    def _from(self, first: int, most: float) -> None:
        """Walk the cycles whose lowest gaining edge is `first`; no other one gains more than `most`."""
        home = (self._venue[first], self._source[first])
        visited = (home, (self._venue[first], self._target[first]))
        stack: list[tuple[float, tuple[int, ...], tuple[Node, ...]]] = [
            (self._gains[first], (first,), visited)
        ]
        while stack and self._steps >= 0:
            walk = stack.pop()
            self._close(walk[1], home)
            if len(walk[1]) < self._legs_max and walk[2][-1] != home:
                stack += self._onward(*walk, most)

    def _onward(
        self, gain: float, edges: tuple[int, ...], visited: tuple[Node, ...], most: float
    ) -> list[Walk]:
        venue, asset = visited[-1]
        bound = self._floor * LOOSE / min(most, MOST) ** (self._legs_max - len(edges) - 1)
        bound = bound if most <= MOST else 0.0
        longer, passed = [], self._passes(edges) or self._away[asset] == 0
        for edge in self._out[asset]:
            mine = self._gains[edge]
            there = self._venue[edge]
            total = gain * mine * (1.0 if there == venue else self._rests[asset])
            if total < bound or (mine > 1.0 and edge <= edges[0]):
                continue
            if not passed and len(edges) + 1 + self._away[self._target[edge]] > self._legs_max:
                continue
            into, out = (there, asset), (there, self._target[edge])
            if (there != venue and into in visited) or out in visited[1:]:
                continue
            self._steps -= 1
            if self._steps < 0:
                break
            longer.append((total, (*edges, edge), (*visited, into, out)))
        return longer

    def _close(self, edges: tuple[int, ...], home: Node) -> None:
        """Keep a path that leads back to where it began."""
        if len(edges) < 2 or self._target[edges[-1]] != home[1] or not self._passes(edges):
            return
        low = edges.index(min(edges))
        cycle = (*edges[low:], *edges[:low])
        gain = 1.0
        for edge, onward in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            swapped = self._venue[edge] != self._venue[onward]
            gain *= self._rates[edge] * (self._rests[self._target[edge]] if swapped else 1.0)
        if gain <= self._floor:
            return
        found = (gain, -len(cycle), tuple(-edge for edge in cycle))
        if len(self._found) < self._limit:
            heapq.heappush(self._found, found)
        else:
            heapq.heappushpop(self._found, found)
